/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/errno_name.h"
#include "base/error.h"
#include "harness.h"
#include "plan/plan.h"

static const struct {
    const char *name, *text;
    int number;
    char kind;
} table[] = {
#define ROW(name, number, text, kind) {"SHMBUS_ERR_" #name, text, number, #kind[0]},
    SHMBUS_ERRORS(ROW)
#undef ROW
};
enum { ROWS = sizeof table / sizeof table[0] };

T_TEST(error, own_numbers_and_names_are_unique_and_above_every_errno)
{
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_TRUE(table[i].number >= 5000);
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_NOT_EQUAL(table[i].number, table[j].number);
            CU_ASSERT_STRING_NOT_EQUAL(table[i].name, table[j].name);
            CU_ASSERT_STRING_NOT_EQUAL(table[i].text, table[j].text);
        }
    }
}

T_TEST(error, texts_are_lower_case_without_a_full_stop_for_both_signs)
{
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_STRING_EQUAL(shmbus_strerror(table[i].number), table[i].text);
        CU_ASSERT_STRING_EQUAL(shmbus_strerror(-table[i].number), table[i].text);
        CU_ASSERT_TRUE(table[i].text[0] >= 'a' && table[i].text[0] <= 'z');
        CU_ASSERT_NOT_EQUAL(table[i].text[strlen(table[i].text) - 1], '.');
    }
    CU_ASSERT_STRING_EQUAL(shmbus_strerror(-EINVAL), "invalid argument");
    CU_ASSERT_STRING_EQUAL(shmbus_strerror(ENOENT), "no such file or directory");
    CU_ASSERT_STRING_EQUAL(shmbus_strerror(0), "success");
}

T_TEST(error, names_cover_own_codes_errno_zero_and_the_unknown)
{
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(-SHMBUS_ERR_LAYOUT), "SHMBUS_ERR_LAYOUT");
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(SHMBUS_ERR_KIND), "SHMBUS_ERR_KIND");
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(-EAGAIN), "EAGAIN");
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(0), "OK");
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(4711), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(INT_MIN), "?");
    CU_ASSERT_PTR_NOT_NULL_FATAL(shmbus_strerror(INT_MIN));
    CU_ASSERT_STRING_EQUAL(shmbus_strerror(-4711), "unknown error 4711");
}

T_TEST(error, classes_follow_the_table_and_exclude_each_other)
{
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL(shmbus_error_is_retryable(-table[i].number), table[i].kind == 'R');
        CU_ASSERT_EQUAL(shmbus_error_is_fatal(-table[i].number), table[i].kind == 'F');
    }
    const int retryable[] = {EAGAIN, ETIMEDOUT, EINTR, EBUSY};
    for (size_t i = 0; i < sizeof retryable / sizeof retryable[0]; i++) {
        CU_ASSERT_TRUE(shmbus_error_is_retryable(-retryable[i]));
        CU_ASSERT_TRUE(shmbus_error_is_retryable(retryable[i]));
        CU_ASSERT_FALSE(shmbus_error_is_fatal(-retryable[i]));
    }
    const int neither[] = {0, EINVAL, ENOENT, EACCES, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
        CU_ASSERT_FALSE(shmbus_error_is_retryable(neither[i]));
        CU_ASSERT_FALSE(shmbus_error_is_fatal(neither[i]));
    }
}

T_TEST(error, the_sentence_is_formatted_kept_and_cut_at_its_limit)
{
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';

    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "");
    CU_ASSERT_EQUAL(sb_fail(-ENOENT, "channel \"%s\" of %d is not there", "tasks", 7), -ENOENT);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "channel \"tasks\" of 7 is not there");
    CU_ASSERT_EQUAL(sb_fail_prefix(-EINVAL, "bus \"%s\"", "demo"), -EINVAL);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "bus \"demo\": channel \"tasks\" of 7 is not there");
    CU_ASSERT_EQUAL(sb_fail(-EINVAL, "again: %s", shmbus_detail()), -EINVAL);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(),
                           "again: bus \"demo\": channel \"tasks\" of 7 is not there");
    sb_fail(-EINVAL, "%s", longer);
    CU_ASSERT_EQUAL(strlen(shmbus_detail()), 511);
}

T_TEST(error, the_sentence_is_one_line_without_control_characters)
{
    CU_ASSERT_EQUAL(sb_fail(-EINVAL, "unknown key `%s`", "a\nb\x1b[31m\x7f\t\xc3\xa4"), -EINVAL);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "unknown key `a?b?[31m??\xc3\xa4`");
}

T_TEST(error, the_quick_sentence_copies_name_and_text)
{
    char name[SHMBUS_NAME_BYTES] = "tasks";
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';

    CU_ASSERT_EQUAL(sb_fail_static(-EAGAIN, name, "the queue is full"), -EAGAIN);
    name[0] = 'X';
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "tasks: the queue is full");
    CU_ASSERT_EQUAL(sb_fail_static(-EAGAIN, NULL, "empty"), -EAGAIN);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "empty");
    sb_fail_static(-EAGAIN, longer, longer);
    CU_ASSERT_EQUAL(strlen(shmbus_detail()), 511);
}

static void *fail_elsewhere(void *seen)
{
    *(size_t *)seen = strlen(shmbus_detail());
    sb_fail(-EIO, "the other thread");
    return NULL;
}

