/* SPDX-License-Identifier: MIT */
/*
 * Queues with order per producer as a program sees them: the order of each producer, full and
 * empty, one reservation at a time, giving back and setting aside, what close and death leave, and
 * accounts that are even after everything.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lanes_fixture.h"

/* "q" and "r" of that policy set aside in "dead", after two deliveries and after one; "dead" and
 * "t" have total order. */
static struct shmbus *bus_with(uint32_t producers, uint32_t depth, enum shmbus_on_full on_full,
                               char *name)
{
    struct shmbus_plan *plan = t_plan(64, 128, 8);
    t_plan_lanes(plan, "q", producers, depth, on_full, 2, "dead");
    t_plan_lanes(plan, "r", producers, depth, on_full, 1, "dead");
    t_plan_queue(plan, "t", 4, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_queue(plan, "dead", 4, SHMBUS_FULL_REJECT, 0, NULL);
    return t_bus_new(plan, name);
}

/* Ends the test: no cell and no block is in use. */
static void all_free(struct shmbus *bus, const char *name)
{
    static const char *const queues[] = {"q", "r"};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        struct shmbus_channel_stat stat = t_channel_stat(bus, queues[i]);
        CU_ASSERT_EQUAL(stat.depth + stat.held + stat.redeliverable + stat.dead_letters, 0);
        CU_ASSERT_EQUAL(t_cells_in_use(bus, queues[i]), 0);
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 0);
    CU_ASSERT_EQUAL(t_blocks(bus).free, 8);
    t_bus_end(bus, name);
}

static uint64_t count_of(struct shmbus *bus, const char *channel, enum shmbus_counter counter)
{
    return t_channel_stat(bus, channel).counters[counter];
}

#define BOTH (SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV)

/* ------------------------------------------------------------------------------------ contents */

T_TEST(lanes, each_producer_keeps_its_order_and_its_own_numbers)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(3, 8, SHMBUS_FULL_REJECT, name);
    struct shmbus_channel *tx[3],
        *rx[2] = {t_open(bus, "q", SHMBUS_OPEN_RECV), t_open(bus, "q", SHMBUS_OPEN_RECV)};
    uint64_t sent[3] = {0}, got[3] = {0}, waiting = 0;
    struct shmbus_msg msg = {0};
    for (int i = 0; i < 3; i++)
        tx[i] = t_open(bus, "q", SHMBUS_OPEN_SEND);
    for (int i = 0; i < 5000; i++) {
        uint64_t k = t_random_below(3);
        if (t_random_below(2) && sent[k] - got[k] < 8) {
            t_put(tx[k], k << 32 | sent[k]++);
            waiting++;
            continue;
        }
        uint64_t value = t_take(rx[t_random_below(2)], &msg);
        if (value == UINT64_MAX) {
            CU_ASSERT_EQUAL(waiting, 0);
            continue;
        }
        k = value >> 32;
        waiting--;
        CU_ASSERT_TRUE_FATAL(k < 3);
        CU_ASSERT_EQUAL((uint32_t)value, got[k]++);
        CU_ASSERT_EQUAL(msg.sequence, got[k]);
        T_OK(shmbus_release(&msg));
    }
    while (t_get(rx[0]) != UINT64_MAX)
        ;
    all_free(bus, name);
}

