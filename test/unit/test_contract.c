/* SPDX-License-Identifier: MIT */
/*
 * What every kind of channel promises, whatever its messages lie in. Each test here runs once for
 * each kind; a new kind gets a row in the table below and inherits them all. What a kind cannot do
 * it refuses, and the message stays where it was: the table says what that is.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

enum { DEPTH = 4 };

struct kind {
    enum shmbus_kind kind;
    enum shmbus_order order;
    bool is_stream;       /* counts its room in bytes, has one sender and one receiver */
    bool correlates;      /* carries correlation ids */
    bool requeues;        /* a message may be given back */
    bool reserves_many;   /* a handle may have several reservations */
    bool drops;           /* knows SHMBUS_FULL_DROP_OLDEST */
    size_t aligned_bytes; /* payloads */
};

static const struct kind contract_queue = {
    .kind = SHMBUS_KIND_QUEUE,
    .order = SHMBUS_ORDER_TOTAL,
    .correlates = true,
    .requeues = true,
    .reserves_many = true,
    .drops = true,
    .aligned_bytes = 64,
};

static const struct kind contract_lanes = {
    .kind = SHMBUS_KIND_QUEUE,
    .order = SHMBUS_ORDER_PRODUCER,
    .correlates = true,
    .requeues = true,
    .drops = true,
    .aligned_bytes = 16,
};

static const struct kind contract_stream = {
    .kind = SHMBUS_KIND_STREAM,
    .is_stream = true,
    .aligned_bytes = 8,
};

#define CONTRACT(name)                                                                             \
    static void name(const struct kind *kind);                                                     \
    T_TEST(contract_queue, name)                                                                   \
    {                                                                                              \
        name(&contract_queue);                                                                     \
    }                                                                                              \
    T_TEST(contract_lanes, name)                                                                   \
    {                                                                                              \
        name(&contract_lanes);                                                                     \
    }                                                                                              \
    T_TEST(contract_stream, name)                                                                  \
    {                                                                                              \
        name(&contract_stream);                                                                    \
    }                                                                                              \
    static void name(const struct kind *kind)

/* ------------------------------------------------------------------------------------- the rig */

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_channel *tx, *rx;
};

/* A bus with the channel "c" of that kind, with room for DEPTH small messages if it counts them. */
static void rig_plan(struct rig *rig, const struct kind *kind, enum shmbus_on_full on_full)
{
    struct shmbus_plan *plan = t_plan(16, 128, 32);
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .kind = kind->kind,
                                    .order = kind->order,
                                    .on_full = kind->is_stream ? SHMBUS_FULL_BLOCK : on_full,
                                    .timestamps = SHMBUS_SWITCH_ON};
    if (kind->is_stream) {
        c.bytes = 4096;
    } else {
        c.depth = DEPTH;
        c.message_bytes = 128;
    }
    if (kind->order == SHMBUS_ORDER_PRODUCER) {
        c.producers = 2;
    }
    T_OK_FATAL(shmbus_plan_add_channel(plan, "c", &c));
    rig->bus = t_bus_new(plan, rig->name);
}

static struct rig rig_full(const struct kind *kind, enum shmbus_on_full on_full)
{
    struct rig rig = {.bus = NULL};
    rig_plan(&rig, kind, on_full);
    rig.tx = t_open(rig.bus, "c", SHMBUS_OPEN_SEND);
    rig.rx = t_open(rig.bus, "c", SHMBUS_OPEN_RECV);
    return rig;
}

static struct rig rig_make(const struct kind *kind)
{
    return rig_full(kind, SHMBUS_FULL_BLOCK);
}

static uint64_t count_of(const struct rig *rig, enum shmbus_counter counter)
{
    return t_channel_stat(rig->bus, "c").counters[counter];
}

/* Ends the test: nothing waits, nothing is held, no block is missing. */
static void rig_end(const struct rig *rig)
{
    struct shmbus_channel_stat stat = t_channel_stat(rig->bus, "c");
    struct shmbus_block_stat sum = t_blocks(rig->bus);
    CU_ASSERT_EQUAL(stat.depth, 0);
    CU_ASSERT_EQUAL(stat.held, 0);
    CU_ASSERT_EQUAL(stat.redeliverable, 0);
    CU_ASSERT_EQUAL(sum.free + sum.stock, sum.count);
    t_bus_end(rig->bus, rig->name);
}

