/* SPDX-License-Identifier: MIT */
/*
 * Many processes on one bus. Each holds one message and waits, asleep, for another. Measured: how
 * long until all are attached; the processor time of all of them together while nothing happens;
 * then every second one, the sweeper and its deputies among them, is killed at once: how soon every
 * message comes again, and how long a send between two living ones takes meanwhile. Two such pairs:
 * one as anything else, which waits for its turn on a busy machine (judged only when the machine
 * let it sleep on time), one with real-time priority, where that is allowed, which shows what the
 * bus does to it.
 *
 *   shmbus-many [PROCESSES]
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define MS 1000000ll
#define S 1000000000ll
#define OTHERS 5u /* the parent and the pairs */

/* What must be kept. */
#define ATTACH_NS (10 * S)
#define IDLE_PERCENT 5.0
#define REDELIVERED_NS (2 * S)
#define SEND_NS (10 * MS)

struct pair {
    uint64_t sent;
    int64_t worst_ns;       /* from before the send to the receipt */
    int64_t worst_send_ns;  /* of the send alone */
    int64_t worst_sleep_ns; /* how late the sender's own clock woke it: the machine's part */
};

struct shared {
    uint32_t ready;
    struct pair pairs[2];
};

enum { ORDINARY = 0, REAL_TIME = 1 };

static struct shared *shared;
static char name[SHMBUS_NAME_BYTES];
static pid_t *pids;
static uint32_t count;
static int failures;
static int which; /* pair this process belongs to */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * S + t.tv_nsec;
}

static void pause_ns(int64_t ns)
{
    struct timespec t = {ns / S, ns % S};
    nanosleep(&t, NULL); /* the passing of time is what is measured */
}

static void check(int r, const char *what)
{
    if (r < 0) {
        fprintf(stderr, "%s: %s (%s)\n", what, shmbus_strerror(r), shmbus_detail());
        exit(2);
    }
}

static void require(bool kept, const char *what)
{
    if (!kept) {
        printf("NOT KEPT: %s\n", what);
        failures++;
    }
}

static struct shmbus *attach(void)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING;
    check(shmbus_attach(name, &opts, &bus), "attach");
    return bus;
}

static struct shmbus_channel *open_channel(struct shmbus *bus, const char *channel, unsigned mode)
{
    struct shmbus_channel *ch = NULL;
    check(shmbus_channel_open(bus, channel, mode, NULL, &ch), channel);
    return ch;
}

static void add_queue(struct shmbus_plan *plan, const char *queue, uint32_t depth)
{
    struct shmbus_channel_opts c = {sizeof c, .depth = depth};
    check(shmbus_plan_add_channel(plan, queue, &c), "plan");
}

static void create(void)
{
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    check(shmbus_plan_new(8 << 20, &plan), "plan");
    whole.processes = count + OTHERS > SHMBUS_PROCESSES_MAX ? SHMBUS_PROCESSES_MAX : count + OTHERS;
    check(shmbus_plan_set(plan, &whole), "plan");

    add_queue(plan, "held", 2048);
    add_queue(plan, "idle", 16);
    add_queue(plan, "pair0", 16);
    add_queue(plan, "pair1", 16);
    snprintf(name, sizeof name, "many-%d", (int)getpid());
    check(shmbus_create(name, plan, NULL), "create");
    shmbus_plan_free(plan);
}

/* ---------------------------------------------------------------------------------- processes */

/* Takes a message, keeps it, sleeps. */
static void hold_and_wait(void)
{
    struct shmbus *bus = attach();
    struct shmbus_channel *held = open_channel(bus, "held", SHMBUS_OPEN_RECV);
    struct shmbus_channel *idle = open_channel(bus, "idle", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    check(shmbus_recv(held, &msg, SHMBUS_WAIT_FOREVER), "take");
    __atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        shmbus_recv(idle, &msg, SHMBUS_WAIT_FOREVER);
    }
}