T_TEST(error, each_thread_has_its_own_sentence)
{
    pthread_t thread;
    size_t seen = 99;
    sb_fail(-EIO, "this thread");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fail_elsewhere, &seen), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(seen, 0);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), "this thread");
}

T_TEST(names, counters_and_message_types_have_names_and_ends)
{
    for (unsigned c = 0; c < SHMBUS_COUNTER_COUNT; c++) {
        CU_ASSERT_PTR_NOT_NULL(shmbus_counter_name(c));
        CU_ASSERT_PTR_NOT_NULL(shmbus_counter_unit(c));
        CU_ASSERT_PTR_NOT_NULL(shmbus_counter_text(c));
    }
    CU_ASSERT_STRING_EQUAL(shmbus_counter_name(SHMBUS_COUNT_sent), "sent");
    CU_ASSERT_STRING_EQUAL(shmbus_counter_unit(SHMBUS_COUNT_sent_bytes), "bytes");
    CU_ASSERT_PTR_NULL(shmbus_counter_name(SHMBUS_COUNTER_COUNT));
    CU_ASSERT_PTR_NULL(shmbus_counter_unit(SHMBUS_COUNTER_COUNT));
    CU_ASSERT_PTR_NULL(shmbus_counter_text(SHMBUS_COUNTER_COUNT));
    CU_ASSERT_STRING_EQUAL(shmbus_type_name(SHMBUS_TYPE_STOP), "stop");
    CU_ASSERT_STRING_EQUAL(shmbus_type_name(SHMBUS_TYPE_USER), "user");
    CU_ASSERT_STRING_EQUAL(shmbus_type_name(8), "reserved");
    CU_ASSERT_STRING_EQUAL(shmbus_type_name(256), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_version(), SHMBUS_VERSION);
}

/* The channel that YAML makes of "KEY: NAME". */
static struct sb_channel_plan read_back(const char *key, const char *name)
{
    struct sb_channel_plan channel;
    struct shmbus_plan *plan;
    char yaml[100];

    snprintf(yaml, sizeof yaml, "channels: { c: { %s: %s } }", key, name);
    CU_ASSERT_EQUAL_FATAL(shmbus_plan_parse(yaml, strlen(yaml), NULL, &plan), 0);
    channel = plan->channels[0];
    shmbus_plan_free(plan);
    return channel;
}

T_TEST(names, of_kinds_policies_and_orders_are_those_of_yaml)
{
    for (unsigned kind = SHMBUS_KIND_QUEUE; kind <= SHMBUS_KIND_STREAM; kind++) {
        CU_ASSERT_EQUAL(read_back("kind", shmbus_kind_name(kind)).kind, kind);
    }
    for (unsigned full = SHMBUS_FULL_BLOCK; full <= SHMBUS_FULL_DROP_OLDEST; full++) {
        CU_ASSERT_EQUAL(read_back("on_full", shmbus_on_full_name(full)).on_full, full);
    }
    for (unsigned order = SHMBUS_ORDER_TOTAL; order <= SHMBUS_ORDER_PRODUCER; order++) {
        CU_ASSERT_EQUAL(read_back("order", shmbus_order_name(order)).order, order);
    }
}

T_TEST(names, of_lives_and_severities_are_words_and_those_of_no_number_are_not)
{
    CU_ASSERT_STRING_EQUAL(shmbus_life_name(SHMBUS_LIFE_ALIVE), "alive");
    CU_ASSERT_STRING_EQUAL(shmbus_life_name(SHMBUS_LIFE_IDLE), "idle");
    CU_ASSERT_STRING_EQUAL(shmbus_life_name(SHMBUS_LIFE_STALLED), "stalled");
    CU_ASSERT_STRING_EQUAL(shmbus_life_name(SHMBUS_LIFE_DEAD), "dead");
    CU_ASSERT_STRING_EQUAL(shmbus_severity_name(SHMBUS_SEVERITY_NOTE), "note");
    CU_ASSERT_STRING_EQUAL(shmbus_severity_name(SHMBUS_SEVERITY_WARNING), "warning");
    CU_ASSERT_STRING_EQUAL(shmbus_severity_name(SHMBUS_SEVERITY_CRITICAL), "critical");
    CU_ASSERT_STRING_EQUAL(shmbus_kind_name(0), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_on_full_name(0), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_order_name(0), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_life_name(5), "?");
    CU_ASSERT_STRING_EQUAL(shmbus_severity_name(4), "?");
}

/* What stands in where the C library has no names: glibc before 2.32, musl. */
#if COMPAT_GLIBC(32)
T_TEST(error, our_own_names_of_errnos_are_those_of_the_c_library)
{
    for (int number = -10; number < 5000; number++) {
        const char *theirs = number > 0 ? strerrorname_np(number) : NULL;
        const char *ours = sb_errno_name_own(number);
        if ((ours == NULL) != (theirs == NULL) || (ours != NULL && strcmp(ours, theirs) != 0)) {
            printf("%d is %s, and for us %s\n", number, theirs, ours);
            CU_FAIL("a name is missing");
        }
        if (ours != NULL) {
            CU_ASSERT_STRING_EQUAL(sb_errno_text_own(number), strerrordesc_np(number));
        } else {
            CU_ASSERT_PTR_NULL(sb_errno_text_own(number));
        }
    }
}
#endif
