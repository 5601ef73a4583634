/* SPDX-License-Identifier: MIT */
/* The health check says what is used up before the next one is refused. */
#include <string.h>

#include "fixture.h"

static const char plan_text[] =
    "processes: 2\n"
    "spare: { channels: 2, depth: 4 }\n"
    "channels:\n"
    "  tasks: { depth: 4, endpoints: 2 }\n"
    "  lanes: { depth: 4, order: producer, producers: 2, endpoints: 8 }\n"
    "  last: { depth: 4, on_full: drop_oldest }\n"
    "  ticks: { kind: stream, bytes: 4KiB }\n";

static bool collect(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    char *all = context;

    CU_ASSERT_TRUE(severity == SHMBUS_SEVERITY_NOTE || cure[0] != '\0');
    if (severity > SHMBUS_SEVERITY_NOTE) {
        strcat(strcat(all, what), "\n");
    }
    return true;
}

static const char *findings_with(struct shmbus *bus, const struct shmbus_check_opts *opts)
{
    static char all[4096];

    all[0] = '\0';
    CU_ASSERT_TRUE(shmbus_check_with(bus, opts, collect, all) >= 0);
    return all;
}

static const char *findings(struct shmbus *bus)
{
    return findings_with(bus, NULL);
}

static bool tells(struct shmbus *bus, const char *what)
{
    return strstr(findings(bus), what) != NULL;
}

static struct shmbus *bus_make(char name[SHMBUS_NAME_BYTES])
{
    struct shmbus_plan *plan = NULL;

    T_OK_FATAL(shmbus_plan_parse(plan_text, sizeof plan_text - 1, "plan", &plan));
    return t_bus_new(plan, name);
}

T_TEST(check_limits, what_is_used_up_is_told_and_what_is_not_is_not)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name), *other;
    struct shmbus_channel *a = t_open(bus, "tasks", SHMBUS_OPEN_SEND), *b;
    struct shmbus_channel *lane = t_open(bus, "lanes", SHMBUS_OPEN_SEND), *next;

    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    other = t_attach(name);
    CU_ASSERT_TRUE(tells(bus, "all 2 places for processes are taken"));
    shmbus_detach(other);
    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    b = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    CU_ASSERT_TRUE(tells(bus, "channel \"tasks\": all 2 handles are open"));
    shmbus_channel_close(b);
    next = t_open(bus, "lanes", SHMBUS_OPEN_SEND);
    CU_ASSERT_TRUE(tells(bus, "queue \"lanes\": all 2 lanes have a sender"));
    shmbus_channel_close(next);
    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    shmbus_channel_close(lane);
    shmbus_channel_close(a);
    t_bus_end(bus, name);
}

T_TEST(check_limits, a_queue_that_drops_its_oldest_is_full_by_design)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_channel *last = t_open(bus, "last", SHMBUS_OPEN_SEND);
    struct shmbus_channel *tasks = t_open(bus, "tasks", SHMBUS_OPEN_SEND);

    for (uint64_t i = 0; i < 10; i++) {
        t_put(last, i);
    }
    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    for (uint64_t i = 0; i < 4; i++) {
        t_put(tasks, i);
    }
    CU_ASSERT_TRUE(tells(bus, "queue \"tasks\" is 100 % full"));
    shmbus_channel_close(last);
    shmbus_channel_close(tasks);
    t_bus_end(bus, name);
}

T_TEST(check_limits, spare_queues_that_all_have_a_name_are_told)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);

    shmbus_channel_close(t_open(bus, "one", SHMBUS_OPEN_SEND));
    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    shmbus_channel_close(t_open(bus, "two", SHMBUS_OPEN_SEND));
    CU_ASSERT_TRUE(tells(bus, "all 2 spare queues have a name: the next new name is refused"));
    t_bus_end(bus, name);
}

T_TEST(check_limits, a_bus_without_spare_queues_is_meant_to_have_none)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 64, 8);
    struct shmbus *bus;

    t_plan_queue(plan, "tasks", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    plan->spare_channels = 0;
    bus = t_bus_new(plan, name);
    CU_ASSERT_FALSE(tells(bus, "spare"));
    t_bus_end(bus, name);
}

T_TEST(check_limits, are_where_the_caller_wants_them)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_channel *tasks = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_check_opts opts = SHMBUS_CHECK_OPTS_INIT;

    t_put(tasks, 1);
    t_put(tasks, 2);
    CU_ASSERT_STRING_EQUAL(findings(bus), "");
    opts.full_percent = opts.used_percent = 50;
    CU_ASSERT_PTR_NOT_NULL(strstr(findings_with(bus, &opts), "queue \"tasks\" is 50 % full"));
    CU_ASSERT_PTR_NOT_NULL(strstr(findings_with(bus, &opts), "1 of 2 places for processes"));
    CU_ASSERT_PTR_NOT_NULL(strstr(findings_with(bus, &opts), "channel \"tasks\": 1 of 2 handles"));
    opts.full_percent = opts.used_percent = 51;
    CU_ASSERT_STRING_EQUAL(findings_with(bus, &opts), "");
    t_put(tasks, 3);
    t_put(tasks, 4);
    opts.full_percent = SHMBUS_CHECK_NEVER;
    CU_ASSERT_STRING_EQUAL(findings_with(bus, &opts), "");
    opts.full_percent = 100;
    CU_ASSERT_PTR_NOT_NULL(strstr(findings_with(bus, &opts), "queue \"tasks\" is 100 % full"));
    shmbus_channel_close(tasks);
    t_bus_end(bus, name);
}
