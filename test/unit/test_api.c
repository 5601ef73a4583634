/* SPDX-License-Identifier: MIT */
/*
 * Wrong use of every public call: an answer with a sentence, nothing changed, never a crash. And
 * what one process may not do with another one's handles.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_channel *q, *r, *tx, *rx; /* queues, ends of a stream */
};

static void rig_make(struct rig *rig)
{
    struct shmbus_plan *plan = t_plan(64, 64, 16);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "r", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(t_add_region(plan, "area", 256));
    rig->bus = t_bus_new(plan, rig->name);
    rig->q = t_open(rig->bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->r = t_open(rig->bus, "r", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->tx = t_open(rig->bus, "s", SHMBUS_OPEN_SEND);
    rig->rx = t_open(rig->bus, "s", SHMBUS_OPEN_RECV);
}

static void rig_end(struct rig *rig)
{
    CU_ASSERT_EQUAL(t_get(rig->q), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(rig->r), UINT64_MAX);
    CU_ASSERT_EQUAL(t_blocks(rig->bus).free, 16);
    t_bus_end(rig->bus, rig->name);
}

/* Fails as expected and says something. */
#define REFUSED(call, expected)                                                                    \
    do {                                                                                           \
        T_FAILS(call, expected);                                                                   \
        CU_ASSERT_TRUE(strlen(shmbus_detail()) > 10);                                              \
    } while (0)

T_TEST(api, null_is_refused_everywhere)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;
    struct shmbus_region *region = NULL;
    struct iovec item = {NULL, 1};
    size_t size = 0;
    rig_make(&rig);
    REFUSED(shmbus_create(NULL, NULL, NULL), -EINVAL);
    REFUSED(shmbus_attach(NULL, NULL, &bus), -EINVAL);
    REFUSED(shmbus_attach(rig.name, NULL, NULL), -EINVAL);
    REFUSED(shmbus_unlink(NULL), -EINVAL);
    REFUSED(shmbus_unlink_if_unused(NULL), -EINVAL);
    shmbus_detach(NULL);
    REFUSED(shmbus_heartbeat(NULL), -EINVAL);
    REFUSED(shmbus_shutdown(NULL, true), -EINVAL);
    REFUSED(shmbus_reclaim(NULL), -EINVAL);
    shmbus_interrupt(NULL);
    shmbus_interrupt_clear(NULL);
    REFUSED(shmbus_channel_open(NULL, "q", SHMBUS_OPEN_SEND, NULL, &ch), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, NULL, SHMBUS_OPEN_SEND, NULL, &ch), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "q", SHMBUS_OPEN_SEND, NULL, NULL), -EINVAL);
    shmbus_channel_close(NULL);
    REFUSED(shmbus_send(NULL, "x", 1, 0), -EINVAL);
    REFUSED(shmbus_send(rig.q, NULL, 1, 0), -EINVAL);
    REFUSED(shmbus_send(rig.tx, NULL, 1, 0), -EINVAL);
    REFUSED(shmbus_send_batch(NULL, &item, 1, 0), -EINVAL);
    REFUSED(shmbus_send_batch(rig.q, NULL, 1, 0), -EINVAL);
    REFUSED(shmbus_recv(NULL, &msg, 0), -EINVAL);
    REFUSED(shmbus_recv(rig.q, NULL, 0), -EINVAL);
    REFUSED(shmbus_recv_batch(rig.q, NULL, 1, 0), -EINVAL);
    REFUSED(shmbus_recv_copy(rig.q, NULL, 1, &size, NULL, 0), -EINVAL);
    REFUSED(shmbus_recv_copy(rig.q, &msg, 1, NULL, NULL, 0), -EINVAL);
    REFUSED(shmbus_release(NULL), -EINVAL);
    REFUSED(shmbus_release_batch(NULL, 1), -EINVAL);
    T_OK(shmbus_release_batch(NULL, 0));
    REFUSED(shmbus_requeue(NULL), -EINVAL);
    REFUSED(shmbus_reserve(NULL, 1, &msg, 0), -EINVAL);
    REFUSED(shmbus_reserve(rig.q, 1, NULL, 0), -EINVAL);
    REFUSED(shmbus_commit(NULL, 0), -EINVAL);
    REFUSED(shmbus_abort(NULL), -EINVAL);
    REFUSED(shmbus_forward(NULL, rig.r, 0), -EINVAL);
    REFUSED(shmbus_channel_fd(NULL), -EINVAL);
    CU_ASSERT_EQUAL(shmbus_channel_size_max(NULL), 0);
    CU_ASSERT_STRING_EQUAL(shmbus_channel_name(NULL), "");
    CU_ASSERT_PTR_NULL(shmbus_channel_bus(NULL));
    REFUSED(shmbus_region_open(NULL, "area", &region), -EINVAL);
    REFUSED(shmbus_region_open(rig.bus, NULL, &region), -EINVAL);
    REFUSED(shmbus_region_open(rig.bus, "area", NULL), -EINVAL);
    shmbus_region_close(NULL);
    CU_ASSERT_EQUAL(shmbus_region_bytes(NULL), 0);
    CU_ASSERT_TRUE(shmbus_peek(NULL, "q", 1, NULL, NULL) < 0);
    CU_ASSERT_TRUE(shmbus_peek(rig.bus, NULL, 1, NULL, NULL) < 0);
    CU_ASSERT_TRUE(shmbus_bus_stat(NULL, NULL) < 0);
    CU_ASSERT_TRUE(shmbus_channel_stat(rig.bus, 0, NULL) < 0);
    CU_ASSERT_TRUE(shmbus_process_stat(rig.bus, 0, NULL) < 0);
    CU_ASSERT_TRUE(shmbus_block_stat(rig.bus, 0, NULL) < 0);
    CU_ASSERT_PTR_NULL(bus);
    CU_ASSERT_PTR_NULL(ch);
    CU_ASSERT_PTR_NULL(region);
    rig_end(&rig);
}

