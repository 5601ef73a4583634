/* SPDX-License-Identifier: MIT */
/*
 * Queues as a program sees them: what comes out is what went in, in order, with its header; every
 * policy when they are full; giving back, forwarding and setting aside; and after everything the
 * accounts of the blocks are even.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "fixture.h"
#include "protocol/event.h"

/* One block class, plain queue "q" of that policy; few blocks and many processes: no stocks. */
static struct shmbus *bus_with(uint32_t depth, enum shmbus_on_full on_full, uint64_t blocks,
                               char *name)
{
    struct shmbus_plan *plan = t_plan_alone(64, 64, blocks + 1); /* one is r's own */
    t_plan_queue(plan, "q", depth, on_full, 0, NULL);
    t_plan_queue(plan, "r", depth, on_full, 0, NULL);
    return t_bus_new(plan, name);
}

/* Ends the test: nothing held, nothing queued, every block free. */
static void all_free(struct shmbus *bus, const char *name)
{
    struct shmbus_block_stat sum = t_blocks(bus);
    CU_ASSERT_EQUAL(sum.free + sum.stock, sum.count);
    t_bus_end(bus, name);
}

static uint64_t count_of(struct shmbus *bus, const char *channel, enum shmbus_counter counter)
{
    return t_channel_stat(bus, channel).counters[counter];
}

/* ------------------------------------------------------------------------------------ contents */

T_TEST(queue, sequences_have_no_gaps_over_all_senders)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(4, SHMBUS_FULL_REJECT, 8, name);
    struct shmbus_channel *senders[3], *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    for (int i = 0; i < 3; i++)
        senders[i] = t_open(bus, "q", SHMBUS_OPEN_SEND);
    for (uint64_t i = 0; i < 100; i++) {
        t_put(senders[i % 3], i);
        if (i % 7 == 0) { /* what is refused or aborted takes no number */
            struct shmbus_msg room = {0};
            T_OK(shmbus_reserve(senders[0], 8, &room, 0));
            T_OK(shmbus_abort(&room));
            T_FAILS(shmbus_send(senders[1], "", 65, 0), -EMSGSIZE);
        }
        CU_ASSERT_EQUAL(t_take(ch, &msg), i);
        CU_ASSERT_EQUAL(msg.sequence, i + 1);
        T_OK(shmbus_release(&msg));
    }
    all_free(bus, name);
}

T_TEST(queue, sizes_up_to_the_largest_go_through_and_one_more_does_not)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(64, 64, 4);
    T_OK_FATAL(t_add_blocks(plan, 1000, 4)); /* rounded up to 1024 */
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_REJECT, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    uint8_t data[1025];
    struct shmbus_msg msg = {0};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 1);
    CU_ASSERT_EQUAL(shmbus_channel_size_max(ch), 1024);
    for (size_t size = 0; size <= 1024; size++) {
        T_OK(shmbus_send(ch, data, size, 0));
        T_OK(shmbus_recv(ch, &msg, 0));
        CU_ASSERT_EQUAL(msg.size_bytes, size);
        CU_ASSERT_EQUAL(memcmp(msg.data, data, size), 0);
        T_OK(shmbus_release(&msg));
    }
    T_FAILS(shmbus_send(ch, data, 1025, 0), -EMSGSIZE);
    T_FAILS(shmbus_reserve(ch, 1025, &msg, 0), -EMSGSIZE);
    T_FAILS(shmbus_reserve(ch, SIZE_MAX, &msg, 0), -EMSGSIZE);
    all_free(bus, name);
}

/* ---------------------------------------------------------------------------------------- full */

T_TEST(queue, a_full_queue_that_rejects_does_so_at_once_whatever_the_timeout)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, SHMBUS_FULL_REJECT, 8, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    t_put(ch, 1);
    t_put(ch, 2);
    int64_t start = t_now_ns();
    T_FAILS(t_send(ch, 3, SHMBUS_WAIT_FOREVER), -EAGAIN);
    T_FAILS(t_send(ch, 3, 60 * T_S), -EAGAIN);
    CU_ASSERT_TRUE(t_now_ns() - start < 30 * T_S);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_rejected), 2);
    CU_ASSERT_TRUE(shmbus_error_is_retryable(-EAGAIN));
    CU_ASSERT_EQUAL(t_get(ch), 1);
    CU_ASSERT_EQUAL(t_get(ch), 2);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    all_free(bus, name);
}

