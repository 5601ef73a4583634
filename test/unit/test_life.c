/* SPDX-License-Identifier: MIT */
/*
 * Alive, idle, stalled, dead: what a late heartbeat means, by what is in hand; whose clock and
 * whose numbers are meant in namespaces of others; and what doctor advises. Real processes, real
 * namespaces; where the machine forbids them the test is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/here.h"
#include "fixture.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* What a test shares with its children. */
struct scene {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate here, go;
    uint32_t slot;
    int error;        /* errno of the namespace that was not to be had */
    int64_t began_ns; /* before its process was forked */
};

static struct scene *scene_of(int64_t timeout_ns, struct shmbus **ret_bus)
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    struct shmbus_channel_opts jobs = {.struct_bytes = sizeof jobs,
                                       .kind = SHMBUS_KIND_QUEUE,
                                       .depth = 4,
                                       .on_full = SHMBUS_FULL_BLOCK,
                                       .order = SHMBUS_ORDER_PRODUCER};
    t_plan_queue(plan, "q", 2, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(shmbus_plan_add_channel(plan, "jobs", &jobs));
    T_OK_FATAL(t_add_region(plan, "area", 64));
    plan->heartbeat_interval_ns = timeout_ns / 2;
    plan->heartbeat_timeout_ns = timeout_ns;
    *ret_bus = t_bus_new(plan, scene->name);
    return scene;
}

static struct shmbus_process_stat look(struct shmbus *bus, uint32_t slot)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_process_stat(bus, slot, &stat));
    return stat;
}

/* Until it is, for the limit of the test. */
static void becomes(struct shmbus *bus, uint32_t slot, enum shmbus_life life)
{
    while (look(bus, slot).life != life) {
        sched_yield();
    }
}

/* As if nothing had been heard of it since the machine was started. */
static void silence(struct shmbus *bus, uint32_t slot)
{
    sb_store_relaxed(&bus->view.processes[slot].heartbeat_ns, 1);
}

static enum shmbus_life life_in_silence(struct shmbus *bus)
{
    silence(bus, bus->member.slot);
    return look(bus, bus->member.slot).life;
}

/* ------------------------------------------------------------------------------------ findings */

struct findings {
    unsigned notes, warnings;
    char what[1024], cure[1024]; /* of all of them */
};

static bool collect(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    struct findings *f = context;
    f->notes += severity == SHMBUS_SEVERITY_NOTE;
    f->warnings += severity > SHMBUS_SEVERITY_NOTE;
    snprintf(f->what + strlen(f->what), sizeof f->what - strlen(f->what), "%s\n", what);
    snprintf(f->cure + strlen(f->cure), sizeof f->cure - strlen(f->cure), "%s\n", cure);
    return true;
}

static struct findings check(struct shmbus *bus)
{
    struct findings f = {0};
    int n = shmbus_check(bus, collect, &f);
    CU_ASSERT_EQUAL(n, (int)f.warnings);
    return f;
}

static bool says(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        return true;
    }
    printf("not in: %s\n", text);
    return false;
}

/* --------------------------------------------------------------------- what is in whose hands */

T_TEST(life, silent_with_nothing_in_hand_is_idle_and_no_finding)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(10 * T_S, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_bus_stat all = {.struct_bytes = sizeof all};
    struct findings f;
    t_put(q, 1); /* sent is not in hand, nor is a stock */
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE);
    T_OK(shmbus_bus_stat(bus, &all));
    CU_ASSERT_EQUAL(all.processes_idle, 1);
    CU_ASSERT_EQUAL(all.processes_alive + all.processes_stalled + all.processes_dead, 0);
    f = check(bus);
    CU_ASSERT_EQUAL(f.notes + f.warnings, 0);
    CU_ASSERT_EQUAL(t_get(q), 1);
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE); /* given back, too */
    t_bus_end(bus, scene->name);
}