T_TEST(lanes, batches_send_and_receive_a_prefix)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH);
    uint64_t values[6] = {1, 2, 3, 4, 5, 6};
    struct iovec items[6];
    struct shmbus_msg msgs[8];
    for (int i = 0; i < 6; i++)
        items[i] = (struct iovec){&values[i], sizeof values[i]};
    CU_ASSERT_EQUAL(shmbus_send_batch(ch, items, 6, SHMBUS_WAIT_FOREVER), 4);
    T_FAILS(shmbus_send_batch(ch, items, 6, 0), -EAGAIN);
    CU_ASSERT_EQUAL(shmbus_recv_batch(ch, msgs, 3, 0), 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(t_value(&msgs[i]), i + 1);
    T_OK(shmbus_release_batch(msgs, 2));
    CU_ASSERT_EQUAL(shmbus_send_batch(ch, &items[4], 2, 0), 2);
    CU_ASSERT_EQUAL(shmbus_recv_batch(ch, &msgs[3], 5, 0), 3);
    for (int i = 3; i < 6; i++)
        CU_ASSERT_EQUAL(t_value(&msgs[i]), i + 1);
    T_FAILS(shmbus_recv_batch(ch, &msgs[6], 2, 0), -EAGAIN);
    items[1].iov_len = shmbus_channel_size_max(ch) + 1;
    T_OK(shmbus_release_batch(&msgs[2], 4));
    CU_ASSERT_EQUAL(shmbus_send_batch(ch, items, 3, 0), 1); /* up to what is too large */
    CU_ASSERT_EQUAL(t_get(ch), 1);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------- reservations */

T_TEST(lanes, a_handle_has_one_reservation_at_a_time)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH), *other = t_open(bus, "q", SHMBUS_OPEN_SEND);
    uint64_t value = 3;
    struct iovec item = {&value, sizeof value};
    for (int what = 0; what < 4; what++) { /* what drops it */
        struct shmbus_msg first = {0}, second = {0};
        T_OK(shmbus_reserve(ch, 8, &first, 0));
        switch (what) {
        case 0:
            T_OK(shmbus_reserve(ch, 8, &second, 0));
            memcpy(second.data, &value, sizeof value);
            break;
        case 1:
            T_OK(t_send(ch, value, 0));
            break;
        case 2:
            CU_ASSERT_EQUAL(shmbus_send_batch(ch, &item, 1, 0), 1);
            break;
        default: /* another handle has its own */
            T_OK(shmbus_reserve(other, 8, &second, 0));
            memcpy(second.data, &value, sizeof value);
            T_OK(shmbus_commit(&second, 0));
            *(uint64_t *)first.data = 4;
            T_OK(shmbus_commit(&first, 0));
            CU_ASSERT_EQUAL(t_get(ch) + t_get(ch), 7);
            continue;
        }
        T_FAILS(shmbus_commit(&first, 0), -SHMBUS_ERR_STALE);
        T_FAILS(shmbus_abort(&first), -SHMBUS_ERR_STALE);
        if (what == 0) {
            struct shmbus_msg copy = second;
            T_OK(shmbus_commit(&second, 0));
            T_FAILS(shmbus_commit(&second, 0), -SHMBUS_ERR_STALE);
            T_FAILS(shmbus_commit(&copy, 0), -SHMBUS_ERR_STALE);
        }
        CU_ASSERT_EQUAL(t_get(ch), 3);
        CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    }
    all_free(bus, name);
}

/* White box: another process writes nonsense into the words of the lane. */
T_TEST(lanes, a_commit_goes_where_the_room_was_whatever_its_word_says)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH);
    struct shmbus_msg out = {0};
    T_OK(shmbus_reserve(ch, 8, &out, 0));
    memset(out.data, 0, 8);
    for (uint64_t i = 0; i < 4; i++)
        sb_store_release(&sb_cell_at(ch->view, i)->w, sb_hdr_make(77, 0, SB_BLOCK_QUEUED, 0));
    T_OK(shmbus_commit(&out, 0));
    CU_ASSERT_EQUAL(t_get(ch), 0);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------------------- full */

T_TEST(lanes, a_full_lane_refuses_only_its_own_producer)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_REJECT, name);
    struct shmbus_channel *a = t_open(bus, "q", BOTH), *b = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_msg msg = {0};
    for (uint64_t i = 0; i < 4; i++)
        t_put(a, i);
    T_FAILS(t_send(a, 9, SHMBUS_WAIT_FOREVER), -EAGAIN); /* rejects whatever the timeout */
    T_FAILS(shmbus_reserve(a, 8, &msg, SHMBUS_WAIT_FOREVER), -EAGAIN);
    t_put(b, 10);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_rejected), 2);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").depth, 5);
    CU_ASSERT_EQUAL(t_take(a, &msg), 0);
    T_FAILS(t_send(a, 9, 0), -EAGAIN); /* not yet acknowledged */
    T_OK(shmbus_release(&msg));
    t_put(a, 4);
    uint64_t sum = 0;
    for (int i = 0; i < 5; i++)
        sum += t_get(a);
    CU_ASSERT_EQUAL(sum, 1 + 2 + 3 + 4 + 10);
    all_free(bus, name);
}