T_TEST(queue, a_full_queue_that_drops_throws_away_exactly_the_oldest)
{
    for (uint32_t depth = 1; depth <= 8; depth *= 2) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with(depth, SHMBUS_FULL_DROP_OLDEST, 16, name);
        struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
        for (uint64_t i = 0; i < 50; i++)
            t_put(tx, i);
        CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dropped), 50 - depth);
        CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_sent), 50);
        CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_rejected), 0);
        for (uint64_t i = 50 - depth; i < 50; i++)
            CU_ASSERT_EQUAL(t_get(rx), i);
        CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
        all_free(bus, name);
    }
}

/* Blocks run out before places do: dropping helps there, too. */
T_TEST(queue, a_queue_that_drops_gets_its_blocks_by_dropping)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(16, SHMBUS_FULL_DROP_OLDEST, 4, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 20; i++)
        t_put(ch, i);
    for (uint64_t i = 16; i < 20; i++)
        CU_ASSERT_EQUAL(t_get(ch), i);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    all_free(bus, name);
}

/* Nothing to throw away: the only case in which a queue that drops waits. */
T_TEST(queue, a_queue_that_drops_waits_while_all_blocks_are_in_hands)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, SHMBUS_FULL_DROP_OLDEST, 2, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg held[2];
    uint64_t x = 7;
    for (uint64_t i = 0; i < 2; i++) {
        t_put(ch, i);
        CU_ASSERT_EQUAL(t_take(ch, &held[i]), i);
    }
    CU_ASSERT_EQUAL(shmbus_send(ch, &x, sizeof x, 0), -SHMBUS_ERR_NO_BLOCKS);
    CU_ASSERT_EQUAL(shmbus_send(ch, &x, sizeof x, 20 * T_MS), -SHMBUS_ERR_NO_BLOCKS);
    T_OK(shmbus_release(&held[0]));
    T_OK(shmbus_send(ch, &x, sizeof x, 0));
    CU_ASSERT_EQUAL(t_get(ch), 7);
    T_OK(shmbus_release(&held[1]));
    all_free(bus, name);
}

/* A taker was stopped before it cleared its slot; a receiver does that for it and finds nothing
 * more. The sender that sleeps for a place need not wait for anything else. */
T_TEST(queue, a_receiver_that_only_makes_a_place_wakes_the_senders)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, SHMBUS_FULL_BLOCK, 4, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *other = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg held, none;
    sb_word *slot = &ch->view->slots[0];
    t_put(ch, 5);
    uint64_t full = sb_load_acquire(slot);
    CU_ASSERT_EQUAL(t_take(ch, &held), 5);
    sb_store_release(slot, full);
    sb_event_announce(&ch->shared->writable);
    CU_ASSERT_EQUAL(shmbus_recv(other, &none, 0), -EAGAIN);
    CU_ASSERT_FALSE(sb_event_armed(&ch->shared->writable));
    T_OK(shmbus_release(&held));
    all_free(bus, name);
}

/* Messages that were given back have no place in the ring: throwing them away makes no room. */
T_TEST(queue, a_queue_that_drops_does_not_fail_because_many_were_given_back)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, SHMBUS_FULL_DROP_OLDEST, 120, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg held[100];
    for (uint64_t i = 0; i < 100; i++) {
        t_put(ch, i);
        CU_ASSERT_EQUAL(t_take(ch, &held[i]), i);
    }
    for (int i = 0; i < 100; i++)
        T_OK(shmbus_requeue(&held[i]));
    t_put(ch, 1000);
    t_put(ch, 1001);
    t_put(ch, 1002);
    CU_ASSERT_TRUE(count_of(bus, "q", SHMBUS_COUNT_dropped) < 3);
    uint64_t left = 0, last = 0, value;
    while ((value = t_get(ch)) != UINT64_MAX) {
        last = value;
        left++;
    }
    CU_ASSERT_EQUAL(last, 1002);
    CU_ASSERT_EQUAL(left + count_of(bus, "q", SHMBUS_COUNT_dropped), 103);
    all_free(bus, name);
}