static void expect_stalled(struct shmbus *bus)
{
    struct shmbus_bus_stat all = {.struct_bytes = sizeof all};
    struct findings f;
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_STALLED);
    T_OK(shmbus_bus_stat(bus, &all));
    CU_ASSERT_EQUAL(all.processes_stalled, 1);
    f = check(bus);
    CU_ASSERT_EQUAL(f.warnings, 1);
    CU_ASSERT_TRUE(says(f.what, "was last heard of"));
    CU_ASSERT_TRUE(strstr(f.cure, "kill") == NULL); /* it runs: nothing is proved against it */
}

T_TEST(life, silent_with_a_message_of_any_kind_in_hand_is_stalled)
{
    static const char *const names[] = {"q", "jobs", "s"};
    struct shmbus *bus;
    struct scene *scene = scene_of(10 * T_S, &bus);
    for (size_t i = 0; i < 3; i++) {
        struct shmbus_channel *tx = t_open(bus, names[i], SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, names[i], SHMBUS_OPEN_RECV);
        struct shmbus_msg msg;
        t_put(tx, i);
        CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE);
        CU_ASSERT_EQUAL(t_take(rx, &msg), i);
        CU_ASSERT_EQUAL(look(bus, bus->member.slot).held_blocks, 1);
        expect_stalled(bus);
        T_OK(shmbus_release(&msg));
        CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE);
        shmbus_channel_close(tx);
        shmbus_channel_close(rx);
    }
    t_bus_end(bus, scene->name);
}

T_TEST(life, silent_with_a_reservation_half_a_send_or_a_region_is_stalled)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(10 * T_S, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct sb_block *b = sb_block_at(&bus->view.blocks, 31);
    sb_word *lock = &bus->view.regions[0].shared->lock;
    uint64_t before = sb_load_relaxed(&b->hdr);
    struct shmbus_msg msg;
    T_OK_FATAL(shmbus_reserve(q, 8, &msg, 0));
    expect_stalled(bus);
    T_OK(shmbus_abort(&msg));
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE);
    sb_store_relaxed(&b->hdr, sb_hdr_make(8, 0, SB_BLOCK_QUEUED, bus->member.owner));
    sb_store_relaxed(&b->loc[0], sb_loc_make(q->index, 1)); /* as between S2 and S3 */
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).half_sent, 1);
    expect_stalled(bus);
    sb_store_relaxed(&b->hdr, before);
    sb_store_relaxed(lock, bus->member.owner64);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).regions_locked, 1);
    expect_stalled(bus);
    sb_store_relaxed(lock, 0);
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_IDLE);
    t_bus_end(bus, scene->name);
}

/* ---------------------------------------------------------------------------- the healthy idle */

static int front_end(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = t_attach(scene->name);
    t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_gate_post(&scene->here);
    while (pause() != 0) { /* accept() */
    }
    return 1;
}

