/* SPDX-License-Identifier: MIT */
/*
 * Lanes, stopped before every single access to shared memory: killed there for good, or paused
 * while the others do all they can. Runs the very source of the library, compiled here once more
 * with a hook in each access.
 */
#define SB_EXPLORE 1
#define sb_explore_step t_lane_step
#define sb_lane_open t_steps_lane_open
#define sb_lane_close t_steps_lane_close
#define sb_lane_other_place t_steps_lane_other_place
#define sb_lane_drop_oldest t_steps_lane_drop_oldest
#define sb_lane_drop_letter t_steps_lane_drop_letter
#define sb_lane_note_depth t_steps_lane_note_depth
#define sb_lane_rx_init t_steps_lane_rx_init
#define sb_lane_turn t_steps_lane_turn
#define sb_lane_take_slow t_steps_lane_take_slow
#define sb_lane_readable t_steps_lane_readable
#define sb_lane_scan_init t_steps_lane_scan_init
#define sb_lane_scan_recv t_steps_lane_scan_recv
#define sb_lane_held t_steps_lane_held
#define sb_lane_requeue t_steps_lane_requeue
#define sb_lane_depth t_steps_lane_depth
#define sb_lane_holder t_steps_lane_holder
#define sb_lane_pass t_steps_lane_pass
#define sb_lane_catch_up t_steps_lane_catch_up
#include "protocol/ring_lanes.c"
#include "protocol/lane_redelivery.c"

#include <string.h>

#include "harness.h"
#include "steps.h"

#define LANES 3u
#define DEPTH_SHIFT 2u
#define CELLS (LANES << DEPTH_SHIFT)
#define RECEIVERS 2u
#define VALUES 64u

struct cell {
    struct sb_cell header;
    uint64_t value, pad;
};

/* Everything there is, so that a run can be repeated from a copy. */
static struct world {
    struct sb_channel channel;
    struct sb_lane lanes[LANES];
    struct cell cells[CELLS];
    struct sb_channel_view view;
    struct sb_view all;
    struct sb_lane_tx tx[LANES];
    struct sb_lane_rx rx[RECEIVERS];
    struct sb_lane_msg held;
    bool holds;
    uint8_t sent[VALUES], got[VALUES]; /* how often each value was */
    uint64_t next_value;
    bool dropped;
    uint64_t bad;
} now, start;

void t_lane_step(const void *address, enum sb_access access)
{
    (void)address;
    (void)access;
    access_step();
}

/* ------------------------------------------------------------------------------------- traffic */

static void open_lane(uint32_t n)
{
    now.bad += sb_lane_open(&now.tx[n], &now.view, 7 + n) != SB_RING_OK;
}

static void make(uint32_t lanes)
{
    memset(&now, 0, sizeof now);
    now.view = (struct sb_channel_view){.shared = &now.channel,
                                        .kind = SHMBUS_KIND_QUEUE,
                                        .dead_letter = SB_NONE,
                                        .depth_shift = DEPTH_SHIFT,
                                        .lane_count = LANES,
                                        .cell_bytes = sizeof(struct cell),
                                        .lanes = now.lanes,
                                        .cells = (uint8_t *)now.cells};
    now.all = (struct sb_view){.channel_count = 1, .channels = &now.view};
    now.next_value = 1;
    for (uint32_t i = 0; i < lanes; i++)
        open_lane(i);
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        sb_lane_rx_init(&now.rx[i], &now.all, 0, 100 + i);
        now.rx[i].scan.seen = 0;
    }
}

static bool put(uint32_t lane)
{
    struct sb_cell *cell = sb_lane_place(&now.tx[lane]);
    uint64_t value = now.next_value;

    if (cell == NULL)
        return false;
    *(uint64_t *)sb_cell_payload(cell) = value;
    sb_lane_publish(&now.tx[lane], cell);
    now.next_value++;
    now.sent[value] = 1;
    return true;
}

/* The value, 0 for none. */
static uint64_t take(uint32_t receiver, struct sb_lane_msg *msg)
{
    uint64_t value;

    if (sb_lane_take(&now.rx[receiver], msg) != SB_RING_OK)
        return 0;
    value = *(uint64_t *)sb_cell_payload(msg->cell);
    if (value >= VALUES) {
        now.bad++;
        return 0;
    }
    now.got[value]++;
    return value;
}

static uint64_t get(uint32_t receiver)
{
    struct sb_lane_msg msg;
    uint64_t value = take(receiver, &msg);
    if (value != 0)
        sb_lane_release(msg.cell, msg.hdr);
    return value;
}

/* At the end: what was sent comes out once, by whichever receiver, and every cell is free. */
static void drain_and_check(void)
{
    if (now.holds)
        sb_lane_release(now.held.cell, now.held.hdr);
    for (uint32_t i = 0; i < 4 * VALUES; i++)
        get(i % RECEIVERS);
    for (uint32_t i = 1; i < VALUES; i++)
        CU_ASSERT_EQUAL(now.got[i], now.sent[i]);
    for (uint32_t i = 0; i < CELLS; i++)
        CU_ASSERT_EQUAL(sb_hdr_state(sb_load_relaxed(&now.cells[i].header.w)), SB_BLOCK_FREE);
    CU_ASSERT_EQUAL(now.bad, 0);
}

/* Three quarters round, one message held, another waiting. */
static void make_busy(void)
{
    make(1);
    for (uint32_t i = 0; i < 4; i++)
        now.bad += !put(0);
    now.bad += take(0, &now.held) != 1;
    now.holds = true;
    now.bad += get(0) != 2;
    now.bad += get(0) != 3;
}