T_TEST(queue, an_unknown_policy_is_refused_when_the_bus_is_created)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 64, 4);
    t_plan_queue(plan, "q", 4, (enum shmbus_on_full)4, 0, NULL);
    T_FAILS(shmbus_create(t_bus_name(name), plan, NULL), -SHMBUS_ERR_CONFIG);
    T_FAILS(shmbus_unlink(name), -ENOENT); /* nothing was made */
    shmbus_plan_free(plan);
}

T_TEST(queue, without_a_block_the_answer_says_so_and_a_free_one_ends_it)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(16, SHMBUS_FULL_BLOCK, 3, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 3; i++)
        t_put(ch, i);
    T_FAILS(t_send(ch, 3, 0), -SHMBUS_ERR_NO_BLOCKS);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(),
                           "queue \"q\": no free block for 8 bytes: 3 of 3 wait in \"q\"");
    T_FAILS(t_send(ch, 3, 10 * T_MS), -SHMBUS_ERR_NO_BLOCKS);
    CU_ASSERT_STRING_EQUAL(
        shmbus_detail(),
        "queue \"q\": no free block for 8 bytes within the timeout: 3 of 3 wait in \"q\"");
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_rejected), 1);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_send_timeouts), 1);
    CU_ASSERT_TRUE(shmbus_error_is_retryable(-SHMBUS_ERR_NO_BLOCKS));
    CU_ASSERT_EQUAL(t_blocks(bus).queued, 3);
    CU_ASSERT_EQUAL(t_get(ch), 0);
    T_OK(t_send(ch, 3, 0));
    for (uint64_t i = 1; i < 4; i++)
        CU_ASSERT_EQUAL(t_get(ch), i);
    all_free(bus, name);
}

T_TEST(queue, small_messages_take_larger_blocks_when_theirs_are_used_up)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan_alone(64, 64, 2);
    T_OK_FATAL(t_add_blocks(plan, 256, 3));
    t_plan_queue(plan, "q", 16, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 5; i++)
        t_put(ch, i);
    T_FAILS(t_send(ch, 5, 0), -SHMBUS_ERR_NO_BLOCKS);
    for (uint64_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(t_get(ch), i);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    all_free(bus, name);
}

/* ---------------------------------------------------------------------------- giving back */

T_TEST(queue, a_message_given_back_comes_before_the_others_with_its_count_raised)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *other = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    for (uint64_t i = 0; i < 3; i++)
        t_put(ch, i);
    for (uint32_t times = 1; times <= 5; times++) {
        CU_ASSERT_EQUAL(t_take(times % 2 ? ch : other, &msg), 0);
        CU_ASSERT_EQUAL(msg.delivery_count, times);
        CU_ASSERT_EQUAL(msg.sequence, 1);
        CU_ASSERT_EQUAL(t_blocks(bus).held, 1);
        T_OK(shmbus_requeue(&msg));
        CU_ASSERT_EQUAL(t_blocks(bus).redeliverable, 1);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").redeliverable, 1);
    }
    for (uint64_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(t_get(ch), i);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_requeued), 5);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_redelivered), 5);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received), 8);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_acknowledged), 3);
    all_free(bus, name);
}

/* It had its place in the ring before: a full ring cannot stop it. */
T_TEST(queue, giving_back_into_a_full_queue_never_fails)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg held[4];
    for (uint64_t i = 0; i < 4; i++) {
        t_put(ch, i);
        CU_ASSERT_EQUAL(t_take(ch, &held[i]), i);
    }
    t_put(ch, 4);
    t_put(ch, 5);
    for (int i = 0; i < 4; i++)
        T_OK(shmbus_requeue(&held[i]));
    T_FAILS(t_send(ch, 6, 0), -EAGAIN);
    uint64_t seen = 0;
    for (int i = 0; i < 6; i++)
        seen |= 1u << t_get(ch);
    CU_ASSERT_EQUAL(seen, 63);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    all_free(bus, name);
}