T_TEST(api, an_empty_message_struct_is_refused_everywhere)
{
    struct rig rig;
    struct shmbus_msg empty = {0};
    rig_make(&rig);
    for (int with_channel = 0; with_channel < 2; with_channel++) {
        int expected = with_channel ? -SHMBUS_ERR_STALE : -EINVAL;
        empty.channel = with_channel ? rig.q : NULL;
        REFUSED(shmbus_release(&empty), expected);
        REFUSED(shmbus_requeue(&empty), expected);
        REFUSED(shmbus_commit(&empty, 0), expected);
        REFUSED(shmbus_abort(&empty), expected);
        REFUSED(shmbus_forward(&empty, rig.r, 0), expected);
    }
    rig_end(&rig);
}

T_TEST(api, names_and_modes_are_checked)
{
    static const char *const bad[] = {"",
                                      ".hidden",
                                      "with space",
                                      "with/slash",
                                      "tab\t",
                                      "ü",
                                      "a-name-that-is-one-character-longer-than-allowed"};
    struct rig rig;
    struct shmbus_channel *ch = NULL;
    rig_make(&rig);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(shmbus_channel_open(rig.bus, bad[i], SHMBUS_OPEN_SEND, NULL, &ch), -EINVAL);
    REFUSED(shmbus_create("", NULL, NULL), -EINVAL);
    REFUSED(shmbus_create("with space", NULL, NULL), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "q", 0, NULL, &ch), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "q", SHMBUS_OPEN_EXISTING, NULL, &ch), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "q", 128 | SHMBUS_OPEN_SEND, NULL, &ch), -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "s", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &ch),
            -EINVAL);
    REFUSED(shmbus_channel_open(rig.bus, "s", SHMBUS_OPEN_SEND, NULL, &ch), -EBUSY);
    REFUSED(shmbus_channel_open(rig.bus, "nothing", SHMBUS_OPEN_SEND | SHMBUS_OPEN_EXISTING, NULL,
                                &ch),
            -ENOENT);
    CU_ASSERT_PTR_NULL(ch);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = 0x8000;
    REFUSED(shmbus_attach(rig.name, &opts, &bus), -EINVAL);
    opts.flags = 0;
    opts.spin_ns = -2; /* no time, and not SHMBUS_SPIN_NONE */
    REFUSED(shmbus_attach(rig.name, &opts, &bus), -EINVAL);
    opts.spin_ns = 0;
    opts.struct_bytes = 0;
    REFUSED(shmbus_attach(rig.name, &opts, &bus), -EINVAL);
    CU_ASSERT_PTR_NULL(bus);
    rig_end(&rig);
}

