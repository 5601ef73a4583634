/* SPDX-License-Identifier: MIT */
/*
 * The judge of the soak's histories, judged: what is wrong is found, what is right is not called
 * wrong; and the stamps that real processes take are such that a queue never looks wrong.
 */
#include <stdlib.h>

#include "ledger.h"

#include "unit/lanes_fixture.h"

/* -------------------------------------------------------------------- histories written by hand */

/* Sent by @sender from @sent to @sent + 1, received from @taken to @taken + 1. */
static void was_sent(enum s_stage stage, uint32_t sender, int64_t sent, int64_t taken)
{
    uint64_t seq = s_books->next_seq++;
    struct s_entry *e = &s_books->entry[seq % S_WINDOW];
    *e = (struct s_entry){.word = (seq << 16) | S_SENT,
                          .sender = sender,
                          .deliveries = 1,
                          .send_start_ns = sent,
                          .send_end_ns = sent + 1,
                          .recv_start_ns = taken,
                          .recv_end_ns = taken + 1};
    e->first[stage] = 1;
}

T_TEST(history, one_that_keeps_the_order_is_accepted)
{
    s_books_open();
    for (int64_t i = 0; i < 1000; i++)
        was_sent(S_TASKS, (uint32_t)i % 3, 10 * i, 10 * i + 500);
    s_empty_seen(S_TASKS, 20000, 20001);
    struct s_history history = s_check_history(S_TASKS);
    CU_ASSERT_EQUAL(history.messages, 1000);
    CU_ASSERT_EQUAL(history.empties, 1);
    CU_ASSERT_EQUAL(history.violations, 0);
}

T_TEST(history, what_happens_at_the_same_time_has_no_order)
{
    s_books_open();
    was_sent(S_TASKS, 1, 100, 300);
    was_sent(S_TASKS, 2, 101, 200); /* sent before the first one was: either may come first */
    was_sent(S_TASKS, 1, 400, 501);
    was_sent(S_TASKS, 2, 500, 500);  /* received at the same time */
    s_empty_seen(S_TASKS, 400, 402); /* while the third was being sent */
    CU_ASSERT_EQUAL(s_check_history(S_TASKS).violations, 0);
}

T_TEST(history, a_message_that_overtakes_is_found)
{
    s_books_open();
    for (int64_t i = 0; i < 1000; i++)
        was_sent(S_TASKS, 1, 10 * i, 20000 + 10 * i);
    was_sent(S_TASKS, 2, 5001, 20002); /* in place of the first one */
    CU_ASSERT_TRUE(s_check_history(S_TASKS).violations > 0);
}

T_TEST(history, with_order_per_producer_only_the_same_producer_must_not_be_overtaken)
{
    s_books_open();
    was_sent(S_JOBS, 1, 100, 1000);
    was_sent(S_JOBS, 2, 200, 500);
    CU_ASSERT_EQUAL(s_check_history(S_JOBS).violations, 0);
    was_sent(S_JOBS, 1, 300, 600);
    CU_ASSERT_EQUAL(s_check_history(S_JOBS).violations, 1);
}

T_TEST(history, an_empty_that_is_said_while_a_message_waits_is_found)
{
    s_books_open();
    was_sent(S_JOBS, 1, 100, 1000);
    s_empty_seen(S_JOBS, 50, 60);
    s_empty_seen(S_JOBS, 2000, 2001);
    CU_ASSERT_EQUAL(s_check_history(S_JOBS).violations, 0);
    s_empty_seen(S_JOBS, 500, 501);
    CU_ASSERT_EQUAL(s_check_history(S_JOBS).violations, 1);
}

/* -------------------------------------------------------------------------- stamps of processes */

#define MESSAGES 100000u
#define LONGEST_NS (2 * T_S) /* beside a load the two may hardly ever run at the same time */

/* Of each message: when its send had ended, and when the last receive that missed it began. */
struct pair {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready;
    uint32_t received, over;
    int64_t sent_ns[MESSAGES];
    int64_t missed_ns[MESSAGES];
};

/* Each message goes into an empty channel, while the receiver asks again and again. */
static int send_each(void *argument)
{
    struct pair *pair = argument;
    struct shmbus *bus = t_attach(pair->name);
    struct shmbus_channel *ch = t_open(bus, "c", SHMBUS_OPEN_SEND);
    int64_t end = t_now_ns() + LONGEST_NS;
    uint32_t n = 0;

    t_gate_post(&pair->ready);
    t_gate_wait(&pair->ready, 2);
    while (n < MESSAGES && t_now_ns() < end) {
        T_OK_FATAL(t_send(ch, n, SHMBUS_WAIT_FOREVER));
        pair->sent_ns[n] = s_after_ns();
        n++;
        while (__atomic_load_n(&pair->received, __ATOMIC_ACQUIRE) < n)
            sb_pause();
        for (uint64_t pause = t_random_below(16); pause > 0; pause--)
            sb_pause();
    }
    __atomic_store_n(&pair->over, 1, __ATOMIC_SEQ_CST);
    shmbus_detach(bus);
    return 0;
}

static void receive_each(struct pair *pair, struct shmbus_channel *ch)
{
    struct shmbus_msg msg;

    while (__atomic_load_n(&pair->over, __ATOMIC_RELAXED) == 0) {
        int64_t start = s_before_ns();
        int r = shmbus_recv(ch, &msg, 0);
        if (r == 0) {
            T_OK_FATAL(shmbus_release(&msg));
            __atomic_store_n(&pair->received, pair->received + 1, __ATOMIC_RELEASE);
        } else if (pair->received < MESSAGES) {
            pair->missed_ns[pair->received] = start;
        }
    }
}

/* Without a fence in s_after_ns() it fails for lanes and streams: their commit is a plain store. */
static void nothing_is_missed_that_was_sent(enum shmbus_kind kind, enum shmbus_order order)
{
    struct pair *pair = t_shared(sizeof *pair);
    struct shmbus_plan *plan = t_plan(4, 64, 64);
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c, .kind = kind, .order = order};
    uint32_t missed = 0;

    T_OK_FATAL(shmbus_plan_add_channel(plan, "c", &c));
    struct shmbus *bus = t_bus_new(plan, pair->name);
    struct shmbus_channel *ch = t_open(bus, "c", SHMBUS_OPEN_RECV);
    pid_t sender = t_fork(send_each, pair);
    t_gate_wait(&pair->ready, 1);
    t_gate_post(&pair->ready);
    receive_each(pair, ch);
    CU_ASSERT_EQUAL(t_wait_exit(sender), 0);
    for (uint32_t i = 0; i < pair->received; i++)
        missed += pair->missed_ns[i] > pair->sent_ns[i];
    printf("%u messages, %u were sent and not found\n", pair->received, missed);
    CU_ASSERT_EQUAL(missed, 0);
    t_bus_end(bus, pair->name);
}

T_TEST_TIMEOUT(history, a_send_into_a_lane_ends_when_others_can_see_it, 120)
{
    nothing_is_missed_that_was_sent(SHMBUS_KIND_QUEUE, SHMBUS_ORDER_PRODUCER);
}

T_TEST_TIMEOUT(history, a_send_into_a_stream_ends_when_others_can_see_it, 120)
{
    nothing_is_missed_that_was_sent(SHMBUS_KIND_STREAM, 0);
}

T_TEST_TIMEOUT(history, a_send_into_a_queue_ends_when_others_can_see_it, 120)
{
    nothing_is_missed_that_was_sent(SHMBUS_KIND_QUEUE, SHMBUS_ORDER_TOTAL);
}
