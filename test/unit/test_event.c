/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking on a word: a wake-up is never lost, whoever comes first, and costs a system
 * call only when somebody sleeps.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "protocol/event.h"

T_TEST(event, waking_nobody_changes_nothing)
{
    struct sb_event event = {{0}};
    sb_event_setup();
    CU_ASSERT_FALSE(sb_event_armed(&event));
    CU_ASSERT_FALSE(sb_event_wake(&event));
    CU_ASSERT_FALSE(sb_event_wake_after_store(&event));
    CU_ASSERT_EQUAL(event.word.v, 0);
}

T_TEST(event, an_announcement_is_answered_once_and_a_late_sleeper_does_not_sleep)
{
    for (int way = 0; way < 3; way++) {
        struct sb_event event = {{0}};
        sb_event_setup();
        uint32_t announced = sb_event_announce(&event);
        CU_ASSERT_TRUE(sb_event_armed(&event));
        CU_ASSERT_EQUAL(sb_event_announce(&event), announced); /* a second one shares it */
        if (way == 0)
            CU_ASSERT_TRUE(sb_event_wake(&event));
        if (way == 1)
            CU_ASSERT_TRUE(sb_event_wake_after_store(&event));
        if (way == 2)
            sb_event_wake_all(&event);
        CU_ASSERT_FALSE(sb_event_armed(&event));
        CU_ASSERT_FALSE(sb_event_wake(&event));
        int64_t start = t_now_ns();
        sb_event_sleep(&event, announced, 60 * T_S);
        CU_ASSERT_TRUE(t_now_ns() - start < 30 * T_S);
    }
}

/* A dead sleeper leaves the bit behind, or a killed waker a word that has moved on: no harm. */
T_TEST(event, a_bit_that_a_dead_sleeper_left_costs_one_useless_wake)
{
    struct sb_event event = {{1}};
    sb_event_setup();
    CU_ASSERT_TRUE(sb_event_wake(&event));
    CU_ASSERT_FALSE(sb_event_wake(&event));
    event.word.v = UINT32_MAX; /* the sequence comes round */
    CU_ASSERT_TRUE(sb_event_wake(&event));
    CU_ASSERT_EQUAL(event.word.v & 1, 0);
    uint32_t announced = sb_event_announce(&event);
    CU_ASSERT_EQUAL(announced, event.word.v);
}

/* The first sleeper asks for fences; they stay while somebody sleeps again and again, and are taken
 * back when wakers have fenced in vain for a while. */
T_TEST(event, fences_are_taken_back_when_nobody_has_slept_for_a_while)
{
    struct sb_event event = {{0}};
    unsigned vain = 0;
    sb_event_setup();
    if (!sb_event_asymmetric)
        t_skip("membarrier cannot be used here");
    CU_ASSERT_EQUAL(sb_event_announce(&event),
                    SB_EVENT_SLEEPING | SB_EVENT_FENCED | SB_EVENT_TRUSTED);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_TRUE(sb_event_wake_after_store(&event));
        CU_ASSERT_EQUAL(event.word.v % SB_EVENT_SEQ, SB_EVENT_FENCED | SB_EVENT_TRUSTED);
        sb_event_announce(&event);
    }
    CU_ASSERT_TRUE(sb_event_wake(&event));
    while (event.word.v % SB_EVENT_SEQ != 0 && vain < 1000) {
        CU_ASSERT_FALSE(sb_event_wake_after_store(&event));
        vain++;
    }
    CU_ASSERT_TRUE(vain >= 1 && vain <= 64);
    CU_ASSERT_EQUAL(event.word.v, 1001 * SB_EVENT_SEQ);
    for (int i = 0; i < 1000; i++) /* of locked operations nobody asks for fences */
        CU_ASSERT_FALSE(sb_event_wake(&event));
    CU_ASSERT_EQUAL(event.word.v, 1001 * SB_EVENT_SEQ);
}

/* Killed in the middle of W2: the bit is there, but nobody may rely on it yet. */
T_TEST(event, fences_that_a_killed_sleeper_asked_for_are_completed_by_the_next)
{
    struct sb_event event = {{SB_EVENT_FENCED}};
    sb_event_setup();
    if (!sb_event_asymmetric)
        t_skip("membarrier cannot be used here");
    CU_ASSERT_EQUAL(sb_event_announce(&event),
                    SB_EVENT_SLEEPING | SB_EVENT_FENCED | SB_EVENT_TRUSTED);
}

T_TEST(event, a_sleep_ends_with_its_timeout_and_not_before_it_was_announced)
{
    struct sb_event event = {{0}};
    sb_event_setup();
    uint32_t announced = sb_event_announce(&event);
    sb_event_sleep(&event, announced, 0);
    sb_event_sleep(&event, announced, -5);
    int64_t start = t_now_ns();
    while (t_now_ns() - start < 20 * T_MS) /* may return early */
        sb_event_sleep(&event, announced, start + 20 * T_MS - t_now_ns());
    CU_ASSERT_TRUE(t_now_ns() - start < 10 * T_S);
    sb_event_sleep(&event, announced ^ SB_EVENT_SEQ, 60 * T_S); /* an old announcement: returns */
}