/* Small messages until there is no room; returns how many: 0, 1, 2, ... */
static uint64_t fill(const struct rig *rig)
{
    uint64_t n = 0;
    int r;
    while ((r = t_send(rig->tx, n, 0)) == 0) {
        n++;
    }
    CU_ASSERT_EQUAL(r, -EAGAIN);
    return n;
}

/* ------------------------------------------------------------------------------------ contents */

CONTRACT(the_header_of_a_message_arrives_as_it_was_sent)
{
    struct rig rig = rig_make(kind);
    const uint64_t id = kind->correlates ? 0xfedcba9876543210u : 0;
    struct shmbus_msg msg = {0};
    int64_t before = t_now_ns();
    T_OK(t_send_as(rig.tx, SHMBUS_TYPE_USER + 7, id, "hello", 5, 0));
    T_OK(shmbus_recv(rig.rx, &msg, 0));
    CU_ASSERT_EQUAL(msg.size_bytes, 5);
    CU_ASSERT_EQUAL(memcmp(msg.data, "hello", 5), 0);
    CU_ASSERT_EQUAL((uintptr_t)msg.data % kind->aligned_bytes, 0);
    CU_ASSERT_PTR_EQUAL(msg.channel, rig.rx);
    CU_ASSERT_EQUAL(msg.sequence, 1);
    CU_ASSERT_TRUE(msg.time_ns >= before && msg.time_ns <= t_now_ns());
    CU_ASSERT_EQUAL(msg.correlation_id, id);
    CU_ASSERT_EQUAL(msg.delivery_count, 1);
    CU_ASSERT_EQUAL(msg.sender, rig.bus->member.slot);
    CU_ASSERT_EQUAL(msg.type, SHMBUS_TYPE_USER + 7);
    T_OK(shmbus_release(&msg));
    T_OK(shmbus_send(rig.tx, NULL, 0, 0));
    T_OK(shmbus_recv(rig.rx, &msg, 0));
    CU_ASSERT_EQUAL(msg.size_bytes, 0);
    CU_ASSERT_EQUAL(msg.type, SHMBUS_TYPE_DATA);
    CU_ASSERT_EQUAL(msg.correlation_id, 0);
    CU_ASSERT_EQUAL(msg.sequence, 2);
    T_OK(shmbus_release(&msg));
    rig_end(&rig);
}

CONTRACT(a_correlation_id_arrives_or_is_refused)
{
    struct rig rig = rig_make(kind);
    T_FAILS(t_send_as(rig.tx, 0, 9, "x", 1, 0), kind->correlates ? 0 : -SHMBUS_ERR_KIND);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_sent), kind->correlates);
    struct shmbus_msg msg = {0};
    while (shmbus_recv(rig.rx, &msg, 0) == 0) {
        CU_ASSERT_EQUAL(msg.correlation_id, 9);
        T_OK(shmbus_release(&msg));
    }
    rig_end(&rig);
}

CONTRACT(sizes_up_to_the_largest_go_through_and_one_more_does_not)
{
    struct rig rig = rig_make(kind);
    size_t max = shmbus_channel_size_max(rig.tx);
    uint8_t *data = malloc(max + 1);
    struct iovec items[2] = {{data, max + 1}, {data, 1}};
    struct shmbus_msg msg = {0};
    CU_ASSERT_TRUE_FATAL(data != NULL && max >= 128);
    CU_ASSERT_EQUAL(shmbus_channel_size_max(rig.rx), max);
    for (size_t i = 0; i <= max; i++) {
        data[i] = (uint8_t)(i * 7 + 1);
    }
    for (size_t size = 0; size <= max; size += size < 200 || size > max - 40 ? 1 : 37) {
        T_OK(shmbus_send(rig.tx, data, size, 0));
        T_OK(shmbus_recv(rig.rx, &msg, 0));
        CU_ASSERT_EQUAL(msg.size_bytes, size);
        CU_ASSERT_EQUAL(memcmp(msg.data, data, size), 0);
        T_OK(shmbus_release(&msg));
    }
    T_FAILS(shmbus_send(rig.tx, data, max + 1, 0), -EMSGSIZE);
    CU_ASSERT_TRUE(strstr(shmbus_detail(), "largest") != NULL ||
                   strstr(shmbus_detail(), "message_bytes") != NULL);
    T_FAILS(shmbus_send_batch(rig.tx, items, 2, 0), -EMSGSIZE);
    T_FAILS(shmbus_reserve(rig.tx, max + 1, &msg, 0), -EMSGSIZE);
    T_FAILS(shmbus_reserve(rig.tx, SIZE_MAX, &msg, 0), -EMSGSIZE);
    CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX); /* nothing half done */
    free(data);
    rig_end(&rig);
}

