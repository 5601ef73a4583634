/* SPDX-License-Identifier: MIT */
/*
 * Every death is noticed by the clock: whatever kind of waiting or polling the living do, whatever
 * traffic there is beside it, however the process died (an exec frees the lock, too), and whoever
 * of those who look for the dead is killed or stopped itself.
 *
 * The promises are a fraction of a second, 2 s at worst (README); the limit here is what a loaded
 * machine may need on top. Where nothing looks by the clock, nothing comes in any time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

#define LIMIT_NS (10 * T_S)

struct scene {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate held, go, sitting;
    bool by_exec;
    int64_t gap_ns; /* between two messages of the traffic; 0: there is none */
    uint32_t stop;
    int64_t ended_ns;
};

static struct scene *scene_new(void)
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus_plan *plan = t_plan(32, 64, 64);
    t_plan_queue(plan, "q", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    t_bus_name(scene->name);
    T_OK_FATAL(shmbus_create(scene->name, plan, NULL));
    shmbus_plan_free(plan);
    return scene;
}

/* Holds a message until told, then ends without giving it back. */
static int holder(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_channel *q = t_open(t_attach(scene->name), "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    T_OK_FATAL(shmbus_recv(q, &msg, SHMBUS_WAIT_FOREVER));
    t_gate_post(&scene->held);
    t_gate_wait(&scene->go, 1);
    __atomic_store_n(&scene->ended_ns, t_now_ns(), __ATOMIC_SEQ_CST);
    if (scene->by_exec)
        execlp("sleep", "sleep", "600", (char *)NULL);
    raise(SIGKILL);
    return 1;
}

static int traffic(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_channel *q = t_open(t_attach(scene->name), "q", SHMBUS_OPEN_SEND);
    struct timespec gap = {0, scene->gap_ns};
    while (__atomic_load_n(&scene->stop, __ATOMIC_SEQ_CST) == 0) {
        uint64_t tick = 1;
        shmbus_send(q, &tick, sizeof tick, 0);
        nanosleep(&gap, NULL); /* the rhythm is what is tested */
    }
    return 0;
}

enum survivor { WAITS, WAITS_SHORT, POLLS, POLLS_SLOWLY, IN_EVENT_LOOP };

static void let_pass(int64_t ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL); /* the rhythm is what is tested */
}

/* One look as this kind of survivor does it. */
static int receive(struct shmbus_channel *q, enum survivor how, struct shmbus_msg *msg)
{
    struct pollfd poller = {.events = POLLIN};
    switch (how) {
    case WAITS:
        return shmbus_recv(q, msg, 2 * T_S);
    case WAITS_SHORT:
        return shmbus_recv(q, msg, 30 * T_MS);
    case POLLS:
        return shmbus_recv(q, msg, 0);
    case POLLS_SLOWLY:
        let_pass(50 * T_MS);
        return shmbus_recv(q, msg, 0);
    default:
        poller.fd = shmbus_channel_fd(q);
        poll(&poller, 1, 1000);
        return shmbus_recv(q, msg, 0);
    }
}

/* Receives until the message that the dead one held comes. */
static void survive(struct scene *scene, struct shmbus_channel *q, enum survivor how)
{
    struct shmbus_msg msg = {0};
    int64_t until = t_now_ns() + LIMIT_NS;
    t_gate_post(&scene->go);
    while (t_now_ns() < until) {
        int r = receive(q, how, &msg);
        if (r == 0 && msg.delivery_count > 1) {
            printf("%.3f s after the death\n",
                   (double)(t_now_ns() - __atomic_load_n(&scene->ended_ns, __ATOMIC_SEQ_CST)) /
                       T_S);
            T_OK(shmbus_release(&msg));
            return;
        }
        if (r == 0)
            T_OK(shmbus_release(&msg));
        else
            CU_ASSERT_TRUE(r == -EAGAIN || r == -ETIMEDOUT);
    }
    CU_FAIL("what a dead process held has not come");
}

static void play(enum survivor how, bool by_exec, int64_t gap_ns, bool no_watcher, bool hurried)
{
    struct scene *scene = scene_new();
    struct shmbus *bus = t_attach(scene->name);
    bus->no_watcher = no_watcher;
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    scene->by_exec = by_exec;
    scene->gap_ns = gap_ns;
    for (int i = 0; hurried && i < 5000; i++) { /* so it looks at the clock seldom */
        t_put(q, 1);
        CU_ASSERT_EQUAL(t_get(q), 1);
    }
    t_put(q, 7);
    pid_t dead = t_fork(holder, scene);
    t_gate_wait(&scene->held, 1);
    pid_t sender = gap_ns > 0 ? t_fork(traffic, scene) : 0;
    survive(scene, q, how);
    __atomic_store_n(&scene->stop, 1, __ATOMIC_SEQ_CST);
    if (sender > 0)
        CU_ASSERT_EQUAL(t_wait_exit(sender), 0);
    t_kill_wait(dead, SIGKILL);
    t_bus_end(bus, scene->name);
}