T_TEST(queue, a_copy_into_too_small_a_buffer_leaves_the_message_and_its_count)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(64, 64, 8);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 2, "dead");
    t_plan_queue(plan, "dead", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    char buffer[8];
    struct shmbus_msg info = {0};
    T_OK(t_send_as(ch, SHMBUS_TYPE_ERROR, 5, "123456", 6, 0));
    t_put(ch, 2);
    for (int i = 0; i < 10; i++) { /* more often than max_deliveries */
        size_t size = 0;
        T_FAILS(shmbus_recv_copy(ch, buffer, 5, &size, &info, 0), -EMSGSIZE);
        CU_ASSERT_EQUAL(size, 6);
    }
    size_t size = 0;
    T_OK(shmbus_recv_copy(ch, buffer, sizeof buffer, &size, &info, 0));
    CU_ASSERT_EQUAL(size, 6);
    CU_ASSERT_EQUAL(memcmp(buffer, "123456", 6), 0);
    CU_ASSERT_PTR_NULL(info.data);
    CU_ASSERT_EQUAL(info.delivery_count, 1);
    CU_ASSERT_EQUAL(info.type, SHMBUS_TYPE_ERROR);
    CU_ASSERT_EQUAL(info.correlation_id, 5);
    CU_ASSERT_EQUAL(info.sequence, 1);
    T_OK(shmbus_recv_copy(ch, buffer, sizeof buffer, &size, NULL, 0));
    T_FAILS(shmbus_recv_copy(ch, buffer, sizeof buffer, &size, NULL, 0), -EAGAIN);
    CU_ASSERT_EQUAL(size, 8);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_requeued), 0);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dead_lettered), 0);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------- dead letters */

static struct shmbus *bus_with_dead_letters(uint32_t max, char *name)
{
    struct shmbus_plan *plan = t_plan(64, 64, 16);
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, max, "dead");
    t_plan_queue(plan, "dead", 2, SHMBUS_FULL_BLOCK, 0, NULL);
    return t_bus_new(plan, name);
}

T_TEST(queue, after_its_last_delivery_a_message_is_set_aside)
{
    for (uint32_t max = 1; max <= 62; max += max < 4 ? 1 : 29) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_dead_letters(max, name);
        struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        struct shmbus_msg msg = {0};
        t_put(ch, 1);
        for (uint32_t i = 1; i <= max; i++) {
            CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
            CU_ASSERT_EQUAL(msg.delivery_count, i);
            T_OK(shmbus_requeue(&msg));
        }
        CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
        /* No receiver yet: it waits, and is seen waiting. */
        CU_ASSERT_EQUAL(t_blocks(bus).dead_letters, 1);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 1);
        CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dead_lettered), 1);
        struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
        CU_ASSERT_EQUAL(t_take(dead, &msg), 1);
        CU_ASSERT_EQUAL(msg.delivery_count, max);
        T_OK(shmbus_requeue(&msg)); /* stays a dead letter */
        CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
        CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dead_lettered), 1);
        CU_ASSERT_EQUAL(t_get(dead), 1);
        all_free(bus, name);
    }
}

T_TEST(queue, dead_letters_need_no_room_in_the_dead_letter_queue)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_dead_letters(1, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(dead, 100);
    t_put(dead, 101); /* full */
    for (uint64_t i = 0; i < 8; i++) {
        t_put(ch, i);
        CU_ASSERT_EQUAL(t_take(ch, &msg), i);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_blocks(bus).dead_letters, 8);
    uint64_t sum = 0;
    for (int i = 0; i < 10; i++)
        sum += t_get(dead);
    CU_ASSERT_EQUAL(sum, 201 + 28);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    all_free(bus, name);
}

/* The way back: a dead letter is forwarded to its queue and starts again. */
T_TEST(queue, a_dead_letter_may_be_sent_again)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_dead_letters(1, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(ch, 1);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_EQUAL(t_take(dead, &msg), 1);
    T_OK(shmbus_forward(&msg, ch, 0));
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 1);
    T_OK(shmbus_release(&msg));
    all_free(bus, name);
}

/* ---------------------------------------------------------------------------------- forwarding */