CONTRACT(one_sender_keeps_its_order_and_its_numbers_have_no_gaps)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0}, room = {0};
    for (uint64_t i = 0; i < 300; i++) {
        t_put(rig.tx, i);
        if (i % 7 == 0) { /* what is refused or aborted takes no number */
            T_OK(shmbus_reserve(rig.tx, 8, &room, 0));
            T_OK(shmbus_abort(&room));
            T_FAILS(shmbus_send(rig.tx, "", SIZE_MAX, 0), -EMSGSIZE);
        }
        CU_ASSERT_EQUAL(t_take(rig.rx, &msg), i);
        CU_ASSERT_EQUAL(msg.sequence, i + 1);
        T_OK(shmbus_release(&msg));
    }
    rig_end(&rig);
}

/* -------------------------------------------------------------------------------- reservations */

CONTRACT(a_reservation_is_filled_in_place_and_may_shrink)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg out = {0}, in = {0};
    for (int i = 0; i < 10; i++) {
        T_OK(shmbus_reserve(rig.tx, 64, &out, 0));
        CU_ASSERT_EQUAL(out.size_bytes, 64);
        CU_ASSERT_EQUAL((uintptr_t)out.data % kind->aligned_bytes, 0);
        CU_ASSERT_EQUAL(t_blocks(rig.bus).held, kind->reserves_many); /* otherwise in place */
        memset(out.data, 'x', 64);
        out.type = SHMBUS_TYPE_REQUEST;
        out.correlation_id = kind->correlates ? 9 : 0;
        out.size_bytes = 3;
        void *where = out.data;
        CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX); /* not sent yet */
        T_OK(shmbus_commit(&out, 0));
        CU_ASSERT_PTR_NULL(out.data);
        T_OK(shmbus_recv(rig.rx, &in, 0));
        CU_ASSERT_PTR_EQUAL(in.data, where); /* no copy */
        CU_ASSERT_EQUAL(in.size_bytes, 3);
        CU_ASSERT_EQUAL(in.type, SHMBUS_TYPE_REQUEST);
        CU_ASSERT_EQUAL(in.correlation_id, kind->correlates ? 9 : 0);
        T_OK(shmbus_release(&in));
    }
    T_OK(shmbus_reserve(rig.tx, 8, &out, 0));
    out.size_bytes = shmbus_channel_size_max(rig.tx) + 1;
    T_FAILS(shmbus_commit(&out, 0), -EMSGSIZE);
    if (!kind->reserves_many) { /* a block may have more than was asked for */
        out.size_bytes = 9;
        T_FAILS(shmbus_commit(&out, 0), -EMSGSIZE);
    }
    out.size_bytes = 8;
    memset(out.data, 0, 8);
    T_OK(shmbus_commit(&out, 0)); /* it stayed ours */
    CU_ASSERT_EQUAL(t_get(rig.rx), 0);
    rig_end(&rig);
}

CONTRACT(an_aborted_reservation_sends_nothing_and_is_stale)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg out = {0};
    for (uint64_t i = 1; i < 20; i++) {
        T_OK(shmbus_reserve(rig.tx, 8, &out, 0));
        struct shmbus_msg copy = out;
        T_OK(shmbus_abort(&out));
        T_FAILS(shmbus_abort(&out), -SHMBUS_ERR_STALE);
        T_FAILS(shmbus_commit(&copy, 0), -SHMBUS_ERR_STALE);
        T_FAILS(shmbus_abort(&copy), -SHMBUS_ERR_STALE);
        CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
        t_put(rig.tx, i);
        CU_ASSERT_EQUAL(t_get(rig.rx), i);
    }
    rig_end(&rig);
}