static int epoll_worker(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = t_attach(scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct epoll_event e = {.events = EPOLLIN};
    struct shmbus_msg msg;
    int ep = epoll_create1(EPOLL_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(epoll_ctl(ep, EPOLL_CTL_ADD, shmbus_channel_fd(q), &e), 0);
    while (epoll_wait(ep, &e, 1, -1) == 1) {
        while (shmbus_recv(q, &msg, 0) == 0) {
            T_OK(shmbus_release(&msg));
            t_gate_post(&scene->go);
        }
        t_gate_post(&scene->here);
    }
    return 1;
}

T_TEST(life, an_idle_front_end_and_a_receiver_in_epoll_wait_are_healthy)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(20 * T_MS, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND);
    pid_t one = t_fork(front_end, scene), other = t_fork(epoll_worker, scene);
    struct findings f;
    t_gate_wait(&scene->here, 2);
    becomes(bus, 1, SHMBUS_LIFE_IDLE);
    becomes(bus, 2, SHMBUS_LIFE_IDLE);
    f = check(bus);
    CU_ASSERT_EQUAL(f.notes + f.warnings, 0);
    t_put(q, 1); /* and the receiver is there when it is wanted */
    t_gate_wait(&scene->go, 1);
    t_kill_wait(one, SIGKILL);
    t_kill_wait(other, SIGKILL);
    t_bus_end(bus, scene->name);
}

/* ------------------------------------------------------------------------------------- stopped */

static int waits_for_a_message(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = t_attach(scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    scene->slot = bus->member.slot;
    t_gate_post(&scene->here);
    T_OK(shmbus_recv(q, &msg, SHMBUS_WAIT_FOREVER));
    T_OK(shmbus_release(&msg));
    shmbus_detach(bus);
    return 0;
}

/* Until the process sleeps in a call of ours and has said so. */
static void wait_until_it_waits(struct shmbus *bus, struct scene *scene)
{
    t_gate_wait(&scene->here, 1);
    while (look(bus, scene->slot).waiting_calls == 0) {
        sched_yield();
    }
}

T_TEST(life, stopped_inside_a_call_is_stalled_and_the_cure_is_to_let_it_go_on)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(200 * T_MS, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND);
    pid_t pid = t_fork(waits_for_a_message, scene);
    struct shmbus_process_stat stat;
    struct findings f;
    char cure[64];
    do { /* stopped while it stands in the call */
        wait_until_it_waits(bus, scene);
        t_stop(pid);
        stat = look(bus, scene->slot);
        if (stat.waiting_calls == 0) {
            t_continue(pid);
        }
    } while (stat.waiting_calls == 0);
    CU_ASSERT_STRING_EQUAL(stat.waits_in, "q");
    CU_ASSERT_TRUE(stat.stopped);
    becomes(bus, scene->slot, SHMBUS_LIFE_STALLED);
    f = check(bus);
    CU_ASSERT_EQUAL(f.warnings, 1);
    CU_ASSERT_TRUE(says(f.what, "is stopped, in the middle of a call on q"));
    snprintf(cure, sizeof cure, "kill -CONT %d", (int)pid);
    CU_ASSERT_TRUE(says(f.cure, cure));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0); /* never dead */
    t_continue(pid);
    becomes(bus, scene->slot, SHMBUS_LIFE_ALIVE);
    t_put(q, 1);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    t_bus_end(bus, scene->name);
}

T_TEST(life, stopped_with_nothing_in_hand_is_idle_and_a_note)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(20 * T_MS, &bus);
    pid_t pid = t_fork(front_end, scene);
    struct findings f;
    t_gate_wait(&scene->here, 1);
    t_stop(pid);
    becomes(bus, 1, SHMBUS_LIFE_IDLE);
    f = check(bus);
    CU_ASSERT_EQUAL(f.warnings, 0);
    CU_ASSERT_EQUAL(f.notes, 1);
    CU_ASSERT_TRUE(says(f.what, "is stopped by a signal or a debugger, with nothing in its hands"));
    t_continue(pid);
    t_kill_wait(pid, SIGKILL);
    t_bus_end(bus, scene->name);
}

/* ---------------------------------------------------------------------------- calls that wait */

static void *read_region(void *argument)
{
    struct shmbus_region *region = argument;
    char bytes[8];
    T_OK(shmbus_region_read(region, 0, bytes, sizeof bytes, SHMBUS_WAIT_FOREVER));
    return NULL;
}

static void *receive(void *argument)
{
    struct shmbus_msg msg;
    T_OK(shmbus_recv(argument, &msg, SHMBUS_WAIT_FOREVER));
    T_OK(shmbus_release(&msg));
    return NULL;
}

/* Nothing but the call that waits can do that. */
static void beats_three_times(struct shmbus *bus)
{
    for (unsigned i = 0; i < 3; i++) {
        silence(bus, bus->member.slot);
        becomes(bus, bus->member.slot, SHMBUS_LIFE_ALIVE);
    }
}