T_TEST(queue, a_forwarded_message_leaves_one_queue_and_arrives_in_the_other_as_it_was)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(4, SHMBUS_FULL_BLOCK, 8, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *r = t_open(bus, "r", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    T_OK(t_send_as(q, SHMBUS_TYPE_REQUEST, 42, "abc", 3, 0));
    for (int way = 0; way < 2; way++) {
        T_OK(shmbus_recv(q, &msg, 0));
        void *where = msg.data;
        int64_t stamp = msg.time_ns;
        T_OK(shmbus_forward(&msg, r, way == 0 ? 0 : SHMBUS_WAIT_FOREVER));
        T_FAILS(shmbus_recv(q, &msg, 0), -EAGAIN);
        T_OK(shmbus_recv(r, &msg, 0));
        CU_ASSERT_PTR_EQUAL(msg.data, where);
        CU_ASSERT_EQUAL(msg.time_ns, stamp);
        CU_ASSERT_EQUAL(msg.type, SHMBUS_TYPE_REQUEST);
        CU_ASSERT_EQUAL(msg.correlation_id, 42);
        CU_ASSERT_EQUAL(msg.delivery_count, 1);
        CU_ASSERT_EQUAL(msg.sequence, way + 1);
        T_OK(shmbus_forward(&msg, q, 0));
    }
    CU_ASSERT_EQUAL(count_of(bus, "r", SHMBUS_COUNT_forwarded), 2);
    T_OK(shmbus_recv(q, &msg, 0));
    T_OK(shmbus_release(&msg));
    all_free(bus, name);
}

/* A task becomes its result, in place. */
T_TEST(queue, a_forwarded_message_goes_on_with_the_size_type_and_id_that_it_has_now)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, SHMBUS_FULL_BLOCK, 8, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *r = t_open(bus, "r", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};

    T_OK(t_send_as(q, SHMBUS_TYPE_REQUEST, 7, "0123456789", 10, 0));
    t_put(r, 1);
    T_OK(shmbus_recv(q, &msg, 0));
    memcpy(msg.data, "yes", 3);
    msg.size_bytes = 3;
    msg.type = SHMBUS_TYPE_RESPONSE;
    msg.correlation_id = 9;
    T_FAILS(shmbus_forward(&msg, r, 0), -EAGAIN); /* r is full: it stays as it was sent */
    T_OK(shmbus_requeue(&msg));
    T_OK(shmbus_recv(q, &msg, 0));
    CU_ASSERT_EQUAL(msg.size_bytes, 10);
    CU_ASSERT_EQUAL(msg.type, SHMBUS_TYPE_REQUEST);
    CU_ASSERT_EQUAL(msg.correlation_id, 7);
    CU_ASSERT_EQUAL(t_get(r), 1);
    msg.size_bytes = 11;
    T_FAILS(shmbus_forward(&msg, r, 0), -EMSGSIZE); /* beyond lies what others left there */
    msg.size_bytes = 3;
    msg.type = SHMBUS_TYPE_RESPONSE;
    msg.correlation_id = 9;
    T_OK(shmbus_forward(&msg, r, 0));
    T_OK(shmbus_recv(r, &msg, 0));
    CU_ASSERT_EQUAL(msg.size_bytes, 3);
    CU_ASSERT_EQUAL(memcmp(msg.data, "yes", 3), 0);
    CU_ASSERT_EQUAL(msg.type, SHMBUS_TYPE_RESPONSE);
    CU_ASSERT_EQUAL(msg.correlation_id, 9);
    CU_ASSERT_EQUAL(msg.sender, shmbus_slot(bus));
    T_OK(shmbus_release(&msg));
    all_free(bus, name);
}