T_TEST(lanes, a_lane_that_drops_throws_away_its_own_oldest)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_DROP_OLDEST, name);
    struct shmbus_channel *a = t_open(bus, "q", BOTH), *b = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_msg held[4], out = {0};
    t_put(b, 100);
    for (uint64_t i = 0; i < 10; i++)
        t_put(a, i);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dropped), 6);
    T_OK(shmbus_reserve(a, 8, &out, 0)); /* makes room, too */
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dropped), 7);
    memset(out.data, 0, 8);
    T_OK(shmbus_commit(&out, 0));
    for (uint64_t i = 7; i < 10; i++)
        CU_ASSERT_EQUAL(t_take(a, &held[i - 7]), i);
    CU_ASSERT_EQUAL(t_take(a, &held[3]), 0);
    T_FAILS(t_send(a, 1, 0), -EAGAIN); /* all are in hands */
    T_FAILS(t_send(a, 1, T_MS), -ETIMEDOUT);
    CU_ASSERT_EQUAL(t_get(a), 100); /* that of others is not touched */
    T_OK(shmbus_release_batch(held, 4));
    all_free(bus, name);
}

T_TEST(lanes, waits_end_in_time)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 1, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH);
    struct shmbus_msg msg = {0};
    int64_t before = t_now_ns();
    T_FAILS(shmbus_recv(ch, &msg, 5 * T_MS), -ETIMEDOUT);
    t_put(ch, 1);
    T_FAILS(t_send(ch, 2, 5 * T_MS), -ETIMEDOUT);
    T_FAILS(shmbus_reserve(ch, 8, &msg, 5 * T_MS), -ETIMEDOUT);
    T_FAILS(t_send(ch, 2, 0), -EAGAIN);
    CU_ASSERT_TRUE(t_now_ns() - before >= 15 * T_MS);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_send_timeouts), 2);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_recv_timeouts), 1);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_rejected), 1);
    shmbus_interrupt(bus);
    T_FAILS(t_send(ch, 2, SHMBUS_WAIT_FOREVER), -EINTR);
    CU_ASSERT_EQUAL(t_get(ch), 1);
    T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------- handles, wrong use */

T_TEST(lanes, only_so_many_producers_have_it_open_at_once)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *a = t_open(bus, "q", SHMBUS_OPEN_SEND), *b = t_open(bus, "q", BOTH);
    struct shmbus_channel *c = NULL, *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    uint32_t handles = t_channel_stat(bus, "q").senders + t_channel_stat(bus, "q").receivers;
    T_FAILS(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &c), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "producers"));
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").senders + t_channel_stat(bus, "q").receivers, handles);
    t_put(a, 1);
    shmbus_channel_close(a);
    c = t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_put(c, 2);
    t_put(b, 3);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").lanes_used, 2);
    uint64_t first = t_get(rx), second = t_get(rx), third = t_get(rx);
    CU_ASSERT_EQUAL(first + second + third, 6);
    CU_ASSERT_TRUE(first == 3 ? second == 1 : first == 1); /* 1 and 2 share a lane */
    all_free(bus, name);
}

T_TEST(lanes, operations_that_do_not_fit_are_refused_and_the_message_stays)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *q = t_open(bus, "q", BOTH), *t = t_open(bus, "t", BOTH);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg cell = {0}, block = {0}, out = {0};
    t_put(q, 1);
    t_put(t, 2);
    CU_ASSERT_EQUAL(t_take(q, &cell), 1);
    CU_ASSERT_EQUAL(t_take(t, &block), 2);
    T_FAILS(shmbus_forward(&cell, t, 0), -SHMBUS_ERR_KIND); /* cells are not forwarded */
    T_FAILS(shmbus_forward(&block, q, 0), -SHMBUS_ERR_KIND);
    CU_ASSERT_PTR_EQUAL(block.channel, t);
    cell.channel = t;
    T_FAILS(shmbus_commit(&cell, 0), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_release(&cell), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_requeue(&cell), -SHMBUS_ERR_KIND);
    cell.channel = q;
    block.channel = q;
    T_FAILS(shmbus_commit(&block, 0), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_release(&block), -SHMBUS_ERR_KIND);
    block.channel = t;
    T_FAILS(shmbus_commit(&cell, 0), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_abort(&cell), -SHMBUS_ERR_KIND);
    T_OK(shmbus_reserve(q, 8, &out, 0));
    T_FAILS(shmbus_release(&out), -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_requeue(&out), -SHMBUS_ERR_KIND);
    T_OK(shmbus_abort(&out));
    T_FAILS(shmbus_reserve(rx, 8, &out, 0), -EINVAL);
    struct shmbus_msg copy = cell;
    T_OK(shmbus_release(&cell));
    T_FAILS(shmbus_release(&cell), -SHMBUS_ERR_STALE);
    T_FAILS(shmbus_release(&copy), -SHMBUS_ERR_STALE);
    T_FAILS(shmbus_requeue(&copy), -SHMBUS_ERR_STALE);
    for (uint64_t i = 0; i < 8; i++) { /* the cell has another message by now */
        t_put(q, i);
        T_FAILS(shmbus_release(&copy), -SHMBUS_ERR_STALE);
        CU_ASSERT_EQUAL(t_get(q), i);
    }
    T_OK(shmbus_release(&block));
    all_free(bus, name);
}