static struct shmbus_channel *join_pair(unsigned mode)
{
    struct sched_param priority = {.sched_priority = 1};
    struct shmbus_channel *ch = open_channel(attach(), which == ORDINARY ? "pair0" : "pair1", mode);
    if (which == REAL_TIME) {
        sched_setscheduler(0, SCHED_FIFO, &priority); /* or not, where it is not allowed */
    }
    __atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
    return ch;
}

static void raise_to(int64_t *worst_ns, int64_t ns)
{
    *worst_ns = ns > *worst_ns ? ns : *worst_ns;
}

static void pair_receives(void)
{
    struct shmbus_channel *ch = join_pair(SHMBUS_OPEN_RECV);
    struct pair *pair = &shared->pairs[which];
    struct shmbus_msg msg;
    for (;;) {
        int64_t sent_ns;
        check(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), "pair");
        memcpy(&sent_ns, msg.data, sizeof sent_ns);
        raise_to(&pair->worst_ns, now_ns() - sent_ns);
        pair->sent++;
        shmbus_release(&msg);
    }
}

static void pair_sends(void)
{
    struct shmbus_channel *ch = join_pair(SHMBUS_OPEN_SEND);
    struct pair *pair = &shared->pairs[which];
    for (;;) {
        int64_t before_ns = now_ns();
        check(shmbus_send(ch, &before_ns, sizeof before_ns, SHMBUS_WAIT_FOREVER), "pair");
        int64_t after_ns = now_ns();
        raise_to(&pair->worst_send_ns, after_ns - before_ns);
        pause_ns(MS);
        raise_to(&pair->worst_sleep_ns, now_ns() - after_ns - MS);
    }
}

static pid_t start(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body();
        _exit(0);
    }
    check(pid < 0 ? -errno : 0, "fork");
    return pid;
}

static void await_ready(uint32_t n)
{
    int64_t until = now_ns() + 120 * S;
    while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < n) {
        if (now_ns() > until) {
            fprintf(stderr, "only %u of %u processes came\n", shared->ready, n);
            exit(1);
        }
        pause_ns(MS);
    }
}

/* ----------------------------------------------------------------------------------- measuring */

/* Processor time of a process so far, all threads. */
static int64_t used_ns(pid_t pid)
{
    struct timespec t;
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (int64_t)t.tv_sec * S + t.tv_nsec;
}

static int64_t all_used_ns(void)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += used_ns(pids[i]);
    }
    return sum;
}

static void attach_all(void)
{
    int64_t began = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        pids[i] = start(hold_and_wait);
    }
    await_ready(count);
    int64_t took = now_ns() - began;
    printf("attached      %u processes in %.2f s, %.0f us of a processor each\n", count,
           (double)took / S, (double)all_used_ns() / count / 1000);
    require(took <= ATTACH_NS, "attached within 10 s");
}

/* The least of some measurements: others use the machine as well. */
static void idle(void)
{
    double least = 1e9;
    for (int i = 0; i < 3; i++) {
        int64_t began = now_ns(), used = all_used_ns();
        pause_ns(3 * S);
        double percent = 100.0 * (double)(all_used_ns() - used) / (double)(now_ns() - began);
        least = percent < least ? percent : least;
    }
    printf("idle          %.2f %% of a processor for all together\n", least);
    require(least <= IDLE_PERCENT, "idle at 5 % of a processor");
}

/* What half of them held comes to @ch; how often each number came. */
static uint32_t collect(struct shmbus_channel *ch, uint32_t expected, uint8_t *seen, int64_t until)
{
    uint32_t got = 0;
    while (got < expected && now_ns() < until) {
        struct shmbus_msg msg;
        uint32_t number;
        int r = shmbus_recv(ch, &msg, 100 * MS);
        if (r == -ETIMEDOUT) {
            continue;
        }
        check(r, "collect");
        memcpy(&number, msg.data, sizeof number);
        require(number < count && seen[number] == 0, "no message twice");
        require(msg.delivery_count == 2, "each counted as delivered again");
        seen[number % count] = 1;
        shmbus_release(&msg);
        got++;
    }
    return got;
}