T_TEST(life, a_call_beats_while_it_sleeps)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(2 * T_S, &bus);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV),
                          *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, receive, rx), 0);
    beats_three_times(bus);
    t_put(tx, 1);
    pthread_join(thread, NULL);
    t_bus_end(bus, scene->name);
}

T_TEST(life, a_call_beats_while_it_spins)
{
    struct shmbus *bus, *spinner;
    struct scene *scene = scene_of(2 * T_S, &bus);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    pthread_t thread;
    opts.spin_ns = INT64_MAX;
    T_OK_FATAL(shmbus_attach(scene->name, &opts, &spinner));
    CU_ASSERT_EQUAL_FATAL(
        pthread_create(&thread, NULL, receive, t_open(spinner, "q", SHMBUS_OPEN_RECV)), 0);
    beats_three_times(spinner);
    t_put(tx, 1);
    pthread_join(thread, NULL);
    shmbus_detach(spinner);
    t_bus_end(bus, scene->name);
}

T_TEST(life, a_reader_of_a_region_beats_while_it_waits_and_shows_that_it_does)
{
    struct shmbus *bus, *other;
    struct scene *scene = scene_of(2 * T_S, &bus);
    struct shmbus_region *region;
    sb_word *lock = &bus->view.regions[0].shared->lock;
    sb_word *version = &bus->view.regions[0].shared->version;
    pthread_t thread;
    other = t_attach(scene->name); /* a writer that stands still */
    T_OK_FATAL(shmbus_region_open(bus, "area", &region));
    sb_store_relaxed(lock, other->member.owner64);
    sb_store_relaxed(version, 1);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_region, region), 0);
    beats_three_times(bus);
    while (look(bus, bus->member.slot).waiting_calls == 0) {
        sched_yield();
    }
    sb_store_relaxed(version, 2);
    sb_store_release(lock, 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).waiting_calls, 0);
    shmbus_detach(other);
    t_bus_end(bus, scene->name);
}

/* -------------------------------------------------------------------------------------- clocks */

T_TEST(life, ages_are_by_the_clock_of_the_machine_and_unknown_where_that_is)
{
    struct sb_here here = {.time_namespace = 7, .clock_offset_ns = 50, .now_ns = 1000 * T_S};
    CU_ASSERT_EQUAL(sb_age_ns(&here, 7, 0, 999 * T_S), T_S); /* one clock: offsets do not matter */
    CU_ASSERT_EQUAL(sb_age_ns(&here, 8, 50, 999 * T_S), T_S);
    CU_ASSERT_EQUAL(sb_age_ns(&here, 8, 50 - 500 * T_S, 499 * T_S), T_S);  /* behind */
    CU_ASSERT_EQUAL(sb_age_ns(&here, 8, 50 + 500 * T_S, 1499 * T_S), T_S); /* ahead */
    CU_ASSERT_EQUAL(sb_age_ns(&here, 8, SB_OFFSET_UNKNOWN, 999 * T_S), -1);
    CU_ASSERT_EQUAL(sb_age_ns(&here, 7, 0, 1000 * T_S + 1), 0); /* it beat since we looked */
    CU_ASSERT_EQUAL(sb_age_ns(&here, 7, 0, 1002 * T_S), -1);    /* but not so much later */
    CU_ASSERT_EQUAL(sb_age_ns(&here, 7, 0, INT64_MIN), INT64_MAX);
    here.clock_offset_ns = SB_OFFSET_UNKNOWN;
    CU_ASSERT_EQUAL(sb_age_ns(&here, 8, 0, 999 * T_S), -1);
}