T_TEST(queue, a_forward_into_a_full_queue_leaves_the_message_where_it_was)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, SHMBUS_FULL_BLOCK, 8, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *r = t_open(bus, "r", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(q, 1);
    t_put(r, 2);
    CU_ASSERT_EQUAL(t_take(q, &msg), 1);
    T_FAILS(shmbus_forward(&msg, r, 0), -EAGAIN);
    T_FAILS(shmbus_forward(&msg, r, 10 * T_MS), -ETIMEDOUT);
    CU_ASSERT_PTR_EQUAL(msg.channel, q);
    CU_ASSERT_EQUAL(t_value(&msg), 1);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").held, 1);
    T_FAILS(shmbus_commit(&msg, 0), -SHMBUS_ERR_KIND); /* that is for what was reserved */
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_EQUAL(t_take(q, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    CU_ASSERT_EQUAL(t_get(r), 2);
    T_OK(shmbus_forward(&msg, r, 0));
    CU_ASSERT_EQUAL(t_get(r), 1);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------------- batches */

T_TEST(queue, a_batch_sends_a_prefix)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(4, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    uint64_t values[6] = {0, 1, 2, 3, 4, 5};
    struct iovec items[6];
    for (int i = 0; i < 6; i++)
        items[i] = (struct iovec){&values[i], sizeof values[i]};
    CU_ASSERT_EQUAL(shmbus_send_batch(ch, items, 6, SHMBUS_WAIT_FOREVER), 4);
    T_FAILS(shmbus_send_batch(ch, items, 6, 0), -EAGAIN);
    T_FAILS(shmbus_send_batch(ch, items, 6, 5 * T_MS), -ETIMEDOUT);
    for (uint64_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(t_get(ch), i);
    items[2].iov_len = 1000; /* too large: the two before it go */
    CU_ASSERT_EQUAL(shmbus_send_batch(ch, items, 6, 0), 2);
    CU_ASSERT_EQUAL(t_get(ch), 0);
    CU_ASSERT_EQUAL(t_get(ch), 1);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    T_FAILS(shmbus_send_batch(ch, items + 2, 4, 0), -EMSGSIZE);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_sent), 6);
    all_free(bus, name);
}

T_TEST(queue, a_batch_receives_what_is_there)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msgs[8];
    T_FAILS(shmbus_recv_batch(ch, msgs, 8, 0), -EAGAIN);
    for (uint64_t i = 0; i < 5; i++)
        t_put(ch, i);
    CU_ASSERT_EQUAL(shmbus_recv_batch(ch, msgs, 3, 0), 3);
    CU_ASSERT_EQUAL(shmbus_recv_batch(ch, msgs + 3, 5, SHMBUS_WAIT_FOREVER), 2);
    for (uint64_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(t_value(&msgs[i]), i);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").held, 5);
    T_OK(shmbus_release(&msgs[1]));
    T_FAILS(shmbus_release_batch(msgs, 5), -SHMBUS_ERR_STALE); /* the others are released */
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").held, 0);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------------- handles */

T_TEST(queue, closing_a_handle_gives_back_what_it_held)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *keep = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *leave = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg kept = {0}, lost = {0}, room = {0}, kept_room = {0};
    for (uint64_t i = 0; i < 3; i++)
        t_put(leave, i);
    CU_ASSERT_EQUAL(t_take(keep, &kept), 0);
    CU_ASSERT_EQUAL(t_take(leave, &lost), 1);
    T_OK(shmbus_reserve(leave, 8, &room, 0));
    T_OK(shmbus_reserve(keep, 8, &kept_room, 0));
    CU_ASSERT_EQUAL(t_blocks(bus).held, 4);
    shmbus_channel_close(leave);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 2);
    CU_ASSERT_EQUAL(t_take(keep, &lost), 1);
    CU_ASSERT_EQUAL(lost.delivery_count, 2);
    T_OK(shmbus_release(&lost));
    T_OK(shmbus_release(&kept));
    T_OK(shmbus_abort(&kept_room));
    CU_ASSERT_EQUAL(t_get(keep), 2);
    all_free(bus, name);
}

T_TEST(queue, detaching_gives_back_what_the_process_held)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, SHMBUS_FULL_BLOCK, 16, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus *leaving = t_attach(name);
    struct shmbus_channel *there = t_open(leaving, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0}, room = {0};
    t_put(there, 1);
    CU_ASSERT_EQUAL(t_take(there, &msg), 1);
    T_OK(shmbus_reserve(there, 8, &room, 0));
    shmbus_detach(leaving);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 0);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    all_free(bus, name);
}

T_TEST(queue, only_so_many_handles_are_open_at_once)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(64, 64, 8);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    plan->channels[0].endpoints = 3;
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch[4] = {NULL};
    for (int i = 0; i < 3; i++)
        ch[i] = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    T_FAILS(shmbus_channel_open(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch[3]), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NULL(ch[3]);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "endpoints"));
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").senders, 3);
    shmbus_channel_close(ch[1]);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").senders, 2);
    ch[3] = t_open(bus, "q", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").senders, 2);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").receivers, 3);
    t_put(ch[0], 5);
    CU_ASSERT_EQUAL(t_get(ch[3]), 5);
    all_free(bus, name);
}