static void show_pairs(const char *when)
{
    for (int p = ORDINARY; p <= REAL_TIME; p++) {
        const struct pair *pair = &shared->pairs[p];
        printf("%-13s %-9s send %.3f ms, receipt %.3f ms; its clock late by %.3f ms; %llu\n", when,
               p == ORDINARY ? "ordinary" : "real-time", (double)pair->worst_send_ns / MS,
               (double)pair->worst_ns / MS, (double)pair->worst_sleep_ns / MS,
               (unsigned long long)pair->sent);
    }
    memset(shared->pairs, 0, sizeof shared->pairs);
}

static void judge_pair(const struct pair *pair)
{
    if (pair->worst_sleep_ns < SEND_NS / 2) {
        require(pair->worst_send_ns <= SEND_NS, "a send never waits longer than 10 ms");
        require(pair->worst_ns <= SEND_NS, "no message is longer than 10 ms on its way");
    }
}

static void start_pairs(pid_t *members)
{
    for (which = ORDINARY; which <= REAL_TIME; which++) {
        *members++ = start(pair_receives);
        *members++ = start(pair_sends);
    }
    await_ready(count + 4);
}

static void kill_half(struct shmbus *bus)
{
    struct shmbus_channel *ch = open_channel(bus, "held", SHMBUS_OPEN_RECV);
    uint8_t *seen = calloc(count, 1);
    uint32_t half = count / 2, got;
    pid_t members[4];

    start_pairs(members);
    pause_ns(300 * MS);
    memset(shared->pairs, 0, sizeof shared->pairs);
    pause_ns(S);
    show_pairs("before");
    int64_t began = now_ns();
    for (uint32_t i = 0; i < half; i++) { /* those who came first: sweeper and deputies, too */
        kill(pids[i], SIGKILL);
    }
    int64_t killed = now_ns() - began;
    got = collect(ch, half, seen, began + 30 * S);
    int64_t took = now_ns() - began;
    printf("killed        %u in %.3f s; %u messages again after %.3f s\n", half, (double)killed / S,
           got, (double)took / S);
    judge_pair(&shared->pairs[ORDINARY]);
    judge_pair(&shared->pairs[REAL_TIME]);
    show_pairs("meanwhile");
    require(got == half, "none lost");
    require(took <= REDELIVERED_NS, "all delivered again within 2 s");
    for (int i = 0; i < 4; i++) {
        kill(members[i], SIGKILL);
        waitpid(members[i], NULL, 0);
    }
    free(seen);
}

static void end_all(struct shmbus *bus)
{
    struct shmbus_channel *ch = open_channel(bus, "held", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    shmbus_reclaim(bus);
    while (shmbus_recv(ch, &msg, 0) == 0) {
        shmbus_release(&msg);
        left++;
    }
    require(left == count - count / 2, "the other half has the rest");
}

static void fill(struct shmbus *bus)
{
    struct shmbus_channel *ch = open_channel(bus, "held", SHMBUS_OPEN_SEND);
    for (uint32_t i = 0; i < count; i++) {
        check(shmbus_send(ch, &i, sizeof i, 0), "fill");
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct shmbus *bus;

    count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : SHMBUS_PROCESSES_MAX;
    if (count < 8 || count > SHMBUS_PROCESSES_MAX) {
        fprintf(stderr, "shmbus-many: 8 to %d processes\n", SHMBUS_PROCESSES_MAX);
        return 2;
    }
    count = count + OTHERS > SHMBUS_PROCESSES_MAX ? SHMBUS_PROCESSES_MAX - OTHERS : count;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NPROC, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NPROC, &files);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pids = calloc(count, sizeof *pids);
    create();
    bus = attach();
    fill(bus);
    attach_all();
    idle();
    kill_half(bus);
    end_all(bus);
    shmbus_detach(bus);
    check(shmbus_unlink(name), "unlink");
    free(pids);
    printf("{\"target\":\"many\",\"processes\":%u,\"failures\":%d}\n", count, failures);
    return failures == 0 ? 0 : 1;
}