struct forked {
    struct shmbus *bus;
    struct shmbus_channel *q;
    struct shmbus_msg held, room;
};

static int use_parents_handles(void *argument)
{
    struct forked *f = argument;
    struct shmbus_msg msg = {0};
    T_FAILS(t_send(f->q, 1, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_recv(f->q, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_reserve(f->q, 8, &msg, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_release(&f->held), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_requeue(&f->held), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_commit(&f->room, 0), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_abort(&f->room), -SHMBUS_ERR_FORKED);
    shmbus_channel_close(f->q); /* only frees memory */
    shmbus_detach(f->bus);
    return 0;
}

T_TEST(lanes, a_forked_child_may_not_use_its_parents_handles)
{
    char name[SHMBUS_NAME_BYTES];
    struct forked f = {.bus = bus_with(1, 4, SHMBUS_FULL_BLOCK, name)};
    f.q = t_open(f.bus, "q", BOTH);
    t_put(f.q, 1);
    CU_ASSERT_EQUAL(t_take(f.q, &f.held), 1);
    T_OK(shmbus_reserve(f.q, 8, &f.room, 0));
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(use_parents_handles, &f)), 0);
    CU_ASSERT_EQUAL(t_channel_stat(f.bus, "q").held, 1);
    T_OK(shmbus_release(&f.held));
    memset(f.room.data, 0, 8);
    T_OK(shmbus_commit(&f.room, 0));
    CU_ASSERT_EQUAL(t_get(f.q), 0);
    all_free(f.bus, name);
}

/* ------------------------------------------------------------------------ given back, set aside */

T_TEST(lanes, a_message_given_back_comes_before_the_others_with_its_count_raised)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH), *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    for (uint64_t i = 1; i <= 3; i++)
        t_put(ch, i);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    struct shmbus_msg copy = msg;
    T_OK(shmbus_requeue(&msg));
    T_FAILS(shmbus_requeue(&copy), -SHMBUS_ERR_STALE);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").redeliverable, 1);
    CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    CU_ASSERT_EQUAL(msg.sequence, 1);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_EQUAL(t_get(rx), 2);
    CU_ASSERT_EQUAL(t_get(ch), 3);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_requeued), 1);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_redelivered), 1);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received), 4);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_acknowledged), 3);
    all_free(bus, name);
}

T_TEST(lanes, a_copy_into_too_small_a_buffer_leaves_the_message_and_counts_nothing)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH);
    char buffer[16];
    size_t size = 0;
    struct shmbus_msg info = {0};
    T_OK(shmbus_send(ch, "0123456789", 10, 0));
    for (int i = 0; i < 5; i++) { /* more often than it may be delivered */
        T_FAILS(shmbus_recv_copy(ch, buffer, 9, &size, NULL, 0), -EMSGSIZE);
        CU_ASSERT_EQUAL(size, 10);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").redeliverable, 1);
    }
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received), 0);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_received_bytes), 0);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_redelivered), 0);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dead_lettered), 0);
    T_OK(shmbus_recv_copy(ch, buffer, 16, &size, &info, 0));
    CU_ASSERT_EQUAL(memcmp(buffer, "0123456789", 10), 0);
    CU_ASSERT_EQUAL(info.delivery_count, 1);
    CU_ASSERT_PTR_NULL(info.data);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_acknowledged), 1);
    all_free(bus, name);
}