/* What a newer program passes: our options, and more behind them. */
struct newer {
    union {
        size_t struct_bytes;
        struct shmbus_attach_opts attach;
        struct shmbus_create_opts create;
        struct shmbus_open_opts open;
        struct shmbus_send_opts send;
    } known;
    uint64_t more[4];
};

enum { ATTACH, CREATE, OPEN, SEND, CALLS };

/* The call that takes those options, with @opts; what it makes is undone. */
static int call_with(struct rig *rig, int which, const void *opts)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;
    char name[SHMBUS_NAME_BYTES];
    int r;

    switch (which) {
    case ATTACH:
        r = shmbus_attach(rig->name, opts, &bus);
        shmbus_detach(bus);
        return r;
    case CREATE:
        r = shmbus_create(t_bus_name(name), NULL, opts);
        CU_ASSERT_EQUAL(shmbus_unlink(name), r == 0 ? 0 : -ENOENT);
        return r;
    case OPEN:
        r = shmbus_channel_open(rig->bus, "q", SHMBUS_OPEN_RECV, opts, &ch);
        shmbus_channel_close(ch);
        return r;
    default:
        r = shmbus_send_with(rig->q, opts, &(uint64_t){7}, sizeof(uint64_t), 0);
        CU_ASSERT_EQUAL(t_channel_stat(rig->bus, "q").depth, r == 0);
        CU_ASSERT_EQUAL(t_get(rig->q), r == 0 ? 7 : UINT64_MAX);
        return r;
    }
}

T_TEST(api, options_of_older_and_newer_programs_are_taken_or_refused_whole)
{
    static const size_t known[CALLS] = {sizeof(struct shmbus_attach_opts),
                                        sizeof(struct shmbus_create_opts),
                                        sizeof(struct shmbus_open_opts),
                                        sizeof(struct shmbus_send_opts)};
    struct rig rig;
    rig_make(&rig);
    for (int i = 0; i < CALLS; i++) {
        struct newer opts = {0};
        char *end = (char *)&opts + known[i];
        T_OK(call_with(&rig, i, NULL));
        opts.known.struct_bytes = 0; /* forgotten */
        REFUSED(call_with(&rig, i, &opts), -EINVAL);
        opts.known.struct_bytes = SIZE_MAX / 2; /* not a size at all */
        REFUSED(call_with(&rig, i, &opts), -EINVAL);
        opts.known.struct_bytes = sizeof(size_t); /* of the oldest program there can be */
        T_OK(call_with(&rig, i, &opts));
        opts.known.struct_bytes = known[i];
        *end = 1; /* not part of the options */
        T_OK(call_with(&rig, i, &opts));
        opts.known.struct_bytes = known[i] + 8;
        REFUSED(call_with(&rig, i, &opts), -E2BIG);
        *end = 0; /* newer, but it asks for nothing new */
        T_OK(call_with(&rig, i, &opts));
    }
    rig_end(&rig);
}