static bool write_offset(int64_t seconds)
{
    char text[128];
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    int n = snprintf(text, sizeof text, "monotonic %jd 0\nboottime %jd 5000000\n",
                     (intmax_t)seconds, (intmax_t)seconds);
    bool good = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* Half the age of the machine back, or far ahead. */
static int64_t offset_s(bool is_behind)
{
    return is_behind ? -(t_now_ns() / T_S / 2) - 1 : 5000;
}

static int holds_a_message_with_another_clock(struct scene *scene, bool is_behind)
{
    pid_t pid;
    if (unshare(CLONE_NEWTIME) != 0 || !write_offset(offset_s(is_behind))) {
        scene->error = errno;
        t_gate_post(&scene->here);
        return 0;
    }
    pid = fork(); /* the first one to be in it */
    if (pid == 0) {
        struct shmbus *bus = t_attach(scene->name);
        struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
        struct shmbus_msg msg;
        T_OK(shmbus_recv(q, &msg, 0));
        T_OK(shmbus_heartbeat(bus));
        scene->slot = bus->member.slot;
        t_gate_post(&scene->here);
        t_gate_wait(&scene->go, 1);
        shmbus_detach(bus);
        _exit(0);
    }
    return t_wait_exit(pid);
}

static int with_a_clock_behind(void *scene)
{
    return holds_a_message_with_another_clock(scene, true);
}

static int with_a_clock_ahead(void *scene)
{
    return holds_a_message_with_another_clock(scene, false);
}

/* A process that holds a message, its clock behind or ahead. */
static struct scene *begin_with_another_clock(bool is_behind, struct shmbus **ret_bus,
                                              pid_t *ret_pid)
{
    struct scene *scene = scene_of(30 * T_S, ret_bus);
    scene->began_ns = t_now_ns();
    t_put(t_open(*ret_bus, "q", SHMBUS_OPEN_SEND), 1);
    *ret_pid = t_fork(is_behind ? with_a_clock_behind : with_a_clock_ahead, scene);
    t_gate_wait(&scene->here, 1);
    if (scene->error != 0) {
        CU_ASSERT_EQUAL(t_wait_exit(*ret_pid), 0);
        t_bus_end(*ret_bus, scene->name);
        t_skip("no time namespace is to be had here");
    }
    return scene;
}

static void end_with_another_clock(struct scene *scene, struct shmbus *bus, pid_t pid)
{
    t_gate_post(&scene->go);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    t_bus_end(bus, scene->name);
}

static void is_judged_by_its_beat(bool is_behind)
{
    struct shmbus *bus;
    pid_t pid;
    struct scene *scene = begin_with_another_clock(is_behind, &bus, &pid);
    struct shmbus_process_stat stat = look(bus, scene->slot);
    CU_ASSERT_EQUAL(stat.life, SHMBUS_LIFE_ALIVE);
    CU_ASSERT_TRUE(stat.heartbeat_age_ns >= 0);
    CU_ASSERT_TRUE(stat.heartbeat_age_ns <= t_now_ns() - scene->began_ns);
    /* Its silence is seen all the same: a beat from 40 s ago, by its own clock. */
    sb_store_relaxed(&bus->view.processes[scene->slot].heartbeat_ns,
                     sb_load_relaxed(&bus->view.processes[scene->slot].heartbeat_ns) -
                         (uint64_t)(40 * T_S));
    CU_ASSERT_EQUAL(look(bus, scene->slot).life, SHMBUS_LIFE_STALLED);
    end_with_another_clock(scene, bus, pid);
}

T_TEST(life, a_process_of_another_time_namespace_is_judged_by_its_beat_not_by_its_clock)
{
    is_judged_by_its_beat(true);
    is_judged_by_its_beat(false);
}

/* Its start time, as /proc shows it, is another one for it than for us. */
static void is_known_to_be_stopped(bool is_behind)
{
    struct shmbus *bus;
    pid_t pid;
    struct scene *scene = begin_with_another_clock(is_behind, &bus, &pid);
    struct shmbus_process_stat stat = look(bus, scene->slot);
    CU_ASSERT_FALSE(stat.stopped);
    CU_ASSERT_EQUAL(kill(stat.pid, SIGSTOP), 0);
    while (!t_is_stopped(stat.pid))
        sched_yield();
    CU_ASSERT_TRUE(look(bus, scene->slot).stopped);
    CU_ASSERT_EQUAL(kill(stat.pid, SIGCONT), 0);
    end_with_another_clock(scene, bus, pid);
}

T_TEST(life, a_stopped_process_of_another_time_namespace_is_known_to_be_stopped)
{
    is_known_to_be_stopped(true);
    is_known_to_be_stopped(false);
}

T_TEST(life, where_the_clocks_cannot_be_compared_nobody_is_called_silent)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(10 * T_S, &bus);
    struct sb_proc *proc = &bus->view.processes[bus->member.slot];
    sb_store_relaxed(&proc->time_namespace, 1);
    sb_store_relaxed(&proc->clock_offset_ns, (uint64_t)SB_OFFSET_UNKNOWN);
    CU_ASSERT_EQUAL(life_in_silence(bus), SHMBUS_LIFE_ALIVE);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).heartbeat_age_ns, -1);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).attached_age_ns, -1);
    t_bus_end(bus, scene->name);
}