/* Where a handle has one reservation at a time, the next one drops it. */
CONTRACT(a_second_reservation_is_another_or_drops_the_first)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg first = {0}, second = {0};
    T_OK(shmbus_reserve(rig.tx, 8, &first, 0));
    *(uint64_t *)first.data = 1;
    T_OK(shmbus_reserve(rig.tx, 8, &second, 0));
    *(uint64_t *)second.data = 2;
    T_FAILS(shmbus_commit(&first, 0), kind->reserves_many ? 0 : -SHMBUS_ERR_STALE);
    T_OK(shmbus_commit(&second, 0));
    if (kind->reserves_many) {
        CU_ASSERT_EQUAL(t_get(rig.rx), 1);
    }
    CU_ASSERT_EQUAL(t_get(rig.rx), 2);
    CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
    rig_end(&rig);
}

/* ------------------------------------------------------------------------------ full and empty */

CONTRACT(when_it_is_full_a_send_says_so_and_room_is_used_again)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    for (int lap = 0; lap < 5; lap++) {
        uint64_t rejected = count_of(&rig, SHMBUS_COUNT_rejected);
        uint64_t n = fill(&rig);
        CU_ASSERT_TRUE(kind->is_stream ? n > DEPTH : n == DEPTH);
        CU_ASSERT_TRUE(shmbus_error_is_retryable(-EAGAIN));
        CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "is full"));
        T_FAILS(shmbus_reserve(rig.tx, 128, &msg, 0), kind->reserves_many ? 0 : -EAGAIN);
        if (kind->reserves_many) { /* it has what it is to lie in, and no place yet */
            T_FAILS(shmbus_commit(&msg, 0), -EAGAIN);
            T_OK(shmbus_abort(&msg));
        }
        CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_rejected), rejected + 2);
        T_FAILS(t_send(rig.tx, 0, 10 * T_MS), -ETIMEDOUT);
        CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_send_timeouts), lap + 1);
        for (uint64_t i = 0; i < n; i++) {
            CU_ASSERT_EQUAL(t_get(rig.rx), i);
        }
        CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
    }
    rig_end(&rig);
}

CONTRACT(when_it_drops_it_throws_away_exactly_the_oldest_or_cannot_be_made_so)
{
    if (!kind->drops) {
        struct shmbus_plan *plan = t_plan(4, 64, 4);
        struct shmbus_channel_opts c = {
            .struct_bytes = sizeof c, .kind = kind->kind, .on_full = SHMBUS_FULL_DROP_OLDEST};
        char name[SHMBUS_NAME_BYTES];
        T_OK_FATAL(shmbus_plan_add_channel(plan, "c", &c));
        T_FAILS(shmbus_create(t_bus_name(name), plan, NULL), -SHMBUS_ERR_CONFIG);
        shmbus_plan_free(plan);
        return;
    }
    struct rig rig = rig_full(kind, SHMBUS_FULL_DROP_OLDEST);
    for (uint64_t i = 0; i < 50; i++) {
        t_put(rig.tx, i);
    }
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_dropped), 50 - DEPTH);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_sent), 50);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_rejected), 0);
    for (uint64_t i = 50 - DEPTH; i < 50; i++) {
        CU_ASSERT_EQUAL(t_get(rig.rx), i);
    }
    CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
    rig_end(&rig);
}

CONTRACT(when_it_is_empty_a_receive_says_so_at_once_or_in_time)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    T_FAILS(shmbus_recv(rig.rx, &msg, 0), -EAGAIN);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "is empty"));
    int64_t start = t_now_ns();
    T_FAILS(shmbus_recv(rig.rx, &msg, 20 * T_MS), -ETIMEDOUT);
    CU_ASSERT_TRUE(t_now_ns() - start >= 20 * T_MS);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_recv_timeouts), 1);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received), 0);
    rig_end(&rig);
}