T_TEST(queue, counters_add_up_over_handles_that_come_and_go)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, SHMBUS_FULL_BLOCK, 16, name);
    for (uint64_t i = 0; i < 300; i++) {
        struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
        t_put(tx, i);
        shmbus_channel_close(tx);
        CU_ASSERT_EQUAL(t_get(rx), i);
        shmbus_channel_close(rx);
    }
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_sent), 300);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_sent_bytes), 2400);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received), 300);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received_bytes), 2400);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_acknowledged), 300);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").depth_max, 1);
    all_free(bus, name);
}

T_TEST(queue, the_high_water_mark_is_what_was_waiting_at_most)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(32, SHMBUS_FULL_BLOCK, 40, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    uint64_t next = 0, oldest = 0;
    for (uint64_t high = 1; high <= 32; high += 5) {
        while (next - oldest < high)
            t_put(ch, next++);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").depth, high);
        while (oldest < next)
            CU_ASSERT_EQUAL(t_get(ch), oldest++);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").depth, 0);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").depth_max, high);
    }
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------------- threads */

#define SENDERS 3
#define CHECKED UINT64_C(0x9e3779b97f4a7c15)

struct flow {
    struct shmbus *bus;
    uint64_t per_sender;
    sb_word got, failures, senders_done;
    uint8_t *seen;
};

struct flow_thread {
    struct flow *flow;
    uint64_t id;
    pthread_t thread;
};

static void *flow_send(void *argument)
{
    struct flow_thread *me = argument;
    struct flow *flow = me->flow;
    struct shmbus_channel *ch = NULL;
    if (shmbus_channel_open(flow->bus, "q", SHMBUS_OPEN_SEND, NULL, &ch) != 0) {
        sb_fetch_add(&flow->failures, 1);
        return NULL;
    }
    for (uint64_t i = 0; i < flow->per_sender; i++) {
        uint64_t payload[3] = {me->id, i, (me->id << 32 ^ i) * CHECKED};
        /* With drop_oldest, too: for an instant all may be in somebody's hands. */
        if (shmbus_send(ch, payload, sizeof payload, SHMBUS_WAIT_FOREVER) != 0)
            sb_fetch_add(&flow->failures, 1);
    }
    shmbus_channel_close(ch);
    sb_fetch_add(&flow->senders_done, 1);
    return NULL;
}

static bool flow_check(struct flow *flow, const struct shmbus_msg *msg, uint64_t *next)
{
    uint64_t payload[3];
    if (msg->size_bytes != sizeof payload || msg->delivery_count != 1)
        return false;
    memcpy(payload, msg->data, sizeof payload);
    if (payload[0] >= SENDERS || payload[1] >= flow->per_sender ||
        payload[2] != (payload[0] << 32 ^ payload[1]) * CHECKED || payload[1] < next[payload[0]])
        return false;
    next[payload[0]] = payload[1] + 1;
    return __atomic_fetch_add(&flow->seen[payload[0] * flow->per_sender + payload[1]], 1,
                              __ATOMIC_RELAXED) == 0;
}

/* Ends when all were sent and nothing is left. */
static void *flow_recv(void *argument)
{
    struct flow_thread *me = argument;
    struct flow *flow = me->flow;
    struct shmbus_channel *ch = NULL;
    struct shmbus_msg msg;
    uint64_t next[SENDERS] = {0};
    if (shmbus_channel_open(flow->bus, "q", SHMBUS_OPEN_RECV, NULL, &ch) != 0) {
        sb_fetch_add(&flow->failures, 1);
        return NULL;
    }
    for (;;) {
        bool over = sb_load_acquire(&flow->senders_done) == SENDERS;
        int r = shmbus_recv(ch, &msg, over ? 0 : T_MS);
        if (over && r == -EAGAIN)
            break;
        if (r == -ETIMEDOUT)
            continue;
        if (r != 0 || !flow_check(flow, &msg, next) || shmbus_release(&msg) != 0)
            sb_fetch_add(&flow->failures, 1);
        sb_fetch_add(&flow->got, 1);
    }
    shmbus_channel_close(ch);
    return NULL;
}

