/* SPDX-License-Identifier: MIT */
/*
 * Processes killed and stopped in the middle of real traffic, with the accounts kept outside the
 * bus. `make soak` does all of this at once and for longer; here each promise stands alone.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define NUMBERS (16u << 20)
#define WORKERS 3

/* Each number is sent once. Bits of its note, in the order in which they are set. */
enum note {
    TRYING = 1,  /* before the send */
    SENT = 2,    /* after it */
    TAKEN = 4,   /* after a receive */
    ACKING = 8,  /* before the release */
    ACKED = 16,  /* after it */
    TWICE = 32,  /* came as a first delivery, but had been taken */
    AFTER = 64,  /* came after its acknowledgement was certain */
    FAILED = 128 /* the send said that it was not sent */
};

struct chaos {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready;
    uint32_t stop;
    uint32_t next;
    uint64_t progress;
    uint32_t fresh, unexpected;
    uint8_t notes[NUMBERS];
};

static void note(struct chaos *c, uint64_t number, uint8_t bits)
{
    __atomic_fetch_or(&c->notes[number], bits, __ATOMIC_SEQ_CST);
}

static bool is_over(struct chaos *c)
{
    __atomic_fetch_add(&c->progress, 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&c->stop, __ATOMIC_SEQ_CST) != 0;
}

static bool is_patient(struct chaos *c, int result)
{
    if (result == -ETIMEDOUT || result == -EAGAIN || result == -SHMBUS_ERR_NO_BLOCKS)
        return true;
    __atomic_fetch_add(&c->unexpected, 1, __ATOMIC_SEQ_CST);
    printf("unexpected: %s, %s\n", shmbus_strerrorname(result), shmbus_detail());
    return false;
}