/* A program may forbid itself system calls when it has attached. Without the fence a wake-up after
 * a plain store can be lost, so nobody may sleep for long. */
static int sleeps_in_a_sandbox(void *argument)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    struct sb_event event = {{0}};
    int64_t start;
    (void)argument;
    sb_event_setup();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return 77;
    start = t_now_ns();
    sb_event_sleep(&event, sb_event_announce(&event), 60 * T_S);
    if ((event.word.v & SB_EVENT_TRUSTED) != 0)
        return 1;
    return t_now_ns() - start < 30 * T_S ? 0 : 1;
}

T_TEST(event, who_loses_the_right_to_a_fence_sleeps_in_short_slices)
{
    int status = 0;
    pid_t pid = t_fork(sleeps_in_a_sandbox, NULL);
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        t_skip("no system call filters here");
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

/* ------------------------------------------------------------------------------------- threads */

/* Two threads hand a number to and fro, each sleeping until it is its turn, with sleeps that would
 * outlast the test: one lost wake-up and it hangs. */
#define TURNS 20000

struct ping {
    struct sb_event event[2];
    sb_word turn;
    bool after_store;
};

static void pass_on(struct ping *ping, uint64_t turn, int other)
{
    if (ping->after_store) {
        sb_store_release(&ping->turn, turn);
        sb_event_wake_after_store(&ping->event[other]);
    } else {
        sb_fetch_add(&ping->turn, 1);
        sb_event_wake(&ping->event[other]);
    }
}

static void play(struct ping *ping, int me)
{
    for (uint64_t turn = (uint64_t)me; turn < TURNS; turn += 2) {
        while (sb_load_acquire(&ping->turn) != turn) {
            uint32_t announced = sb_event_announce(&ping->event[me]);
            if (sb_load_acquire(&ping->turn) != turn)
                sb_event_sleep(&ping->event[me], announced, 600 * T_S);
        }
        pass_on(ping, turn + 1, 1 - me);
    }
}

static void *play_second(void *argument)
{
    play(argument, 1);
    return NULL;
}

static void ping_pong(bool after_store)
{
    static struct ping ping;
    pthread_t other;
    memset(&ping, 0, sizeof ping);
    ping.after_store = after_store;
    sb_event_setup();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, play_second, &ping), 0);
    play(&ping, 0);
    pthread_join(other, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&ping.turn), TURNS);
}

T_TEST(event, no_wake_up_is_lost_after_a_locked_operation)
{
    ping_pong(false);
}

T_TEST(event, no_wake_up_is_lost_after_a_plain_store)
{
    ping_pong(true);
}

/* All who sleep on one word are woken by one wake. */
#define SLEEPERS 6

struct crowd {
    struct sb_event event;
    sb_word go, asleep, done;
};

static void *sleep_in_crowd(void *argument)
{
    struct crowd *crowd = argument;
    while (sb_load_acquire(&crowd->go) == 0) {
        uint32_t announced = sb_event_announce(&crowd->event);
        sb_fetch_add(&crowd->asleep, 1);
        if (sb_load_acquire(&crowd->go) == 0)
            sb_event_sleep(&crowd->event, announced, 600 * T_S);
    }
    sb_fetch_add(&crowd->done, 1);
    return NULL;
}

T_TEST(event, one_wake_wakes_all)
{
    static struct crowd crowd;
    pthread_t threads[SLEEPERS];
    sb_event_setup();
    for (int i = 0; i < SLEEPERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, sleep_in_crowd, &crowd), 0);
    while (sb_load_acquire(&crowd.asleep) < SLEEPERS)
        sched_yield();
    sb_fetch_add(&crowd.go, 1);
    sb_event_wake(&crowd.event);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&crowd.done), SLEEPERS);
}

/* A sleeper in another process is reached, too: the futex is a shared one. */
static int sleep_until_word_moves(void *argument)
{
    struct crowd *crowd = argument;
    sb_event_setup();
    sleep_in_crowd(crowd);
    return 0;
}

T_TEST(event, a_sleeper_in_another_process_is_woken)
{
    struct crowd *crowd = t_shared(sizeof *crowd);
    sb_event_setup();
    for (int i = 0; i < 50; i++) {
        sb_store_release(&crowd->go, 0);
        pid_t pid = t_fork(sleep_until_word_moves, crowd);
        CU_ASSERT_TRUE(t_wait_asleep(pid));
        if (i % 2) {
            sb_fetch_add(&crowd->go, 1);
            CU_ASSERT_TRUE(sb_event_wake(&crowd->event));
        } else {
            sb_store_release(&crowd->go, 1);
            CU_ASSERT_TRUE(sb_event_wake_after_store(&crowd->event));
        }
        CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    }
}