/* Fields for what is to come say nothing yet, whatever was in the caller's memory. */
static void says_no_more(struct shmbus_channel *tx, struct shmbus_channel *rx)
{
    struct shmbus_msg out, in;
    memset(&out, 0x5a, sizeof out);
    memset(&in, 0x5a, sizeof in);
    T_OK(shmbus_reserve(tx, 8, &out, 0));
    CU_ASSERT_EQUAL(out.priority | out.flags | out.reply_to | out.meta_bytes | out.expires_ns, 0);
    memset(out.data, 0, 8);
    out.priority = 7; /* not looked at */
    out.expires_ns = 1;
    T_OK(shmbus_commit(&out, 0));
    T_OK(shmbus_recv(rx, &in, 0));
    CU_ASSERT_EQUAL(in.priority | in.flags | in.reply_to | in.meta_bytes | in.expires_ns, 0);
    T_OK(shmbus_release(&in));
}

T_TEST(api, what_messages_cannot_say_yet_is_zero)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    struct shmbus_channel_opts lanes = {.struct_bytes = sizeof lanes,
                                        .kind = SHMBUS_KIND_QUEUE,
                                        .depth = 8,
                                        .order = SHMBUS_ORDER_PRODUCER};
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(shmbus_plan_add_channel(plan, "l", &lanes));
    struct shmbus *bus = t_bus_new(plan, name);
    const char *const names[] = {"q", "s", "l"};
    for (int i = 0; i < 3; i++) {
        says_no_more(t_open(bus, names[i], SHMBUS_OPEN_SEND),
                     t_open(bus, names[i], SHMBUS_OPEN_RECV));
    }
    t_bus_end(bus, name);
}

T_TEST(api, a_handle_does_only_what_it_was_opened_for)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    size_t size;
    char buffer[8];
    rig_make(&rig);
    struct shmbus_channel *send = t_open(rig.bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_channel *recv = t_open(rig.bus, "q", SHMBUS_OPEN_RECV);
    REFUSED(shmbus_recv(send, &msg, 0), -EINVAL);
    REFUSED(shmbus_recv_copy(send, buffer, 8, &size, NULL, 0), -EINVAL);
    REFUSED(shmbus_channel_fd(send), -EINVAL);
    REFUSED(shmbus_send(recv, "x", 1, 0), -EINVAL);
    REFUSED(shmbus_reserve(recv, 1, &msg, 0), -EINVAL);
    REFUSED(shmbus_recv(rig.tx, &msg, 0), -EINVAL);
    REFUSED(shmbus_send(rig.rx, "x", 1, 0), -EINVAL);
    REFUSED(t_send_as(rig.q, 256, 0, "x", 1, 0), -EINVAL);
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(recv, &msg), 1);
    REFUSED(shmbus_forward(&msg, recv, 0), -EINVAL); /* to where one cannot send */
    REFUSED(shmbus_commit(&msg, 0), -SHMBUS_ERR_KIND);
    T_OK(shmbus_release(&msg));
    rig_end(&rig);
}

/* ------------------------------------------------------------------------------- stale messages */

/* Whatever ended it: no call accepts it again, nor a copy of it. */
static void nothing_more(struct shmbus_msg *msg, struct shmbus_msg copy, struct shmbus_channel *to)
{
    for (int i = 0; i < 2; i++) {
        struct shmbus_msg *which = i == 0 ? msg : &copy;
        CU_ASSERT_TRUE(shmbus_release(which) < 0);
        CU_ASSERT_TRUE(shmbus_requeue(which) < 0);
        CU_ASSERT_TRUE(shmbus_commit(which, 0) < 0);
        CU_ASSERT_TRUE(shmbus_abort(which) < 0);
        CU_ASSERT_TRUE(shmbus_forward(which, to, 0) < 0);
    }
}