/* ------------------------------------------------------------------------ every kind of looking */

T_TEST(sweep, a_holder_that_execs_beside_traffic_is_noticed_in_a_wait)
{
    play(WAITS, true, 20 * T_MS, false, false);
    play(WAITS, true, 150 * T_MS, false, false);
}

T_TEST(sweep, a_holder_that_execs_beside_traffic_is_noticed_without_watchers)
{
    play(WAITS, true, 20 * T_MS, true, false);
    play(WAITS, true, 150 * T_MS, true, false);
    play(WAITS_SHORT, true, 0, true, false);
}

T_TEST(sweep, a_holder_that_execs_is_noticed_by_an_event_loop)
{
    play(IN_EVENT_LOOP, true, 30 * T_MS, false, false);
    play(IN_EVENT_LOOP, true, 30 * T_MS, true, false);
    play(IN_EVENT_LOOP, true, 0, true, false);
}

T_TEST(sweep, a_holder_that_execs_is_noticed_by_one_who_sleeps)
{
    play(WAITS, true, 0, false, false);
    play(WAITS, true, 0, true, false);
}

T_TEST(sweep, a_killed_holder_is_noticed_by_one_who_only_polls)
{
    play(POLLS, false, 0, false, false);
    play(POLLS, false, 0, true, false);
    play(POLLS, true, 20 * T_MS, false, false);
}

/* Many thousand operations a second first, twenty from then on: 256 of those between two looks at
 * the clock would take 13 s. */
T_TEST(sweep, who_polls_slowly_after_a_hurry_notices_in_time)
{
    if (t_is_sanitized())
        t_skip("under TSan children of a process with a watcher may start no thread");
    play(POLLS_SLOWLY, false, 40 * T_MS, false, true);
    play(POLLS_SLOWLY, true, 40 * T_MS, false, true);
}

static int short_lived(void *argument)
{
    struct scene *scene = argument;
    while (__atomic_load_n(&scene->stop, __ATOMIC_SEQ_CST) == 0) {
        shmbus_detach(t_attach(scene->name));
    }
    return 0;
}