/* Returns how many arrived. */
static uint64_t flow(enum shmbus_on_full on_full, uint32_t depth, uint64_t blocks,
                     uint64_t per_sender)
{
    char name[SHMBUS_NAME_BYTES];
    struct flow f = {.bus = bus_with(depth, on_full, blocks, name), .per_sender = per_sender};
    struct flow_thread threads[SENDERS + 2];
    f.seen = calloc(SENDERS, per_sender);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f.seen);
    for (uint64_t i = 0; i < SENDERS + 2; i++) {
        threads[i] = (struct flow_thread){.flow = &f, .id = i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL,
                                             i < SENDERS ? flow_send : flow_recv, &threads[i]),
                              0);
    }
    for (int i = 0; i < SENDERS + 2; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&f.failures), 0);
    uint64_t got = sb_load_acquire(&f.got);
    CU_ASSERT_EQUAL(count_of(f.bus, "q", SHMBUS_COUNT_sent), SENDERS * per_sender);
    CU_ASSERT_EQUAL(got + count_of(f.bus, "q", SHMBUS_COUNT_dropped), SENDERS * per_sender);
    free(f.seen);
    CU_ASSERT_EQUAL(t_free_and_hinted(f.bus), t_blocks(f.bus).count);
    all_free(f.bus, name);
    return got;
}

T_TEST(queue, threads_that_wait_for_room_and_messages_lose_and_double_nothing)
{
    CU_ASSERT_EQUAL(flow(SHMBUS_FULL_BLOCK, 4, 16, 5000), 15000);
    CU_ASSERT_EQUAL(flow(SHMBUS_FULL_BLOCK, 1, 2, 1500), 4500);
    CU_ASSERT_EQUAL(flow(SHMBUS_FULL_BLOCK, 64, 512, 10000), 30000);
}

T_TEST(queue, several_senders_that_drop_account_for_every_message)
{
    flow(SHMBUS_FULL_DROP_OLDEST, 4, 16, 5000);
    flow(SHMBUS_FULL_DROP_OLDEST, 1, 8, 2000);
    flow(SHMBUS_FULL_DROP_OLDEST, 16, 8, 3000); /* blocks run out first */
}

/* One thread reserves, commits and closes its handle while another takes those very messages: a
 * handle that is closed takes back what it held itself, nothing else. */
struct closing {
    struct shmbus *bus;
    uint64_t rounds;
    sb_word failures, done;
};

static void *reserve_commit_close(void *argument)
{
    struct closing *c = argument;
    for (uint64_t i = 0; i < c->rounds; i++) {
        struct shmbus_channel *ch = NULL;
        struct shmbus_msg msg;
        if (shmbus_channel_open(c->bus, "q", SHMBUS_OPEN_SEND, NULL, &ch) != 0 ||
            shmbus_reserve(ch, sizeof i, &msg, SHMBUS_WAIT_FOREVER) != 0) {
            sb_fetch_add(&c->failures, 1);
            break;
        }
        memcpy(msg.data, &i, sizeof i);
        if (shmbus_commit(&msg, SHMBUS_WAIT_FOREVER) != 0)
            sb_fetch_add(&c->failures, 1);
        shmbus_channel_close(ch);
    }
    sb_fetch_add(&c->done, 1);
    return NULL;
}

T_TEST(queue, closing_a_handle_takes_nothing_from_another_thread)
{
    char name[SHMBUS_NAME_BYTES];
    struct closing c = {.bus = bus_with(64, SHMBUS_FULL_BLOCK, 100, name), .rounds = 10000};
    struct shmbus_channel *rx = t_open(c.bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, reserve_commit_close, &c), 0);
    for (uint64_t i = 0; i < c.rounds; i++) {
        if (shmbus_recv(rx, &msg, 10 * T_S) != 0 || t_value(&msg) != i || msg.delivery_count != 1 ||
            shmbus_release(&msg) != 0) {
            CU_FAIL("a message was taken back");
            break;
        }
    }
    shmbus_interrupt(c.bus); /* in case it failed */
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&c.failures), 0);
    all_free(c.bus, name);
}