T_TEST(api, a_message_is_finished_once_and_copies_of_it_are_stale)
{
    struct rig rig;
    struct shmbus_msg msg = {0}, copy;
    rig_make(&rig);
    for (int how = 0; how < 5; how++) {
        if (how < 2) {
            T_OK(shmbus_reserve(rig.q, 8, &msg, 0));
            memset(msg.data, 0, 8);
        } else {
            t_put(rig.q, 0);
            CU_ASSERT_EQUAL(t_take(rig.q, &msg), 0);
        }
        copy = msg;
        switch (how) {
        case 0:
            T_OK(shmbus_abort(&msg));
            break;
        case 1:
            T_OK(shmbus_commit(&msg, 0));
            break;
        case 2:
            T_OK(shmbus_release(&msg));
            break;
        case 3:
            T_OK(shmbus_requeue(&msg));
            break;
        default:
            T_OK(shmbus_forward(&msg, rig.r, 0));
            break;
        }
        CU_ASSERT_PTR_NULL(msg.data);
        REFUSED(shmbus_release(&msg), -SHMBUS_ERR_STALE);
        nothing_more(&msg, copy, rig.r);
        struct shmbus_msg later = {0}; /* the block in use again: the copy still does not fit */
        T_OK(shmbus_reserve(rig.q, 8, &later, 0));
        nothing_more(&msg, copy, rig.r);
        T_OK(shmbus_abort(&later));
        struct shmbus_channel *where = how == 4 ? rig.r : rig.q;
        CU_ASSERT_EQUAL(t_get(where), how == 0 || how == 2 ? UINT64_MAX : 0);
    }
    rig_end(&rig);
}

/* With stocks, where an aborted block stays with the handle. */
T_TEST(api, a_copy_of_an_aborted_reservation_never_frees_a_block_twice)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 64, 64);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0}, a = {0}, b = {0};
    T_OK(shmbus_reserve(ch, 8, &msg, 0));
    struct shmbus_msg copy = msg;
    T_OK(shmbus_abort(&msg));
    REFUSED(shmbus_abort(&copy), -SHMBUS_ERR_STALE);
    T_OK(shmbus_reserve(ch, 8, &a, 0));
    T_OK(shmbus_reserve(ch, 8, &b, 0));
    CU_ASSERT_PTR_NOT_EQUAL(a.data, b.data);
    T_OK(shmbus_abort(&a));
    T_OK(shmbus_abort(&b));
    t_bus_end(bus, name);
}

T_TEST(api, operations_that_do_not_fit_the_message_are_refused_and_it_stays)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    rig_make(&rig);
    T_OK(shmbus_reserve(rig.q, 8, &msg, 0));
    REFUSED(shmbus_release(&msg), -SHMBUS_ERR_KIND);
    REFUSED(shmbus_requeue(&msg), -SHMBUS_ERR_KIND);
    REFUSED(shmbus_forward(&msg, rig.r, 0), -SHMBUS_ERR_KIND);
    T_OK(shmbus_abort(&msg));

    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(rig.q, &msg), 1);
    REFUSED(shmbus_abort(&msg), -SHMBUS_ERR_KIND);
    REFUSED(shmbus_forward(&msg, rig.tx, 0), -SHMBUS_ERR_KIND); /* queue to stream */
    REFUSED(shmbus_forward(&msg, NULL, 0), -EINVAL);
    CU_ASSERT_PTR_EQUAL(msg.channel, rig.q);
    T_OK(shmbus_release(&msg));

    t_put(rig.tx, 2);
    CU_ASSERT_EQUAL(t_take(rig.rx, &msg), 2);
    REFUSED(shmbus_requeue(&msg), -SHMBUS_ERR_KIND);
    REFUSED(shmbus_abort(&msg), -SHMBUS_ERR_KIND);
    REFUSED(shmbus_forward(&msg, rig.q, 0), -SHMBUS_ERR_KIND); /* stream to queue */
    msg.channel = rig.q;                                       /* a stream message on a queue */
    CU_ASSERT_TRUE(shmbus_release(&msg) < 0);
    CU_ASSERT_TRUE(shmbus_commit(&msg, 0) < 0);
    msg.channel = rig.rx;
    T_OK(shmbus_release(&msg));
    REFUSED(t_send_as(rig.tx, 0, 5, "x", 1, 0), -SHMBUS_ERR_KIND);

    T_OK(shmbus_reserve(rig.tx, 8, &msg, 0));
    REFUSED(shmbus_release(&msg), -SHMBUS_ERR_KIND);
    msg.channel = rig.q;
    CU_ASSERT_TRUE(shmbus_commit(&msg, 0) < 0);
    CU_ASSERT_TRUE(shmbus_abort(&msg) < 0);
    msg.channel = rig.tx;
    T_OK(shmbus_abort(&msg));
    CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
    rig_end(&rig);
}