T_TEST(sweep, neighbours_that_come_and_go_put_nothing_off)
{
    struct scene *scene = scene_new();
    struct shmbus *bus = t_attach(scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    pid_t neighbour = t_fork(short_lived, scene);
    scene->by_exec = true;
    t_put(q, 7);
    pid_t dead = t_fork(holder, scene);
    t_gate_wait(&scene->held, 1);
    survive(scene, q, WAITS);
    __atomic_store_n(&scene->stop, 1, __ATOMIC_SEQ_CST);
    CU_ASSERT_EQUAL(t_wait_exit(neighbour), 0);
    t_kill_wait(dead, SIGKILL);
    t_bus_end(bus, scene->name);
}

/* ----------------------------------------------------------------------- who looks dies itself */

#define SITTERS 7

/* Waits forever, with a watcher. */
static int sitter(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_channel *idle = t_open(t_attach(scene->name), "idle", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    t_gate_post(&scene->sitting);
    for (;;)
        shmbus_recv(idle, &msg, SHMBUS_WAIT_FOREVER);
    return 0;
}

struct watch {
    struct scene *scene;
    struct shmbus *bus; /* only looks */
    pid_t sitters[SITTERS];
    pid_t victim;
    uint32_t victim_slot;
    uint64_t victim_w;
};

static struct sb_proc *proc(const struct watch *watch, uint32_t slot)
{
    return &watch->bus->view.processes[slot];
}

static uint32_t slot_of(const struct watch *watch, pid_t pid)
{
    for (uint32_t slot = 0; slot < watch->bus->view.process_count; slot++) {
        if (sb_load_acquire(&proc(watch, slot)->pid) == (uint64_t)pid)
            return slot;
    }
    CU_FAIL_FATAL("not in the table");
    return 0;
}

static uint64_t place(const struct watch *watch, uint32_t k)
{
    return sb_load_acquire(&watch->bus->view.super->sweepers[k]);
}

/* The process that has a place. */
static pid_t placed(const struct watch *watch, uint32_t k)
{
    return (pid_t)sb_load_acquire(&proc(watch, sb_owner64_slot(place(watch, k)))->pid);
}

static struct watch watch_new(void)
{
    struct watch watch = {.scene = scene_new()};
    watch.bus = t_attach(watch.scene->name);
    t_nobody_looks(watch.bus);
    for (uint32_t i = 0; i < SITTERS; i++)
        watch.sitters[i] = t_fork(sitter, watch.scene);
    t_gate_wait(&watch.scene->sitting, SITTERS);
    for (uint32_t k = 0; k < SB_SWEEPERS; k++) {
        while (place(&watch, k) == 0)
            sched_yield();
    }
    struct shmbus_channel *q = t_open(watch.bus, "q", SHMBUS_OPEN_SEND);
    t_put(q, 7);
    watch.victim = t_fork(holder, watch.scene);
    t_gate_wait(&watch.scene->held, 1);
    watch.victim_slot = slot_of(&watch, watch.victim);
    watch.victim_w = sb_load_acquire(&proc(&watch, watch.victim_slot)->w);
    return watch;
}

/* Until the death of the victim was noticed; the test's time limit says "never". */
static void await_noticed(const struct watch *watch, int64_t since)
{
    while (sb_load_acquire(&proc(watch, watch->victim_slot)->w) == watch->victim_w)
        sched_yield();
    printf("%.3f s\n", (double)(t_now_ns() - since) / T_S);
    CU_ASSERT_TRUE(t_now_ns() - since < LIMIT_NS);
}

/* Somebody who is neither killed nor stopped is at work in the end. */
static void await_a_new_one(const struct watch *watch)
{
    for (;;) {
        uint64_t owner64 = place(watch, 0);
        uint32_t slot = sb_owner64_slot(owner64);
        uint64_t w = slot < 32 ? sb_load_acquire(&proc(watch, slot)->w) : 0;
        if (w != 0 && sb_proc_state(w) == SB_PROC_ACTIVE &&
            sb_owner64_make(slot, sb_proc_epoch(w)) == owner64 &&
            !t_is_stopped((pid_t)sb_load_acquire(&proc(watch, slot)->pid)))
            return;
        sched_yield();
    }
}

static void watch_end(struct watch *watch)
{
    for (uint32_t i = 0; i < SITTERS; i++)
        t_kill_wait(watch->sitters[i], SIGKILL);
    t_bus_end(watch->bus, watch->scene->name);
}

static void sweepers_killed(uint32_t how_many)
{
    struct watch watch = watch_new();
    pid_t gone[SB_SWEEPERS];
    for (uint32_t k = 0; k < how_many; k++)
        gone[k] = placed(&watch, k);
    int64_t since = t_now_ns();
    kill(watch.victim, SIGKILL);
    for (uint32_t k = 0; k < how_many; k++)
        kill(gone[k], SIGKILL);
    await_noticed(&watch, since);
    await_a_new_one(&watch);
    t_wait_exit(watch.victim);
    watch_end(&watch);
}

static void sweepers_stopped(uint32_t how_many)
{
    struct watch watch = watch_new();
    pid_t stopped[SB_SWEEPERS];
    uint64_t w[SB_SWEEPERS];
    for (uint32_t k = 0; k < how_many; k++) {
        stopped[k] = placed(&watch, k);
        w[k] = sb_load_acquire(&proc(&watch, slot_of(&watch, stopped[k]))->w);
        t_stop(stopped[k]);
    }
    int64_t since = t_now_ns();
    t_kill_wait(watch.victim, SIGKILL);
    await_noticed(&watch, since);
    await_a_new_one(&watch);
    for (uint32_t k = 0; k < how_many; k++) { /* replaced, not robbed */
        CU_ASSERT_EQUAL(sb_load_acquire(&proc(&watch, slot_of(&watch, stopped[k]))->w), w[k]);
        t_continue(stopped[k]);
    }
    await_a_new_one(&watch);
    watch_end(&watch);
}

T_TEST(sweep, a_killed_sweeper_is_replaced)
{
    sweepers_killed(1);
}

T_TEST(sweep, the_sweeper_and_his_deputies_killed_at_once_are_replaced)
{
    sweepers_killed(SB_SWEEPERS);
}

T_TEST(sweep, a_stopped_sweeper_is_replaced_and_not_robbed)
{
    sweepers_stopped(1);
}

T_TEST(sweep, the_sweeper_and_his_deputies_stopped_at_once_are_replaced)
{
    sweepers_stopped(SB_SWEEPERS);
}

/* How often the threads of a process went to sleep. */
static long sleeps_of(pid_t pid)
{
    char path[300], line[200];
    long sum = 0, n;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/task/%.200s/status", (int)pid, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
                sum += n;
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(dir);
    return sum;
}

/* It neither sweeps nor is a deputy: one look a second, of the thread that waits. */
T_TEST(sweep, an_idle_process_wakes_about_once_a_second)
{
    if (t_is_sanitized())
        t_skip("sanitizers have threads of their own, which wake more often");
    struct watch watch = watch_new();
    pid_t idle = 0;
    for (uint32_t i = 0; i < SITTERS && idle == 0; i++) {
        bool has_place = false;
        for (uint32_t k = 0; k < SB_SWEEPERS; k++)
            has_place = has_place || placed(&watch, k) == watch.sitters[i];
        idle = has_place ? 0 : watch.sitters[i];
    }
    CU_ASSERT_TRUE_FATAL(idle > 0);
    long before = sleeps_of(idle);
    int64_t until = t_now_ns() + 4 * T_S;
    while (t_now_ns() < until)
        let_pass(100 * T_MS);
    long woken = sleeps_of(idle) - before;
    printf("%ld times in 4 s\n", woken);
    CU_ASSERT_TRUE(woken <= 12); /* ten times a second in two threads would be 80 */
    t_kill_wait(watch.victim, SIGKILL);
    watch_end(&watch);
}