T_TEST(lanes, after_its_last_delivery_a_message_is_set_aside_in_its_cell)
{
    static const struct {
        const char *queue;
        uint32_t deliveries;
    } cases[] = {{"q", 2}, {"r", 1}};
    for (int c = 0; c < 2; c++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with(2, 2, SHMBUS_FULL_REJECT, name);
        struct shmbus_channel *ch = t_open(bus, cases[c].queue, BOTH);
        struct shmbus_channel *dead = t_open(bus, "dead", BOTH);
        struct shmbus_channel *second = t_open(bus, "dead", SHMBUS_OPEN_RECV);
        struct shmbus_msg msg = {0};
        t_put(ch, 7);
        t_put(ch, 8);
        for (uint32_t i = 1; i <= cases[c].deliveries; i++) {
            CU_ASSERT_EQUAL(t_take(ch, &msg), 7);
            CU_ASSERT_EQUAL(msg.delivery_count, i);
            T_OK(shmbus_requeue(&msg));
        }
        CU_ASSERT_EQUAL(t_channel_stat(bus, cases[c].queue).redeliverable, 0);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 1);
        CU_ASSERT_EQUAL(t_get(ch), 8);
        CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
        t_put(dead, 100); /* its own come first, or not: they are not lost */
        uint64_t value = t_take(dead, &msg);
        if (value == 100) {
            T_OK(shmbus_release(&msg));
            value = t_take(dead, &msg);
        }
        CU_ASSERT_EQUAL_FATAL(value, 7);
        CU_ASSERT_PTR_EQUAL(msg.channel, dead);
        CU_ASSERT_EQUAL(msg.delivery_count, cases[c].deliveries);
        T_FAILS(shmbus_forward(&msg, ch, 0), -SHMBUS_ERR_KIND);
        T_FAILS(shmbus_commit(&msg, 0), -SHMBUS_ERR_KIND);
        T_OK(shmbus_requeue(&msg)); /* stays a dead letter */
        while ((value = t_take(second, &msg)) == 100)
            T_OK(shmbus_release(&msg));
        CU_ASSERT_EQUAL_FATAL(value, 7);
        CU_ASSERT_EQUAL(msg.delivery_count, cases[c].deliveries + 1);
        CU_ASSERT_EQUAL(count_of(bus, cases[c].queue, SHMBUS_COUNT_dead_lettered), 1);
        T_OK(shmbus_release(&msg));
        while (t_get(dead) != UINT64_MAX)
            ;
        for (uint64_t i = 0; i < 6; i++) { /* the cell is in use again */
            t_put(ch, i);
            CU_ASSERT_EQUAL(t_get(ch), i);
        }
        all_free(bus, name);
    }
}

/* What is set aside in two queues comes out of the one they name, and each cell goes back. */
T_TEST(lanes, dead_letters_of_several_queues_share_one)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 2, SHMBUS_FULL_REJECT, name);
    struct shmbus_channel *r = t_open(bus, "r", BOTH), *q = t_open(bus, "q", BOTH);
    struct shmbus_channel *t = t_open(bus, "t", BOTH), *dead = t_open(bus, "dead", BOTH);
    struct shmbus_msg msg = {0};
    t_put(t, 1);
    CU_ASSERT_EQUAL(t_take(t, &msg), 1);
    T_OK(shmbus_forward(&msg, dead, 0)); /* one in a block */
    for (uint64_t i = 2; i <= 3; i++) {
        struct shmbus_channel *ch = i == 2 ? q : r;
        t_put(ch, i);
        while (t_take(ch, &msg) == i)
            T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 2);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").depth, 1);
    CU_ASSERT_EQUAL(t_get(dead) + t_get(dead) + t_get(dead), 6);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    all_free(bus, name);
}

T_TEST(lanes, a_dead_letter_queue_has_total_order)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(8, 64, 8);
    t_plan_lanes(plan, "q", 2, 4, SHMBUS_FULL_REJECT, 2, "dead");
    t_plan_lanes(plan, "dead", 2, 4, SHMBUS_FULL_REJECT, 0, NULL);
    t_bus_name(name);
    T_FAILS(shmbus_create(name, plan, NULL), -SHMBUS_ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "order: total"));
    shmbus_plan_free(plan);
}