/* --------------------------------------------------------------------------- pids of elsewhere */

static int holds_a_message_as_pid_1(void *argument)
{
    struct scene *scene = argument;
    pid_t pid;
    if (unshare(CLONE_NEWPID) != 0) {
        scene->error = errno;
        t_gate_post(&scene->here);
        return 0;
    }
    pid = fork();
    if (pid == 0) {
        struct shmbus *bus = t_attach(scene->name);
        struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
        struct shmbus_msg msg;
        T_OK(shmbus_recv(q, &msg, 0));
        scene->slot = bus->member.slot;
        t_gate_post(&scene->here);
        t_gate_wait(&scene->go, 1);
        shmbus_detach(bus);
        _exit(0);
    }
    return t_wait_exit(pid);
}

T_TEST(life, nobody_is_told_to_kill_a_pid_of_another_namespace)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(20 * T_MS, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct findings f;
    char where[64];
    pid_t pid;
    t_put(q, 1);
    pid = t_fork(holds_a_message_as_pid_1, scene);
    t_gate_wait(&scene->here, 1);
    if (scene->error != 0) {
        CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
        t_bus_end(bus, scene->name);
        t_skip("no pid namespace is to be had here");
    }
    becomes(bus, scene->slot, SHMBUS_LIFE_STALLED);
    CU_ASSERT_EQUAL(look(bus, scene->slot).pid, 1);
    f = check(bus);
    CU_ASSERT_EQUAL(f.warnings, 1);
    snprintf(where, sizeof where, "pid 1 of pid namespace %ju",
             (uintmax_t)look(bus, scene->slot).pid_namespace);
    CU_ASSERT_TRUE(says(f.what, where));
    CU_ASSERT_TRUE(says(f.cure, "inside its container"));
    CU_ASSERT_TRUE(strstr(f.cure, "kill") == NULL);
    CU_ASSERT_EQUAL(shmbus_unlink_if_unused(scene->name), -SHMBUS_ERR_IN_USE);
    t_gate_post(&scene->go);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    t_bus_end(bus, scene->name);
}

/* -------------------------------------------------------------------------------- boot ids */

static bool put_a_boot_id(void)
{
    char path[512];
    FILE *file;
    snprintf(path, sizeof path, "%s/boot_id", t_dir());
    file = fopen(path, "we");
    if (file == NULL || fputs("5a850ce1-2c21-4d32-b9c0-e0cead18ffab\n", file) < 0 ||
        fclose(file) != 0) {
        return false;
    }
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(path, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL) == 0;
}