/* A stream has one reservation at a time: the one before is dropped, not sent as nothing. */
T_TEST(api, the_next_reservation_of_a_stream_drops_the_one_before)
{
    struct rig rig;
    struct shmbus_msg first, second, got;
    rig_make(&rig);
    T_OK(shmbus_reserve(rig.tx, 100, &first, 0));
    T_OK(shmbus_reserve(rig.tx, 8, &second, 0));
    T_FAILS(shmbus_commit(&first, 0), -SHMBUS_ERR_STALE);
    first.size_bytes = 8;
    T_FAILS(shmbus_commit(&first, 0), -SHMBUS_ERR_STALE);
    T_FAILS(shmbus_abort(&first), -SHMBUS_ERR_STALE);
    memset(second.data, 7, 8);
    T_OK(shmbus_commit(&second, 0));
    T_OK(shmbus_recv(rig.rx, &got, 0));
    CU_ASSERT_EQUAL(got.size_bytes, 8);
    CU_ASSERT_EQUAL(((uint8_t *)got.data)[0], 7);
    T_OK(shmbus_release(&got));
    rig_end(&rig);
}

T_TEST(api, a_stream_names_its_sender_only_while_it_has_one)
{
    struct rig rig;
    struct shmbus_msg got;
    uint64_t x = 1;
    rig_make(&rig);
    T_OK(shmbus_send(rig.tx, &x, sizeof x, 0));
    T_OK(shmbus_send(rig.tx, &x, sizeof x, 0));
    T_OK(shmbus_recv(rig.rx, &got, 0));
    CU_ASSERT_EQUAL(got.sender, rig.bus->member.slot);
    T_OK(shmbus_release(&got));
    shmbus_channel_close(rig.tx);
    T_OK(shmbus_recv(rig.rx, &got, 0));
    CU_ASSERT_EQUAL(got.sender, SHMBUS_SENDER_UNKNOWN);
    T_OK(shmbus_release(&got));
    rig.tx = t_open(rig.bus, "s", SHMBUS_OPEN_SEND);
    rig_end(&rig);
}

T_TEST(api, nothing_is_sent_while_the_bus_shuts_down)
{
    struct rig rig;
    struct shmbus_msg in_stream, in_queue;
    struct iovec none = {NULL, 8};
    rig_make(&rig);
    T_OK(shmbus_reserve(rig.tx, 8, &in_stream, 0));
    T_OK(shmbus_reserve(rig.q, 8, &in_queue, 0));
    T_FAILS(shmbus_send_batch(rig.q, &none, 1, 0), -EINVAL);
    T_OK(shmbus_shutdown(rig.bus, true));
    T_FAILS(shmbus_commit(&in_stream, 0), -SHMBUS_ERR_SHUTDOWN);
    T_FAILS(shmbus_commit(&in_queue, 0), -SHMBUS_ERR_SHUTDOWN);
    T_OK(shmbus_shutdown(rig.bus, false));
    T_OK(shmbus_commit(&in_stream, 0));
    T_OK(shmbus_abort(&in_queue));
    rig_end(&rig);
}

T_TEST(api, a_message_of_another_bus_is_refused)
{
    struct rig rig, other;
    struct shmbus_msg msg = {0};
    rig_make(&rig);
    rig_make(&other);
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(rig.q, &msg), 1);
    REFUSED(shmbus_forward(&msg, other.q, 0), -EXDEV);
    msg.channel = other.q;
    REFUSED(shmbus_commit(&msg, 0), -EXDEV);
    REFUSED(shmbus_release(&msg), -EXDEV);
    REFUSED(shmbus_requeue(&msg), -EXDEV);
    REFUSED(shmbus_abort(&msg), -EXDEV);
    msg.channel = rig.q;
    T_OK(shmbus_release(&msg));
    rig_end(&other);
    /* The same segment twice in one process: two memberships, two buses. */
    struct shmbus *twin = t_attach(rig.name);
    struct shmbus_channel *twin_q = t_open(twin, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(rig.q, &msg), 1);
    msg.channel = twin_q;
    REFUSED(shmbus_release(&msg), -EXDEV);
    msg.channel = rig.q;
    T_OK(shmbus_release(&msg));
    shmbus_detach(twin);
    rig_end(&rig);
}