static int chaos_send(void *argument)
{
    struct chaos *c = argument;
    struct shmbus *bus = t_attach(c->name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_gate_post(&c->ready);
    while (!is_over(c)) {
        uint64_t number = __atomic_fetch_add(&c->next, 1, __ATOMIC_SEQ_CST);
        if (number >= NUMBERS) { /* enough; the others go on with what is there */
            sched_yield();
            continue;
        }
        note(c, number, TRYING);
        int r = t_send(ch, number, 20 * T_MS);
        note(c, number, r == 0 ? SENT : FAILED);
        if (r != 0 && !is_patient(c, r))
            break;
    }
    shmbus_detach(bus);
    return 0;
}

static void take_note(struct chaos *c, const struct shmbus_msg *msg)
{
    uint64_t number = t_value(msg);
    uint8_t before;
    CU_ASSERT_TRUE_FATAL(number < NUMBERS);
    before = __atomic_fetch_or(&c->notes[number], TAKEN, __ATOMIC_SEQ_CST);
    if (msg->delivery_count == 1 && (before & TAKEN) != 0)
        note(c, number, TWICE);
    if ((before & ACKED) != 0)
        note(c, number, AFTER);
}

static int chaos_recv(void *argument)
{
    struct chaos *c = argument;
    struct shmbus *bus = t_attach(c->name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    t_gate_post(&c->ready);
    while (!is_over(c)) {
        int r = shmbus_recv(ch, &msg, 20 * T_MS);
        if (r != 0) {
            if (!is_patient(c, r))
                break;
            continue;
        }
        uint64_t number = t_value(&msg);
        take_note(c, &msg);
        note(c, number, ACKING);
        T_OK(shmbus_release(&msg));
        note(c, number, ACKED);
    }
    shmbus_detach(bus);
    return 0;
}

/* So many steps of everybody's work, however long that takes. */
static void let_work(struct chaos *c, uint64_t steps)
{
    uint64_t start = __atomic_load_n(&c->progress, __ATOMIC_RELAXED);
    int64_t give_up = t_now_ns() + 100 * T_S;
    while (__atomic_load_n(&c->progress, __ATOMIC_RELAXED) - start < steps) {
        if (t_now_ns() > give_up) {
            CU_FAIL_FATAL("nobody works any more");
        }
        sched_yield();
    }
}

static struct chaos *chaos_new(enum shmbus_order order)
{
    struct chaos *c = t_shared(sizeof *c);
    struct shmbus_plan *plan = t_plan(16, 64, 200);
    struct shmbus_channel_opts q = {.struct_bytes = sizeof q,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = 32,
                                    .order = order,
                                    .timestamps = SHMBUS_SWITCH_ON};
    if (order == SHMBUS_ORDER_PRODUCER) {
        q.depth = 8;
        q.producers = 2 * WORKERS; /* half of them are of dead ones now and then */
    }
    T_OK_FATAL(shmbus_plan_add_channel(plan, "q", &q));
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(shmbus_create(t_bus_name(c->name), plan, NULL));
    shmbus_plan_free(plan);
    return c;
}

/* White box: lanes and cells that are not free. */
static uint64_t cells_in_use(const struct shmbus *bus)
{
    const struct sb_channel_view *ch = &bus->view.channels[t_index(bus, "q")];
    uint64_t n = 0;
    for (uint64_t i = 0; i < sb_cell_count(ch); i++)
        n += sb_hdr_state(sb_load_acquire(&sb_cell_at(ch, i)->w)) != SB_BLOCK_FREE;
    for (uint32_t i = 0; i < ch->lane_count; i++)
        n += sb_load_acquire(&ch->lanes[i].owner) != 0;
    return n;
}

/* All are told to stop and end well; what is left is taken; then the accounts must be even. */
static void chaos_settle(struct chaos *c, const pid_t *pids, int count)
{
    __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    struct shmbus *bus = t_attach(c->name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    T_OK(shmbus_reclaim(bus));
    while (shmbus_recv(ch, &msg, 0) == 0) {
        take_note(c, &msg);
        note(c, t_value(&msg), ACKED);
        T_OK(shmbus_release(&msg));
    }
    shmbus_channel_close(ch);
    uint32_t sent = 0, lost = 0, bad = 0;
    for (uint32_t i = 0; i < NUMBERS && i < c->next; i++) {
        uint8_t n = c->notes[i];
        sent += (n & SENT) != 0;
        lost += (n & SENT) != 0 && (n & (ACKED | ACKING)) == 0;
        bad += (n & (TWICE | AFTER)) != 0 || ((n & FAILED) != 0 && (n & TAKEN) != 0);
    }
    CU_ASSERT_EQUAL(lost, 0);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_EQUAL(c->unexpected, 0);
    CU_ASSERT_TRUE(sent > 100);
    CU_ASSERT_EQUAL(t_blocks(bus).free, 200);
    CU_ASSERT_EQUAL(t_free_and_hinted(bus), 200);
    CU_ASSERT_EQUAL(cells_in_use(bus), 0);
    t_bus_end(bus, c->name);
}

static void chaos_run(enum shmbus_order order, int kills, bool senders, bool receivers,
                      bool stop_too)
{
    struct chaos *c = chaos_new(order);
    pid_t pids[2 * WORKERS];
    for (int i = 0; i < 2 * WORKERS; i++)
        pids[i] = t_fork(i % 2 ? chaos_send : chaos_recv, c);
    t_gate_wait(&c->ready, 2 * WORKERS);
    for (int k = 0; k < kills; k++) {
        int i = 2 * (int)t_random_below(WORKERS) +
                (senders && receivers ? (int)t_random_below(2) : senders);
        let_work(c, t_random_below(300));
        if (stop_too) {
            t_stop(pids[i]);
            let_work(c, 100);
            if (t_random_below(2)) {
                t_continue(pids[i]);
                continue;
            }
        }
        CU_ASSERT_EQUAL(t_kill_wait(pids[i], SIGKILL), 128 + SIGKILL);
        pids[i] = t_fork(i % 2 ? chaos_send : chaos_recv, c);
    }
    chaos_settle(c, pids, 2 * WORKERS);
}

T_TEST_TIMEOUT(chaos, senders_killed_under_load_lose_nothing_that_was_committed, 120)
{
    chaos_run(SHMBUS_ORDER_TOTAL, 80, true, false, false);
}

T_TEST_TIMEOUT(chaos, senders_killed_in_their_lanes_lose_nothing_that_was_committed, 120)
{
    chaos_run(SHMBUS_ORDER_PRODUCER, 80, true, false, false);
}

T_TEST_TIMEOUT(chaos, receivers_killed_under_load_double_nothing_but_marked_redeliveries, 120)
{
    chaos_run(SHMBUS_ORDER_TOTAL, 80, false, true, false);
}

T_TEST_TIMEOUT(chaos, receivers_of_lanes_killed_double_nothing_but_marked_redeliveries, 120)
{
    chaos_run(SHMBUS_ORDER_PRODUCER, 80, false, true, false);
}

T_TEST_TIMEOUT(chaos, killed_and_stopped_in_turn_the_accounts_are_even, 120)
{
    chaos_run(SHMBUS_ORDER_TOTAL, 80, true, true, true);
}

T_TEST_TIMEOUT(chaos, killed_and_stopped_in_turn_the_accounts_of_lanes_are_even, 120)
{
    chaos_run(SHMBUS_ORDER_PRODUCER, 80, true, true, true);
}

/* One member stops for good in the middle of things; the others go on for thousands of messages. */
static void stop_one(enum shmbus_order order)
{
    for (int round = 0; round < 20; round++) {
        struct chaos *c = chaos_new(order);
        pid_t pids[4];
        for (int i = 0; i < 4; i++)
            pids[i] = t_fork(i % 2 ? chaos_send : chaos_recv, c);
        t_gate_wait(&c->ready, 4);
        let_work(c, t_random_below(200));
        t_stop(pids[round % 4]);
        let_work(c, 5000);
        t_continue(pids[round % 4]);
        chaos_settle(c, pids, 4);
    }
}

T_TEST_TIMEOUT(chaos, a_stopped_process_holds_nobody_up, 120)
{
    stop_one(SHMBUS_ORDER_TOTAL);
}

T_TEST_TIMEOUT(chaos, a_stopped_process_holds_nobody_up_in_lanes, 120)
{
    stop_one(SHMBUS_ORDER_PRODUCER);
}

/* ------------------------------------------------------------------------------------- streams */

struct stream_books {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready;
    uint32_t stop, failures;
    uint64_t progress, sent, last, sender_deaths;
};

static int stream_send(void *argument)
{
    struct stream_books *b = argument;
    struct shmbus *bus = t_attach(b->name);
    struct shmbus_channel *ch = t_open(bus, "s", SHMBUS_OPEN_SEND);
    t_gate_post(&b->ready);
    while (__atomic_load_n(&b->stop, __ATOMIC_SEQ_CST) == 0) {
        uint64_t number = b->sent + 1;
        int r = t_send(ch, number, 20 * T_MS);
        if (r == 0)
            __atomic_store_n(&b->sent, number, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&b->progress, 1, __ATOMIC_RELAXED);
    }
    shmbus_detach(bus);
    return 0;
}

/* The next number, or the last one again if an end died between the deed and its note. */
static int stream_take(struct stream_books *b, struct shmbus_channel *ch, int64_t wait_ns)
{
    struct shmbus_msg msg;
    int r = shmbus_recv(ch, &msg, wait_ns);
    if (r != 0)
        return r;
    uint64_t number = t_value(&msg);
    if (number != b->last + 1 &&
        (number != b->last || (msg.delivery_count == 1 && b->sender_deaths == 0)))
        __atomic_fetch_add(&b->failures, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&b->last, number, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&b->progress, 1, __ATOMIC_RELAXED);
    return shmbus_release(&msg);
}

static int stream_recv(void *argument)
{
    struct stream_books *b = argument;
    struct shmbus *bus = t_attach(b->name);
    struct shmbus_channel *ch = t_open(bus, "s", SHMBUS_OPEN_RECV);
    t_gate_post(&b->ready);
    while (__atomic_load_n(&b->stop, __ATOMIC_SEQ_CST) == 0)
        stream_take(b, ch, 20 * T_MS);
    shmbus_detach(bus);
    return 0;
}

static void stream_chaos(bool sender)
{
    struct stream_books *b = t_shared(sizeof *b);
    struct shmbus_plan *plan = t_plan(16, 64, 4);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(shmbus_create(t_bus_name(b->name), plan, NULL));
    shmbus_plan_free(plan);
    pid_t pids[2] = {t_fork(stream_send, b), t_fork(stream_recv, b)};
    int victim = sender ? 0 : 1;
    for (uint32_t k = 0; k < 150; k++) {
        t_gate_wait(&b->ready, 2 + k);
        uint64_t until = __atomic_load_n(&b->progress, __ATOMIC_RELAXED) + t_random_below(400);
        while (__atomic_load_n(&b->progress, __ATOMIC_RELAXED) < until)
            sched_yield();
        b->sender_deaths += sender;
        CU_ASSERT_EQUAL(t_kill_wait(pids[victim], SIGKILL), 128 + SIGKILL);
        pids[victim] = t_fork(sender ? stream_send : stream_recv, b);
    }
    __atomic_store_n(&b->stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    struct shmbus *bus = t_attach(b->name);
    struct shmbus_channel *ch = t_open(bus, "s", SHMBUS_OPEN_RECV);
    int r;
    while ((r = stream_take(b, ch, 0)) == 0 || r == -SHMBUS_ERR_PEER_CLOSED ||
           r == -SHMBUS_ERR_PEER_DEAD)
        ;
    CU_ASSERT_EQUAL(b->failures, 0);
    CU_ASSERT_TRUE(b->last >= b->sent && b->last <= b->sent + 1);
    CU_ASSERT_TRUE(b->sent > 1000);
    t_bus_end(bus, b->name);
}

T_TEST_TIMEOUT(chaos, the_sender_of_a_stream_killed_again_and_again, 120)
{
    stream_chaos(true);
}

T_TEST_TIMEOUT(chaos, the_receiver_of_a_stream_killed_again_and_again, 120)
{
    stream_chaos(false);
}

/* ------------------------------------------------------------------------- coming and going */

static int come_and_go(void *argument)
{
    struct chaos *c = argument;
    while (!is_over(c)) {
        struct shmbus *bus = t_attach(c->name);
        struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        struct shmbus_msg msg;
        t_send(ch, 1, 0);
        if (shmbus_recv(ch, &msg, 0) == 0 && t_random_below(2))
            T_OK(shmbus_release(&msg));
        shmbus_detach(bus);
    }
    return 0;
}

T_TEST_TIMEOUT(chaos, attaching_and_detaching_under_fire_leaves_every_slot_free, 120)
{
    struct chaos *c = chaos_new(SHMBUS_ORDER_TOTAL);
    pid_t pids[8];
    for (int i = 0; i < 8; i++)
        pids[i] = t_fork(come_and_go, c);
    for (int k = 0; k < 60; k++) {
        int i = (int)t_random_below(8);
        let_work(c, 1 + t_random_below(20));
        CU_ASSERT_EQUAL(t_kill_wait(pids[i], SIGKILL), 128 + SIGKILL);
        pids[i] = t_fork(come_and_go, c);
    }
    __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    struct shmbus *members[16];
    for (int i = 0; i < 16; i++) /* all that the plan allows */
        members[i] = t_attach(c->name);
    struct shmbus_channel *ch = t_open(members[0], "q", SHMBUS_OPEN_RECV);
    while (t_get(ch) != UINT64_MAX)
        ;
    CU_ASSERT_EQUAL(t_channel_stat(members[0], "q").receivers, 1);
    shmbus_channel_close(ch);
    CU_ASSERT_EQUAL(t_free_and_hinted(members[0]), 200);
    for (int i = 15; i > 0; i--)
        shmbus_detach(members[i]);
    t_bus_end(members[0], c->name);
}