/* ------------------------------------------------------------------------------------ receivers */

static void op_get(void)
{
    get(0);
}

/* All that others can do: take what waits, send past the held cell as long as there is room, take
 * some of that. */
static void go_round(void)
{
    get(1);
    for (uint32_t i = 0; i < 6; i++) {
        put(0);
        if (i % 2 != 0)
            get(1);
    }
}

static void send_two(void)
{
    put(0);
    put(0);
}

static void let_go_and_send(void)
{
    sb_lane_release(now.held.cell, now.held.hdr);
    now.holds = false;
    send_two();
}

T_TEST(ring_lanes_steps, a_receiver_paused_before_any_access_loses_and_doubles_nothing)
{
    static void (*const others[])(void) = {go_round, send_two, let_go_and_send};
    for (int empty = 0; empty < 2; empty++) {
        for (size_t o = 0; o < sizeof others / sizeof *others; o++) {
            bool over = false;
            make_busy();
            if (empty)
                get(1);
            start = now;
            for (uint64_t at = 0; !over; at++) {
                now = start;
                over = run_until(op_get, at, others[o]);
                drain_and_check();
            }
        }
    }
}

/* A third lane is taken while the receiver looks at two: it must not be looked at in place of the
 * one with the message. */
static void third_lane(void)
{
    open_lane(2);
}

static void op_take_any(void)
{
    struct sb_lane_msg msg;
    now.bad += sb_lane_take_slow(&now.rx[0], &msg) != SB_RING_OK;
    now.got[2]++;
    sb_lane_release(msg.cell, msg.hdr);
}

T_TEST(ring_lanes_steps, a_lane_taken_meanwhile_hides_no_message_in_another)
{
    bool over = false;
    make(2);
    now.bad += !put(1);
    now.bad += get(0) != 1; /* the second lane has its turn next */
    now.bad += !put(0);
    CU_ASSERT_EQUAL(now.rx[0].lane, 1);
    start = now;
    for (uint64_t at = 0; !over; at++) {
        now = start;
        over = run_until(op_take_any, at, third_lane);
        CU_ASSERT_EQUAL_FATAL(now.bad, 0);
        drain_and_check();
    }
}

/* ------------------------------------------------------------------------------------ producers */

static void op_put(void)
{
    put(0);
}

/* Sent or not: published is published, whoever saw the call return. */
static void note_published(void)
{
    for (uint32_t i = 0; i < CELLS; i++) {
        if (sb_hdr_state(sb_load_relaxed(&now.cells[i].header.w)) == SB_BLOCK_QUEUED)
            now.sent[now.cells[i].value] = 1;
    }
}

T_TEST(ring_lanes_steps, a_producer_killed_before_any_access_has_sent_or_not_and_the_next_goes_on)
{
    for (int with_room = 0; with_room < 3; with_room++) { /* next free, past the held one, full */
        bool over = false;
        make_busy();
        if (with_room == 0) {
            sb_lane_release(now.held.cell, now.held.hdr);
            now.holds = false;
        } else if (with_room == 2) {
            while (put(0))
                ;
        }
        start = now;
        for (uint64_t at = 0; !over; at++) {
            now = start;
            over = run_until(op_put, at, die);
            note_published();
            now.next_value = 40;
            sb_store_release(&now.lanes[0].owner, 0); /* as recovery does */
            open_lane(0);
            put(0);
            CU_ASSERT_TRUE(with_room == 2 || now.sent[40] == 1);
            get(1);
            put(0);
            drain_and_check();
        }
    }
}

static void op_open(void)
{
    open_lane(0);
    put(0);
}

T_TEST(ring_lanes_steps, a_producer_killed_while_it_takes_a_lane_leaves_it_as_it_was)
{
    bool over = false;
    make_busy();
    sb_store_release(&now.lanes[0].owner, 0);
    start = now;
    for (uint64_t at = 0; !over; at++) {
        now = start;
        over = run_until(op_open, at, die);
        note_published();
        now.next_value = 40;
        sb_store_release(&now.lanes[0].owner, 0);
        open_lane(0);
        put(0);
        CU_ASSERT_EQUAL(now.sent[40], 1);
        drain_and_check();
    }
}

/* A receiver takes one while the producer looks for a place or for the oldest message. */
static void op_drop_and_put(void)
{
    if (!put(0)) {
        now.dropped = sb_lane_drop_oldest(&now.tx[0]);
        put(0);
    }
}

static void take_one(void)
{
    get(1);
}

T_TEST(ring_lanes_steps, the_oldest_message_is_dropped_or_taken_never_both)
{
    bool over = false;
    make_busy();
    while (put(0))
        ;
    start = now;
    for (uint64_t at = 0; !over; at++) {
        uint64_t lost = 0;
        now = start;
        over = run_until(op_drop_and_put, at, take_one);
        if (now.holds)
            sb_lane_release(now.held.cell, now.held.hdr);
        for (uint32_t i = 0; i < 4 * VALUES; i++)
            get(i % RECEIVERS);
        for (uint32_t v = 1; v < now.next_value; v++) {
            CU_ASSERT_TRUE(now.got[v] <= 1);
            lost += now.got[v] == 0;
        }
        CU_ASSERT_EQUAL(lost, now.dropped);
        CU_ASSERT_EQUAL(now.bad, 0);
    }
}