CONTRACT(batches_send_and_receive_a_prefix)
{
    struct rig rig = rig_make(kind);
    uint64_t values[256];
    struct iovec items[256];
    struct shmbus_msg msgs[256], none = {0};
    for (uint64_t i = 0; i < 256; i++) {
        values[i] = i;
        items[i] = (struct iovec){&values[i], sizeof values[i]};
    }
    int sent = shmbus_send_batch(rig.tx, items, 256, SHMBUS_WAIT_FOREVER);
    CU_ASSERT_TRUE_FATAL(kind->is_stream ? sent > DEPTH && sent < 256 : sent == DEPTH);
    T_FAILS(shmbus_send_batch(rig.tx, items, 256, 0), -EAGAIN);
    CU_ASSERT_EQUAL(shmbus_recv_batch(rig.rx, msgs, 3, 0), 3);
    int released = kind->is_stream ? 3 : 2; /* its room is not whole messages */
    T_OK(shmbus_release_batch(msgs, (size_t)released));
    CU_ASSERT_EQUAL(shmbus_send_batch(rig.tx, &items[sent], 2, 0), 2);
    for (int got = 3; got < sent + 2;) { /* held messages may be limited, too */
        int n = shmbus_recv_batch(rig.rx, &msgs[got], 256 - (size_t)got, 0);
        CU_ASSERT_TRUE_FATAL(n > 0);
        for (int i = released; i < got + n; i++) {
            CU_ASSERT_EQUAL(t_value(&msgs[i]), i);
        }
        T_OK(shmbus_release_batch(&msgs[released], (size_t)(got + n - released)));
        released = got += n;
    }
    T_FAILS(shmbus_recv_batch(rig.rx, &none, 1, 0), -EAGAIN);
    T_FAILS(shmbus_release_batch(msgs, (size_t)sent + 2), -SHMBUS_ERR_STALE); /* each was before */
    rig_end(&rig);
}

/* ------------------------------------------------------------------------- finished, given back */

CONTRACT(a_message_is_finished_once_and_copies_of_it_are_stale)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    t_put(rig.tx, 1);
    CU_ASSERT_EQUAL(t_take(rig.rx, &msg), 1);
    struct shmbus_msg copy = msg;
    T_FAILS(shmbus_abort(&msg), -SHMBUS_ERR_KIND);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_PTR_NULL(msg.data);
    T_FAILS(shmbus_release(&msg), -SHMBUS_ERR_STALE);
    T_FAILS(shmbus_release(&copy), -SHMBUS_ERR_STALE);
    for (uint64_t i = 0; i < 20; i++) { /* where it lay there are others by now */
        t_put(rig.tx, i);
        T_FAILS(shmbus_release(&copy), -SHMBUS_ERR_STALE);
        CU_ASSERT_EQUAL(t_get(rig.rx), i);
    }
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_acknowledged), 21);
    rig_end(&rig);
}

CONTRACT(a_reservation_is_not_released_and_not_given_back)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg out = {0};
    T_OK(shmbus_reserve(rig.tx, 8, &out, 0));
    T_FAILS(shmbus_release(&out), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_requeue(&out), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_forward(&out, rig.tx, 0), -SHMBUS_ERR_KIND);
    T_OK(shmbus_abort(&out));
    rig_end(&rig);
}

/* Whether its handle sends or not: it is the message that does not fit. */
CONTRACT(a_received_message_is_not_committed)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    t_put(rig.tx, 1);
    CU_ASSERT_EQUAL(t_take(rig.rx, &msg), 1);
    T_FAILS(shmbus_commit(&msg, 0), -SHMBUS_ERR_KIND);
    T_OK(shmbus_release(&msg));
    rig_end(&rig);
}

CONTRACT(a_message_given_back_comes_next_with_its_count_raised_or_stays)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    t_put(rig.tx, 1);
    t_put(rig.tx, 2);
    CU_ASSERT_EQUAL(t_take(rig.rx, &msg), 1);
    if (kind->requeues) {
        T_OK(shmbus_requeue(&msg));
        T_FAILS(shmbus_requeue(&msg), -SHMBUS_ERR_STALE);
        CU_ASSERT_EQUAL(t_take(rig.rx, &msg), 1);
        CU_ASSERT_EQUAL(msg.delivery_count, 2);
    } else {
        T_FAILS(shmbus_requeue(&msg), -SHMBUS_ERR_KIND);
    }
    CU_ASSERT_EQUAL(msg.sequence, 1);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_EQUAL(t_get(rig.rx), 2);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_requeued), kind->requeues);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_redelivered), kind->requeues);
    rig_end(&rig);
}

