/* SPDX-License-Identifier: MIT */
/*
 * Lanes: producers and receivers that are threads, on small lanes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "lanes_rig.h"

/* ------------------------------------------------------------------------------------ threads */

#define STRESS_THREADS 3
#define CHECKED UINT64_C(0x9e3779b97f4a7c15)

struct stress {
    struct rig *rig;
    uint64_t per_sender;
    uint32_t requeue_every; /* 0: never */
    uint32_t hold;          /* messages each receiver keeps in hand */
    bool drop;
    int64_t start_ns;
    sb_word sent, received, dropped, senders_done, failures;
    uint8_t *seen; /* one for each sender and number */
};

struct stress_thread {
    struct stress *all;
    uint64_t id;
    struct tx tx;
    pthread_t thread;
};

static void stress_fail(struct stress *all)
{
    sb_fetch_add(&all->failures, 1);
}

static void *stress_send(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    uint64_t i = 0;

    while (i < all->per_sender && !t_is_enough(all->start_ns)) {
        struct sb_cell *cell = sb_lane_place(&me->tx.lane);
        if (cell == NULL) {
            if (all->drop && sb_lane_drop_oldest(&me->tx.lane))
                sb_fetch_add(&all->dropped, 1);
            sched_yield();
            continue;
        }
        uint64_t value = me->id << 48 | i++, *payload = payload_of(cell);
        fill(cell, value);
        for (uint64_t k = 1; k < 8; k++)
            payload[k] = value * CHECKED + k;
        sb_lane_publish(&me->tx.lane, cell);
    }
    sb_fetch_add(&all->sent, i);
    sb_fetch_add(&all->senders_done, 1);
    return NULL;
}

/* Whether the payload is whole and later than all before of that sender. */
static bool stress_check(struct stress *all, const struct sb_lane_msg *msg, uint64_t *latest)
{
    const uint64_t *payload = payload_of(msg->cell);
    uint64_t sender = payload[0] >> 48, number = payload[0] & 0xffffffffffff;

    for (uint64_t k = 1; k < 8; k++) {
        if (payload[k] != payload[0] * CHECKED + k)
            return false;
    }
    if (sender >= STRESS_THREADS || number >= all->per_sender)
        return false;
    if (sb_hdr_deliveries(msg->hdr) == 1) { /* redeliveries come when they were given back */
        if (latest[sender] > number)
            return false;
        latest[sender] = number + 1;
    }
    return true;
}

/* Done with it, and nobody else ever was. */
static void stress_finish(struct stress *all, const struct sb_lane_msg *msg)
{
    uint64_t value = *payload_of(msg->cell);
    uint8_t *seen = &all->seen[(value >> 48) * all->per_sender + (value & 0xffffffffffff)];
    if (__atomic_fetch_add(seen, 1, __ATOMIC_RELAXED) != 0 ||
        sb_load_acquire(&msg->cell->w) != msg->hdr)
        stress_fail(all);
    release(msg);
    sb_fetch_add(&all->received, 1);
}

static void *stress_recv(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    const struct rig *rig = all->rig;
    struct sb_lane_rx rx = rx_of(rig);
    struct sb_lane_msg held[8], msg;
    uint64_t latest[STRESS_THREADS] = {0}, turn = 0;
    uint32_t in_hand = 0;

    for (;;) {
        bool over = sb_load_acquire(&all->senders_done) == STRESS_THREADS;
        enum sb_ring_result r = sb_lane_take(&rx, &msg);
        if (r == SB_RING_EMPTY && over)
            break;
        if (r == SB_RING_EMPTY || r == SB_RING_BUSY) {
            sched_yield();
            continue;
        }
        if (r != SB_RING_OK || !stress_check(all, &msg, latest)) {
            stress_fail(all);
            return NULL;
        }
        if (all->requeue_every != 0 && ++turn % all->requeue_every == 0 &&
            sb_hdr_deliveries(msg.hdr) < 2) {
            if (sb_lane_requeue(&rig->bus->view, rig->index, msg.cell, msg.hdr, false,
                                rig->index) != rig->index)
                stress_fail(all);
            continue;
        }
        if (all->hold == 0) {
            stress_finish(all, &msg);
            continue;
        }
        if (in_hand == all->hold) { /* the oldest is held longest */
            stress_finish(all, &held[turn++ % all->hold]);
            held[(turn - 1u) % all->hold] = msg;
        } else {
            held[in_hand++] = msg;
        }
    }
    while (in_hand > 0)
        stress_finish(all, &held[--in_hand]);
    return NULL;
}

static void stress(uint32_t depth, uint32_t requeue_every, uint32_t hold, bool drop,
                   uint64_t per_sender)
{
    struct rig rig;
    rig_make(&rig, STRESS_THREADS, depth);
    struct stress all = {.rig = &rig,
                         .per_sender = per_sender,
                         .requeue_every = requeue_every,
                         .hold = hold,
                         .start_ns = t_now_ns(),
                         .drop = drop};
    struct stress_thread threads[2 * STRESS_THREADS];

    all.seen = calloc(STRESS_THREADS, per_sender);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all.seen);
    for (uint64_t i = 0; i < 2 * STRESS_THREADS; i++) {
        threads[i] = (struct stress_thread){.all = &all, .id = i / 2};
        if (i % 2)
            threads[i].tx = tx_of(&rig);
    }
    for (uint64_t i = 0; i < 2 * STRESS_THREADS; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL,
                                             i % 2 ? stress_send : stress_recv, &threads[i]),
                              0);
    }
    for (int i = 0; i < 2 * STRESS_THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.failures), 0);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.received) + sb_load_acquire(&all.dropped),
                    sb_load_acquire(&all.sent));
    CU_ASSERT_EQUAL(t_cells_in_use(rig.bus, "q"), 0);
    free(all.seen);
    rig_end(&rig);
}

T_TEST(ring_lanes_threads, many_threads_on_small_lanes_lose_and_double_nothing)
{
    stress(1, 0, 0, false, 2000);
    stress(4, 0, 0, false, 10000);
    stress(64, 0, 0, false, 30000);
}

T_TEST(ring_lanes_threads, many_threads_with_messages_held_and_given_back)
{
    stress(16, 0, 4, false, 10000);
    stress(32, 7, 4, false, 10000);
}

T_TEST(ring_lanes_threads, many_threads_that_drop_account_for_every_message)
{
    stress(2, 0, 0, true, 10000);
    stress(8, 0, 2, true, 10000);
}