T_TEST(lanes, a_dead_letter_comes_back_when_its_receiver_closes_or_the_buffer_is_too_small)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_REJECT, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH),
                          *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    uint8_t buffer[8];
    size_t size = 0;
    for (uint64_t i = 1; i <= 3; i++) {
        t_put(ch, i);
        for (int k = 0; k < 2; k++) {
            CU_ASSERT_EQUAL(t_take(ch, &msg), i);
            T_OK(shmbus_requeue(&msg));
        }
    }
    struct shmbus_msg msgs[4];
    CU_ASSERT_EQUAL(shmbus_recv_batch(dead, msgs, 4, 0), 3);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").held, 3);
    T_OK(shmbus_release(&msgs[1]));
    shmbus_channel_close(dead);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 2);
    dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    T_FAILS(shmbus_recv_copy(dead, buffer, 7, &size, NULL, 0), -EMSGSIZE);
    T_OK(shmbus_recv_copy(dead, buffer, 8, &size, &msg, 0));
    CU_ASSERT_EQUAL(msg.delivery_count, 3); /* what did not fit was no delivery */
    CU_ASSERT_TRUE(t_get(dead) != UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    CU_ASSERT_EQUAL(count_of(bus, "q", SHMBUS_COUNT_dead_lettered), 3);
    all_free(bus, name);
}

T_TEST(lanes, closing_a_handle_gives_back_what_it_held_and_nothing_else)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH), *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg mine = {0}, theirs = {0}, other = {0}, out = {0};
    for (uint64_t i = 1; i <= 3; i++)
        t_put(ch, i);
    CU_ASSERT_EQUAL(t_take(ch, &mine), 1);
    CU_ASSERT_EQUAL(t_take(rx, &theirs), 2);
    CU_ASSERT_EQUAL(t_take(rx, &other), 3);
    T_OK(shmbus_release(&other));
    T_OK(shmbus_reserve(ch, 8, &out, 0));
    shmbus_channel_close(rx);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").held, 1);
    CU_ASSERT_EQUAL(t_take(ch, &other), 2);
    CU_ASSERT_EQUAL(other.delivery_count, 2);
    T_OK(shmbus_release(&other));
    T_OK(shmbus_release(&mine));
    shmbus_channel_close(ch); /* with an open reservation: never sent */
    ch = t_open(bus, "q", BOTH);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    t_put(ch, 4);
    CU_ASSERT_EQUAL(t_get(ch), 4);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------- processes that die */

struct life {
    const char *name;
    struct t_gate *gate;
};

/* Takes 1, sends 3 and reserves a place; then stands there. */
static int take_send_reserve(void *argument)
{
    struct life *life = argument;
    struct shmbus *bus = t_attach(life->name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH);
    struct shmbus_msg msg = {0}, out = {0};
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    t_put(ch, 3);
    T_OK(shmbus_reserve(ch, 8, &out, 0));
    memset(out.data, 0xee, 8);
    t_gate_post(life->gate);
    while (pause() != 0)
        ;
    return 0;
}

T_TEST(lanes, a_killed_process_gives_back_what_it_held_and_its_lane)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *ch = t_open(bus, "q", BOTH), *next = NULL;
    struct life life = {name, t_shared(sizeof(struct t_gate))};
    struct shmbus_msg msg = {0};
    t_put(ch, 1);
    pid_t pid = t_fork(take_send_reserve, &life);
    t_gate_wait(life.gate, 1);
    T_FAILS(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &next), -SHMBUS_ERR_TOO_MANY);
    t_put(ch, 2);
    CU_ASSERT_EQUAL(t_kill_wait(pid, SIGKILL), 128 + SIGKILL);
    next = t_open(bus, "q", SHMBUS_OPEN_SEND); /* recovers by itself: no lane is free otherwise */
    t_put(next, 4);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1); /* before all others */
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    uint64_t first = t_get(ch), second = t_get(ch), third = t_get(ch);
    CU_ASSERT_EQUAL(first + second + third, 9);
    CU_ASSERT_TRUE(first == 2 ? second == 3 : first == 3); /* 3 and 4 share a lane */
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    all_free(bus, name);
}

/* ----------------------------------------------------------------------------------- descriptor */