CONTRACT(a_copy_into_too_small_a_buffer_leaves_the_message_and_counts_nothing)
{
    struct rig rig = rig_make(kind);
    char buffer[8];
    struct shmbus_msg info = {0};
    size_t size = 0;
    T_OK(t_send_as(rig.tx, SHMBUS_TYPE_ERROR, 0, "123456", 6, 0));
    t_put(rig.tx, 2);
    for (int i = 0; i < 10; i++) {
        size = 0;
        T_FAILS(shmbus_recv_copy(rig.rx, buffer, 5, &size, &info, 0), -EMSGSIZE);
        CU_ASSERT_EQUAL(size, 6);
    }
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received), 0);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received_bytes), 0);
    T_OK(shmbus_recv_copy(rig.rx, buffer, sizeof buffer, &size, &info, 0));
    CU_ASSERT_EQUAL(size, 6);
    CU_ASSERT_EQUAL(memcmp(buffer, "123456", 6), 0);
    CU_ASSERT_PTR_NULL(info.data);
    CU_ASSERT_EQUAL(info.delivery_count, 1);
    CU_ASSERT_EQUAL(info.type, SHMBUS_TYPE_ERROR);
    CU_ASSERT_EQUAL(info.sequence, 1);
    T_OK(shmbus_recv_copy(rig.rx, buffer, sizeof buffer, &size, NULL, 0));
    CU_ASSERT_EQUAL(size, 8);
    T_FAILS(shmbus_recv_copy(rig.rx, buffer, sizeof buffer, &size, NULL, 0), -EAGAIN);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received), 2);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received_bytes), 14);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_acknowledged), 2);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_requeued), 0);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_redelivered), 0);
    rig_end(&rig);
}

CONTRACT(closing_a_handle_gives_back_what_it_held)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg held[2], msg = {0}, room = {0};
    for (uint64_t i = 0; i < 3; i++) {
        t_put(rig.tx, i);
    }
    CU_ASSERT_EQUAL(t_take(rig.rx, &held[0]), 0);
    CU_ASSERT_EQUAL(t_take(rig.rx, &held[1]), 1);
    shmbus_channel_close(rig.rx);
    rig.rx = t_open(rig.bus, "c", SHMBUS_OPEN_RECV);
    uint64_t seen = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t value = t_take(rig.rx, &msg);
        CU_ASSERT_TRUE_FATAL(value < 3);
        CU_ASSERT_EQUAL(msg.delivery_count, value < 2 ? 2 : 1);
        seen |= 1ull << value;
        T_OK(shmbus_release(&msg));
    }
    CU_ASSERT_EQUAL(seen, 7);
    T_OK(shmbus_reserve(rig.tx, 8, &room, 0));
    shmbus_channel_close(rig.tx); /* and what it had reserved is nobody's */
    CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "c").depth, 0);
    rig_end(&rig);
}

/* --------------------------------------------------------------------------------------- deaths */

struct victim {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate holds, never;
};

static int hold_two(void *argument)
{
    struct victim *v = argument;
    struct shmbus *bus = t_attach(v->name);
    struct shmbus_channel *rx = t_open(bus, "c", SHMBUS_OPEN_RECV);
    struct shmbus_msg held[2];
    CU_ASSERT_EQUAL(t_take(rx, &held[0]), 0);
    CU_ASSERT_EQUAL(t_take(rx, &held[1]), 1);
    t_gate_post(&v->holds);
    t_gate_wait(&v->never, 1);
    return 0;
}