static int looks_from_a_container(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct findings f;
    struct shmbus *bus;
    if (!put_a_boot_id()) {
        scene->error = errno;
        t_gate_post(&scene->here);
        return 0;
    }
    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(scene->name, &opts, &bus));
    f = check(bus); /* in use by the test, outside */
    CU_ASSERT_EQUAL(f.notes + f.warnings, 0);
    t_gate_post(&scene->here);
    t_gate_wait(&scene->go, 1);
    f = check(bus); /* by nobody */
    CU_ASSERT_EQUAL(f.warnings, 0);
    CU_ASSERT_EQUAL(f.notes, 1);
    CU_ASSERT_TRUE(says(f.what, "in a container with a boot id of its own"));
    CU_ASSERT_TRUE(says(f.what, "nobody is attached"));
    shmbus_detach(bus);
    return 0;
}

T_TEST(life, a_boot_id_of_a_container_speaks_against_no_bus_that_is_in_use)
{
    struct shmbus *bus;
    struct scene *scene = scene_of(10 * T_S, &bus);
    pid_t pid = t_fork(looks_from_a_container, scene);
    t_gate_wait(&scene->here, 1);
    shmbus_detach(bus);
    t_gate_post(&scene->go);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    T_OK(shmbus_unlink(scene->name));
    if (scene->error != 0) {
        t_skip("no mount namespace is to be had here");
    }
}

/* ------------------------------------------------------------------------- users without a name */

static int is_somebody_else_without_a_name(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus;
    if (setgid(1002) != 0 || setuid(1002) != 0 || unshare(CLONE_NEWUSER) != 0) {
        scene->error = errno;
        return 0;
    }
    opts.flags = SHMBUS_ATTACH_EXISTING;
    CU_ASSERT_EQUAL(geteuid(), 65534);
    T_FAILS(shmbus_attach(scene->name, &opts, &bus), -SHMBUS_ERR_OWNER);
    CU_ASSERT_TRUE(says(shmbus_detail(), "no name in this user namespace"));
    opts.flags |= SHMBUS_ATTACH_ANY_OWNER;
    T_OK_FATAL(shmbus_attach(scene->name, &opts, &bus));
    shmbus_detach(bus);
    return 0;
}

static int is_nobody_really(void *argument)
{
    struct scene *scene = argument;
    CU_ASSERT_EQUAL_FATAL(setuid(65534), 0);
    shmbus_detach(t_attach(scene->name));
    return 0;
}

T_TEST(life, two_users_without_a_name_in_a_namespace_are_not_taken_for_one)
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus_plan *plan = t_plan(8, 64, 16);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus *bus;
    if (geteuid() != 0) {
        t_skip("only root can be somebody else");
    }
    plan->mode = 0666;
    t_bus_name(scene->name);
    T_OK_FATAL(shmbus_create(scene->name, plan, NULL));
    shmbus_plan_free(plan);
    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(scene->name, &opts, &bus));
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_EQUAL_FATAL(chown(stat.path, 65534, 65534), 0);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(is_nobody_really, scene)), 0);
    CU_ASSERT_EQUAL_FATAL(chown(stat.path, 1001, 1001), 0);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(is_somebody_else_without_a_name, scene)), 0);
    shmbus_detach(bus);
    T_OK(shmbus_unlink(scene->name));
    if (scene->error != 0) {
        t_skip("no user namespace is to be had here");
    }
}

/* ----------------------------------------------------------------------------- the right name */

T_TEST(life, a_cure_names_the_bus_with_its_directory)
{
    char path[600], cure[700];
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    struct shmbus *bus;
    snprintf(path, sizeof path, "%s/here", t_dir());
    T_OK_FATAL(shmbus_create(path, plan, NULL));
    shmbus_plan_free(plan);
    bus = t_attach(path);
    t_corpse(bus);
    snprintf(cure, sizeof cure, "shmbusctl reclaim %s\n", path);
    CU_ASSERT_TRUE(says(check(bus).cure, cure));
    t_bus_end(bus, path);
}