/* The handle it came through is gone: it went back then. */
T_TEST(api, a_message_outlives_its_handle_only_as_a_stale_one)
{
    struct rig rig;
    struct shmbus_msg msg = {0}, room = {0};
    rig_make(&rig);
    struct shmbus_channel *gone = t_open(rig.bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(gone, &msg), 1);
    T_OK(shmbus_reserve(gone, 8, &room, 0));
    shmbus_channel_close(gone);
    msg.channel = room.channel = rig.q;
    REFUSED(shmbus_release(&msg), -SHMBUS_ERR_STALE);
    REFUSED(shmbus_commit(&room, 0), -SHMBUS_ERR_STALE);
    CU_ASSERT_EQUAL(t_get(rig.q), 1);
    rig_end(&rig);
}

/* ------------------------------------------------------------------------------------ observers */

static bool on_finding(void *context, enum shmbus_severity severity, const char *what,
                       const char *cure)
{
    (void)context, (void)severity, (void)cure;
    printf("finding: %s\n", what);
    return true;
}

T_TEST(api, an_observer_looks_and_changes_nothing)
{
    struct rig rig;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *observer = NULL;
    struct shmbus_channel *ch = NULL;
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    rig_make(&rig);
    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(rig.name, &opts, &observer));
    REFUSED(shmbus_channel_open(observer, "q", SHMBUS_OPEN_RECV, NULL, &ch), -EROFS);
    REFUSED(shmbus_heartbeat(observer), -EROFS);
    REFUSED(shmbus_shutdown(observer, true), -EROFS);
    REFUSED(shmbus_reclaim(observer), -EROFS);
    T_OK(shmbus_bus_stat(observer, &stat));
    CU_ASSERT_EQUAL(stat.processes_alive, 1); /* it has no slot */
    CU_ASSERT_EQUAL(t_blocks(observer).count, 16);
    CU_ASSERT_EQUAL(shmbus_check(observer, on_finding, NULL), 0);
    shmbus_detach(observer);
    rig_end(&rig);
}

/* ----------------------------------------------------------------------------------------- fork */

struct forked {
    struct rig *rig;
    struct shmbus_msg held, room;
    struct shmbus_region *area;
};