CONTRACT(what_a_killed_receiver_held_comes_again_and_of_a_stopped_one_not)
{
    struct rig rig = {.bus = NULL};
    struct victim *v = t_shared(sizeof *v);
    struct shmbus_msg msg = {0};
    uint64_t seen = 0;
    rig_plan(&rig, kind, SHMBUS_FULL_BLOCK);
    rig.tx = t_open(rig.bus, "c", SHMBUS_OPEN_SEND);
    memcpy(v->name, rig.name, sizeof v->name);
    for (uint64_t i = 0; i < 3; i++) {
        t_put(rig.tx, i);
    }
    pid_t pid = t_fork(hold_two, v);
    t_gate_wait(&v->holds, 1);
    t_stop(pid);
    CU_ASSERT_EQUAL(shmbus_reclaim(rig.bus), 0); /* stopped is not dead */
    if (!kind->is_stream) {                      /* which has one receiver */
        rig.rx = t_open(rig.bus, "c", SHMBUS_OPEN_RECV);
        CU_ASSERT_EQUAL(t_get(rig.rx), 2);
        CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
        t_put(rig.tx, 2);
    } else {
        T_FAILS(shmbus_channel_open(rig.bus, "c", SHMBUS_OPEN_RECV, NULL, &rig.rx), -EBUSY);
    }
    CU_ASSERT_EQUAL(t_kill_wait(pid, SIGKILL), 128 + SIGKILL);
    CU_ASSERT_TRUE(shmbus_reclaim(rig.bus) >= 0);
    if (kind->is_stream) {
        rig.rx = t_open(rig.bus, "c", SHMBUS_OPEN_RECV);
    }
    for (int i = 0; i < 3; i++) {
        T_OK_FATAL(shmbus_recv(rig.rx, &msg, 10 * T_S));
        uint64_t value = t_value(&msg);
        CU_ASSERT_TRUE_FATAL(value < 3);
        CU_ASSERT_EQUAL(msg.delivery_count, value < 2 ? 2 : 1);
        seen |= 1ull << value;
        T_OK(shmbus_release(&msg));
    }
    CU_ASSERT_EQUAL(seen, 7);
    rig_end(&rig);
}

static int reserve_and_wait(void *argument)
{
    struct victim *v = argument;
    struct shmbus *bus = t_attach(v->name);
    struct shmbus_channel *tx = t_open(bus, "c", SHMBUS_OPEN_SEND);
    struct shmbus_msg room = {0};
    t_put(tx, 0);
    T_OK(shmbus_reserve(tx, 64, &room, 0));
    memset(room.data, 'x', 64);
    t_gate_post(&v->holds);
    t_gate_wait(&v->never, 1);
    return 0;
}

CONTRACT(what_a_killed_sender_committed_arrives_and_what_it_had_reserved_is_nobodys)
{
    struct rig rig = {.bus = NULL};
    struct victim *v = t_shared(sizeof *v);
    rig_plan(&rig, kind, SHMBUS_FULL_BLOCK);
    memcpy(v->name, rig.name, sizeof v->name);
    pid_t pid = t_fork(reserve_and_wait, v);
    t_gate_wait(&v->holds, 1);
    CU_ASSERT_EQUAL(t_kill_wait(pid, SIGKILL), 128 + SIGKILL);
    rig.rx = t_open(rig.bus, "c", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_get(rig.rx), 0);
    CU_ASSERT_TRUE(shmbus_reclaim(rig.bus) >= 0);
    rig.tx = t_open(rig.bus, "c", SHMBUS_OPEN_SEND);
    uint64_t n = fill(&rig); /* all its room is there again */
    CU_ASSERT_TRUE(kind->is_stream ? n > DEPTH : n == DEPTH);
    for (uint64_t i = 0; i < n; i++) {
        struct shmbus_msg msg = {0};
        int r = shmbus_recv(rig.rx, &msg, 0);
        if (r == -SHMBUS_ERR_PEER_DEAD) { /* a stream says it, once */
            CU_ASSERT_TRUE(kind->is_stream);
            r = shmbus_recv(rig.rx, &msg, 0);
        }
        T_OK(r);
        CU_ASSERT_EQUAL(t_value(&msg), i);
        T_OK(shmbus_release(&msg));
    }
    rig_end(&rig);
}

/* ---------------------------------------------------------------------------------- bus, handle */

CONTRACT(nothing_is_sent_while_the_bus_shuts_down_and_what_waits_is_delivered)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg out = {0}, msg = {0};
    t_put(rig.tx, 1);
    T_OK(shmbus_reserve(rig.tx, 8, &out, 0));
    T_OK(shmbus_shutdown(rig.bus, true));
    T_FAILS(t_send(rig.tx, 2, 0), -SHMBUS_ERR_SHUTDOWN);
    T_FAILS(shmbus_reserve(rig.tx, 8, &msg, 0), -SHMBUS_ERR_SHUTDOWN);
    T_FAILS(shmbus_commit(&out, 0), -SHMBUS_ERR_SHUTDOWN);
    CU_ASSERT_EQUAL(t_get(rig.rx), 1);
    T_FAILS(shmbus_recv(rig.rx, &msg, 0), -SHMBUS_ERR_SHUTDOWN);
    T_FAILS(shmbus_recv(rig.rx, &msg, SHMBUS_WAIT_FOREVER), -SHMBUS_ERR_SHUTDOWN);
    T_OK(shmbus_shutdown(rig.bus, false));
    memset(out.data, 0, 8);
    T_OK(shmbus_commit(&out, 0));
    CU_ASSERT_EQUAL(t_get(rig.rx), 0);
    rig_end(&rig);
}