static bool polls(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    CU_ASSERT_TRUE(n >= 0);
    return n == 1 && (p.revents & POLLIN) != 0;
}

T_TEST(lanes, the_descriptor_is_readable_when_there_is_something)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(3, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV), *dead, *tx, *late;
    struct shmbus_msg msg = {0};
    int fd = shmbus_channel_fd(rx), dead_fd;
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
    CU_ASSERT_FALSE(polls(fd, 20));
    tx = t_open(bus, "q", BOTH);
    dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    dead_fd = shmbus_channel_fd(dead);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    for (uint64_t i = 0; i < 20; i++) {
        t_put(tx, i);
        CU_ASSERT_TRUE(polls(fd, 10000));
        CU_ASSERT_TRUE(polls(fd, 10000)); /* level-triggered */
        CU_ASSERT_EQUAL(t_get(rx), i);
        CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
        CU_ASSERT_FALSE(polls(fd, 0));
    }
    late = t_open(bus, "q", SHMBUS_OPEN_SEND); /* a lane that was never used before */
    t_put(late, 50);
    CU_ASSERT_TRUE(polls(fd, 10000));
    CU_ASSERT_EQUAL(t_take(tx, &msg), 50);
    CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_TRUE(polls(fd, 10000));
    CU_ASSERT_EQUAL(t_take(rx, &msg), 50);
    CU_ASSERT_FALSE(polls(dead_fd, 0));
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_TRUE(polls(dead_fd, 10000));
    CU_ASSERT_EQUAL(t_get(dead), 50);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    CU_ASSERT_FALSE(polls(dead_fd, 0));
    all_free(bus, name);
}

/* ------------------------------------------------------------------------------------- accounts */

T_TEST(lanes, statistics_say_what_is_there)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(3, 4, SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *a = t_open(bus, "q", BOTH), *b = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_msg msgs[4];
    for (uint64_t i = 0; i < 4; i++)
        t_put(a, i);
    t_put(b, 4);
    CU_ASSERT_EQUAL(shmbus_recv_batch(a, msgs, 2, 0), 2);
    T_OK(shmbus_requeue(&msgs[0]));
    struct shmbus_channel_stat stat = t_channel_stat(bus, "q");
    CU_ASSERT_EQUAL(stat.order, SHMBUS_ORDER_PRODUCER);
    CU_ASSERT_EQUAL(stat.kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(stat.lanes, 3);
    CU_ASSERT_EQUAL(stat.lanes_used, 2);
    CU_ASSERT_EQUAL(stat.capacity, 8);
    CU_ASSERT_EQUAL(stat.depth, 3);
    CU_ASSERT_EQUAL(stat.depth_max, 4);
    CU_ASSERT_EQUAL(stat.held, 1);
    CU_ASSERT_EQUAL(stat.redeliverable, 1);
    CU_ASSERT_EQUAL(stat.dead_letters, 0);
    CU_ASSERT_EQUAL(stat.senders, 2);
    CU_ASSERT_EQUAL(stat.receivers, 1);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "t").order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "t").lanes, 0);
    T_OK(shmbus_release(&msgs[1]));
    while (t_get(a) != UINT64_MAX)
        ;
    stat = t_channel_stat(bus, "q");
    CU_ASSERT_EQUAL(stat.depth_max, 4);
    CU_ASSERT_EQUAL(stat.counters[SHMBUS_COUNT_sent], 5);
    CU_ASSERT_EQUAL(stat.counters[SHMBUS_COUNT_sent_bytes], 40);
    CU_ASSERT_EQUAL(stat.counters[SHMBUS_COUNT_received], 6);
    CU_ASSERT_EQUAL(stat.counters[SHMBUS_COUNT_received_bytes], 48);
    CU_ASSERT_EQUAL(stat.counters[SHMBUS_COUNT_acknowledged], 5);
    shmbus_channel_close(b);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_sent], 5);
    all_free(bus, name);
}

/* -------------------------------------------------------------------------------------- threads */

#define SENDERS 2
#define RECEIVERS 2
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