static int use_parents_handles(void *argument)
{
    struct forked *f = argument;
    struct rig *rig = f->rig;
    struct shmbus_msg msg = {0};
    struct shmbus_channel *ch = NULL;
    struct shmbus_region *region = NULL;
    char data[8];
    T_FAILS(shmbus_channel_open(rig->bus, "q", SHMBUS_OPEN_SEND, NULL, &ch), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_heartbeat(rig->bus), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_shutdown(rig->bus, true), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_reclaim(rig->bus), -SHMBUS_ERR_FORKED);
    T_FAILS(t_send(rig->q, 1, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(t_send(rig->tx, 1, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_recv(rig->q, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_recv(rig->rx, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_reserve(rig->q, 8, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_channel_fd(rig->q), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_release(&f->held), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_requeue(&f->held), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_forward(&f->held, rig->r, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_commit(&f->room, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_abort(&f->room), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_region_open(rig->bus, "area", &region), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_region_write(f->area, 0, "x", 1, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_region_read(f->area, 0, data, 1, 0), -SHMBUS_ERR_FORKED);
    CU_ASSERT_TRUE(shmbus_error_is_fatal(-SHMBUS_ERR_FORKED));
    /* Its own membership is another matter. */
    struct shmbus *own = t_attach(rig->name);
    ch = t_open(own, "q", SHMBUS_OPEN_SEND);
    t_put(ch, 2);
    shmbus_detach(own);
    shmbus_channel_close(rig->r);
    shmbus_detach(rig->bus); /* only frees memory */
    return 0;
}

T_TEST(api, a_forked_child_may_not_use_its_parents_handles)
{
    struct rig rig;
    rig_make(&rig);
    struct forked f = {.rig = &rig};
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_take(rig.q, &f.held), 1);
    T_OK(shmbus_reserve(rig.q, 8, &f.room, 0));
    T_OK(shmbus_region_open(rig.bus, "area", &f.area));
    T_FAILS(shmbus_recv(rig.q, &(struct shmbus_msg){0}, T_MS), -ETIMEDOUT); /* with its watcher */
    CU_ASSERT_TRUE(shmbus_channel_fd(rig.r) >= 0); /* and the helper of a descriptor */
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(use_parents_handles, &f)), 0);
    CU_ASSERT_EQUAL(t_blocks(rig.bus).held, 2); /* nothing of ours was touched */
    T_OK(shmbus_release(&f.held));
    T_OK(shmbus_abort(&f.room));
    t_put(rig.r, 3);
    CU_ASSERT_EQUAL(t_get(rig.r), 3);
    CU_ASSERT_EQUAL(t_get(rig.q), 2);
    rig_end(&rig);
}

static int sleep_for_ever(void *argument)
{
    (void)argument;
    while (pause() != 0)
        ;
    return 0;
}

static int attach_fork_die(void *argument)
{
    struct shmbus *bus = t_attach(argument);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    T_OK(shmbus_recv(q, &msg, 0));
    if (fork() == 0)
        _exit(sleep_for_ever(NULL)); /* lives on, in the group of the test */
    raise(SIGKILL);
    return 1;
}

/* A child must not keep its dead parent alive. */
T_TEST(api, a_forked_child_does_not_keep_a_dead_parents_messages)
{
    struct rig rig;
    struct shmbus_msg msg = {0};
    rig_make(&rig);
    t_put(rig.q, 1);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(attach_fork_die, rig.name)), 128 + SIGKILL);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig.bus), 1);
    CU_ASSERT_EQUAL(t_take(rig.q, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    rig_end(&rig);
}

/* ------------------------------------------------------------------- what success leaves behind */

T_TEST(api, attaching_and_detaching_leaves_no_descriptor_thread_or_mapping)
{
    struct rig rig;
    char maps[128];
    rig_make(&rig);
    snprintf(maps, sizeof maps, "test $(grep -c shmbus.%s /proc/%ld/maps) -le %d", rig.name,
             (long)getpid(), 2);
    for (int i = 0; i < 100; i++) {
        struct shmbus *bus = t_attach(rig.name);
        struct shmbus_channel *ch = t_open(bus, "r", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        if (i % 10 == 0)
            T_FAILS(shmbus_recv(ch, &(struct shmbus_msg){0}, T_MS), -ETIMEDOUT);
        if (i % 7 == 0)
            CU_ASSERT_TRUE(shmbus_channel_fd(ch) >= 0);
        shmbus_detach(bus);
    }
    CU_ASSERT_EQUAL(system(maps), 0); /* ours: the segment and the anchor */
    rig_end(&rig);
}

T_TEST(api, all_slots_of_the_process_table_can_be_used_and_no_more)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *members[5] = {NULL};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    members[0] = t_bus_new(t_plan(4, 64, 4), name);
    for (int i = 1; i < 4; i++)
        members[i] = t_attach(name);
    opts.flags = SHMBUS_ATTACH_EXISTING;
    REFUSED(shmbus_attach(name, &opts, &members[4]), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NULL(members[4]);
    shmbus_detach(members[2]);
    members[2] = t_attach(name);
    for (int i = 3; i > 0; i--)
        shmbus_detach(members[i]);
    t_bus_end(members[0], name);
}