CONTRACT(an_interrupt_ends_every_wait)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    shmbus_interrupt(rig.bus);
    T_FAILS(shmbus_recv(rig.rx, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
    uint64_t n = fill(&rig);
    T_FAILS(t_send(rig.tx, 0, SHMBUS_WAIT_FOREVER), -EINTR);
    shmbus_interrupt_clear(rig.bus);
    for (uint64_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(t_get(rig.rx), i);
    }
    rig_end(&rig);
}

CONTRACT(a_handle_does_only_what_it_was_opened_for)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg msg = {0};
    T_FAILS(t_send(rig.rx, 1, 0), -EINVAL);
    T_FAILS(shmbus_reserve(rig.rx, 8, &msg, 0), -EINVAL);
    T_FAILS(shmbus_recv(rig.tx, &msg, 0), -EINVAL);
    T_FAILS(shmbus_channel_fd(rig.tx), -EINVAL);
    rig_end(&rig);
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

CONTRACT(the_descriptor_is_readable_when_there_is_something)
{
    struct rig rig = rig_make(kind);
    int fd = shmbus_channel_fd(rig.rx);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
    CU_ASSERT_FALSE(is_readable(fd, 20));
    for (uint64_t i = 0; i < 50; i++) {
        t_put(rig.tx, i);
        CU_ASSERT_TRUE(is_readable(fd, 10000));
        CU_ASSERT_EQUAL(t_get(rig.rx), i);
        CU_ASSERT_EQUAL(t_get(rig.rx), UINT64_MAX);
        CU_ASSERT_FALSE(is_readable(fd, 0));
    }
    rig_end(&rig);
}

static bool add_seen(void *context, const struct shmbus_msg *msg)
{
    *(uint64_t *)context += 1 + t_value(msg);
    return true;
}

CONTRACT(whoever_looks_sees_what_waits_and_takes_nothing)
{
    struct rig rig = rig_make(kind);
    struct shmbus_msg held = {0};
    uint64_t seen = 0;
    for (uint64_t i = 0; i < 3; i++) {
        t_put(rig.tx, i);
    }
    if (!kind->is_stream) { /* which says so now and then only */
        CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "c").depth, 3);
    }
    CU_ASSERT_EQUAL(shmbus_peek(rig.bus, "c", 10, add_seen, &seen), 3);
    CU_ASSERT_EQUAL(seen, 1 + 2 + 3);
    CU_ASSERT_EQUAL(t_channel_stat(rig.bus, "c").kind, kind->kind);
    CU_ASSERT_EQUAL(t_take(rig.rx, &held), 0);
    T_OK(shmbus_release(&held));
    CU_ASSERT_EQUAL(t_get(rig.rx), 1);
    CU_ASSERT_EQUAL(t_get(rig.rx), 2);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_sent), 3);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_sent_bytes), 24);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_received), 3);
    CU_ASSERT_EQUAL(count_of(&rig, SHMBUS_COUNT_acknowledged), 3);
    rig_end(&rig);
}

static int use_parents_handles(void *argument)
{
    struct rig *rig = argument;
    struct shmbus_msg msg = {0};
    T_FAILS(t_send(rig->tx, 1, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_recv(rig->rx, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_reserve(rig->tx, 8, &msg, 0), -SHMBUS_ERR_FORKED);
    shmbus_channel_close(rig->tx); /* only frees memory */
    shmbus_channel_close(rig->rx);
    shmbus_detach(rig->bus);
    return 0;
}

CONTRACT(a_forked_child_may_not_use_its_parents_handles)
{
    struct rig rig = rig_make(kind);
    t_put(rig.tx, 1);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(use_parents_handles, &rig)), 0);
    CU_ASSERT_EQUAL(t_get(rig.rx), 1);
    t_put(rig.tx, 2);
    CU_ASSERT_EQUAL(t_get(rig.rx), 2);
    rig_end(&rig);
}