/* Every third one is filled in place. */
static int flow_send_one(struct shmbus_channel *ch, uint64_t id, uint64_t i)
{
    uint64_t payload[3] = {id, i, (id << 32 ^ i) * CHECKED};
    struct shmbus_msg msg;
    int r;
    if (i % 3 != 0)
        return shmbus_send(ch, payload, sizeof payload, SHMBUS_WAIT_FOREVER);
    r = shmbus_reserve(ch, sizeof payload, &msg, SHMBUS_WAIT_FOREVER);
    if (r < 0)
        return r;
    memcpy(msg.data, payload, sizeof payload);
    return shmbus_commit(&msg, 0);
}

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
        if (flow_send_one(ch, me->id, i) != 0)
            sb_fetch_add(&flow->failures, 1);
    }
    shmbus_channel_close(ch);
    sb_fetch_add(&flow->senders_done, 1);
    return NULL;
}

static bool flow_check(struct flow *flow, const struct shmbus_msg *msg, uint64_t *next)
{
    uint64_t payload[3];
    if (msg->size_bytes != sizeof payload)
        return false;
    memcpy(payload, msg->data, sizeof payload);
    if (payload[0] >= SENDERS || payload[1] >= flow->per_sender ||
        payload[2] != (payload[0] << 32 ^ payload[1]) * CHECKED)
        return false;
    if (msg->delivery_count > 1)
        return true;
    if (payload[1] < next[payload[0]])
        return false;
    next[payload[0]] = payload[1] + 1;
    return true;
}

/* Done with it, and nobody was before. */
static bool flow_finish(struct flow *flow, struct shmbus_msg *msg)
{
    const uint64_t *payload = msg->data;
    if (__atomic_fetch_add(&flow->seen[payload[0] * flow->per_sender + payload[1]], 1,
                           __ATOMIC_RELAXED) != 0)
        return false;
    sb_fetch_add(&flow->got, 1);
    return shmbus_release(msg) == 0;
}

/* Ends when all were sent and nothing is left. Gives one in eleven back, once. */
static void *flow_recv(void *argument)
{
    struct flow_thread *me = argument;
    struct flow *flow = me->flow;
    struct shmbus_channel *ch = NULL;
    struct shmbus_msg msg;
    uint64_t next[SENDERS] = {0}, turn = 0;
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
        if (r != 0 || !flow_check(flow, &msg, next))
            sb_fetch_add(&flow->failures, 1);
        else if (++turn % 11 == 0 && msg.delivery_count == 1 && shmbus_requeue(&msg) == 0)
            continue;
        else if (!flow_finish(flow, &msg))
            sb_fetch_add(&flow->failures, 1);
    }
    shmbus_channel_close(ch);
    return NULL;
}

static void flow(enum shmbus_on_full on_full, uint32_t depth, uint64_t per_sender)
{
    char name[SHMBUS_NAME_BYTES];
    struct flow f = {.bus = bus_with(SENDERS, depth, on_full, name), .per_sender = per_sender};
    struct flow_thread threads[SENDERS + RECEIVERS];
    f.seen = calloc(SENDERS, per_sender);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f.seen);
    for (uint64_t i = 0; i < SENDERS + RECEIVERS; i++) {
        threads[i] = (struct flow_thread){.flow = &f, .id = i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL,
                                             i < SENDERS ? flow_send : flow_recv, &threads[i]),
                              0);
    }
    for (int i = 0; i < SENDERS + RECEIVERS; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&f.failures), 0);
    CU_ASSERT_EQUAL(count_of(f.bus, "q", SHMBUS_COUNT_sent), SENDERS * per_sender);
    CU_ASSERT_EQUAL(sb_load_acquire(&f.got) + count_of(f.bus, "q", SHMBUS_COUNT_dropped),
                    SENDERS * per_sender);
    CU_ASSERT_EQUAL(count_of(f.bus, "q", SHMBUS_COUNT_acknowledged), sb_load_acquire(&f.got));
    free(f.seen);
    all_free(f.bus, name);
}

T_TEST(lanes, threads_that_wait_for_room_and_messages_lose_and_double_nothing)
{
    flow(SHMBUS_FULL_BLOCK, 1, 1000);
    flow(SHMBUS_FULL_BLOCK, 4, 5000);
    flow(SHMBUS_FULL_BLOCK, 64, 20000);
}

T_TEST(lanes, threads_that_drop_account_for_every_message)
{
    flow(SHMBUS_FULL_DROP_OLDEST, 2, 3000);
    flow(SHMBUS_FULL_DROP_OLDEST, 16, 10000);
}
