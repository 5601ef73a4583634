/* SPDX-License-Identifier: MIT */
/*
 * The lock never reaches a child: whoever forks while another thread attaches, the dead parent is
 * dead, and its places are free.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/keeper.h"
#include "fixture.h"

enum way { WAY_FORK, WAY_CLONE, WAY_SPAWN };

enum { CHILDREN = 48 };

/* A process with two threads: one attaches, the other makes children that stay. */
struct family {
    char name[SHMBUS_NAME_BYTES];
    enum way way;
    bool without_keeper;
    struct t_gate ready, go, fork_now, forked, holds;
    bool stop;
    pid_t pid;
    pid_t children[CHILDREN];
    uint32_t count, attaches;
    int result;
};

static pid_t make_child(enum way way)
{
    char program[] = "sleep", duration[] = "1000";
    char *arguments[] = {program, duration, NULL};
    char *environment[] = {NULL};
    pid_t pid = -1;
    if (way == WAY_SPAWN)
        return posix_spawn(&pid, "/bin/sleep", NULL, NULL, arguments, environment) == 0 ? pid : -1;
    pid = way == WAY_FORK ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        for (;;)
            syscall(SYS_rt_sigsuspend, &(uint64_t){0}, 8);
    }
    return pid;
}

static void *fork_once(void *argument)
{
    struct family *f = argument;
    t_gate_wait(&f->fork_now, 1);
    f->children[f->count++] = make_child(f->way);
    t_gate_post(&f->forked);
    return NULL;
}

static void hold_message(struct family *f, struct shmbus *bus)
{
    struct shmbus_msg msg;
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    f->result = t_take(ch, &msg) == 7 ? 0 : 1;
    t_gate_post(&f->holds);
    pause();
}

static int attach_beside_one_fork(void *argument)
{
    struct family *f = argument;
    pthread_t thread;
    sb_keeper_refused = f->without_keeper;
    if (pthread_create(&thread, NULL, fork_once, f) != 0)
        return 1;
    t_gate_post(&f->ready);
    t_gate_wait(&f->go, 1);
    hold_message(f, t_attach(f->name));
    return 1;
}

static struct family *family_new(const char *name, enum way way, bool without_keeper)
{
    struct family *f = t_shared(sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->way = way;
    f->without_keeper = without_keeper;
    return f;
}

static void family_end(struct family *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->children[i] > 0)
            kill(f->children[i], SIGKILL);
    }
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
}

static struct shmbus *bus_with_a_message(char *name, uint32_t processes)
{
    struct shmbus_plan *plan = t_plan(processes, 64, 16);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_put(ch, 7);
    shmbus_channel_close(ch);
    return bus;
}

/* The parent is killed, its children live. */
static void parent_is_dead(struct shmbus *bus, struct family *f)
{
    kill(f->pid, SIGKILL);
    while (waitpid(-1, NULL, __WALL) != f->pid) { /* its traced threads come first */
    }
    for (uint32_t i = 0; i < f->count; i++)
        CU_ASSERT_EQUAL(kill(f->children[i], 0), 0);
    shmbus_reclaim(bus);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_get(ch), 7);
    shmbus_channel_close(ch);
}

/* To its @step-th edge of a system call in the attaching threads; false when it has attached. */
static bool runs_to(struct family *f, uint32_t step, pid_t *ret_tid)
{
    for (;;) {
        int status = 0;
        pid_t tid = waitpid(-1, &status, __WALL | (t_gate_count(&f->holds) > 0 ? WNOHANG : 0));
        if (tid <= 0)
            return false;
        if (!WIFSTOPPED(status))
            continue;
        *ret_tid = tid;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80) && --step == 0)
            return true;
        ptrace(PTRACE_SYSCALL, tid, NULL, 0);
    }
}

static void fork_at_every_step(enum way way, bool without_keeper)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    char name[SHMBUS_NAME_BYTES];
    bool went = true;
    uint32_t step = 1;
    if (t_is_sanitized())
        t_skip("under a sanitizer there is no descriptor table of its own");
    CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (; went && CU_get_number_of_failures() == 0; step++) {
        struct shmbus *bus = bus_with_a_message(name, 2);
        struct family *f = family_new(name, way, without_keeper);
        pid_t tid = 0;
        f->pid = t_fork(attach_beside_one_fork, f);
        t_gate_wait(&f->ready, 1);
        if (ptrace(PTRACE_SEIZE, f->pid, NULL, options) < 0)
            t_skip("ptrace() is not permitted here");
        ptrace(PTRACE_INTERRUPT, f->pid, NULL, NULL);
        CU_ASSERT_EQUAL_FATAL(waitpid(f->pid, NULL, __WALL), f->pid);
        ptrace(PTRACE_SYSCALL, f->pid, NULL, NULL);
        t_gate_post(&f->go);
        went = runs_to(f, step, &tid);
        if (went) {
            t_gate_post(&f->fork_now);
            if (without_keeper) { /* fork() may wait for the end of the attach */
                ptrace(PTRACE_DETACH, tid, NULL, 0);
            }
            t_gate_wait(&f->forked, 1);
            if (!without_keeper)
                ptrace(PTRACE_CONT, tid, NULL, 0);
        }
        while (t_gate_count(&f->holds) == 0) {
            int status = 0;
            tid = waitpid(-1, &status, __WALL | WNOHANG);
            if (tid > 0 && WIFSTOPPED(status))
                ptrace(PTRACE_CONT, tid, NULL, 0);
            sched_yield();
        }
        CU_ASSERT_EQUAL(f->result, 0);
        parent_is_dead(bus, f);
        if (CU_get_number_of_failures() != 0)
            printf("forked at edge %u of the system calls of attach\n", step);
        family_end(f);
        t_bus_end(bus, name);
    }
    printf("%u edges of system calls\n", step - 2);
    CU_ASSERT_TRUE(step > 20);
}

T_TEST_TIMEOUT(anchor, no_fork_at_any_step_of_an_attach_keeps_its_parent_alive, 120)
{
#ifndef __GLIBC__
    t_skip("musl's fork() waits for a thread that is stopped while it starts another one");
#endif
    fork_at_every_step(WAY_FORK, false);
}

T_TEST_TIMEOUT(anchor, no_raw_clone_at_any_step_of_an_attach_keeps_its_parent_alive, 120)
{
    fork_at_every_step(WAY_CLONE, false);
}

T_TEST_TIMEOUT(anchor, without_a_thread_the_c_librarys_fork_waits_for_the_attach, 120)
{
    fork_at_every_step(WAY_FORK, true);
}

/* ------------------------------------------------------------------------------------- storms */

static void *fork_all_the_time(void *argument)
{
    struct family *f = argument;
    while (f->count < CHILDREN && !__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
        pid_t pid = make_child(f->way);
        if (pid > 0) {
            f->children[f->count] = pid;
            __atomic_store_n(&f->count, f->count + 1, __ATOMIC_RELEASE);
        }
    }
    return NULL;
}

/* Comes and goes until there are many children, and stays. */
static int attach_in_a_storm(void *argument)
{
    struct family *f = argument;
    pthread_t thread;
    if (pthread_create(&thread, NULL, fork_all_the_time, f) != 0)
        return 1;
    while (__atomic_load_n(&f->count, __ATOMIC_ACQUIRE) < CHILDREN - 2) {
        shmbus_detach(t_attach(f->name));
        f->attaches++;
    }
    struct shmbus *bus = t_attach(f->name);
    __atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    hold_message(f, bus);
    return 1;
}

static void storm(enum way way)
{
    enum { ROUNDS = 6, PROCESSES = 8 };
    char name[SHMBUS_NAME_BYTES];
    uint32_t attaches = 0;
    if (t_is_sanitized())
        t_skip("under a sanitizer there is no descriptor table of its own");
    CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct shmbus *bus = bus_with_a_message(name, PROCESSES);
        struct family *f = family_new(name, way, false);
        f->pid = t_fork(attach_in_a_storm, f);
        t_gate_wait(&f->holds, 1);
        CU_ASSERT_EQUAL(f->result, 0);
        attaches += f->attaches;
        parent_is_dead(bus, f);
        /* Nothing is left locked: all other places can be had. */
        struct shmbus *others[PROCESSES - 1];
        for (int i = 0; i < PROCESSES - 1; i++)
            others[i] = t_attach(name);
        for (int i = 0; i < PROCESSES - 1; i++)
            shmbus_detach(others[i]);
        family_end(f);
        t_bus_end(bus, name);
    }
    printf("%u attaches beside %d children\n", attaches, ROUNDS * CHILDREN);
}

T_TEST_TIMEOUT(anchor, in_a_storm_of_forks_no_lock_reaches_a_child, 120)
{
    storm(WAY_FORK);
}

T_TEST_TIMEOUT(anchor, in_a_storm_of_raw_clones_no_lock_reaches_a_child, 120)
{
    storm(WAY_CLONE);
}

T_TEST_TIMEOUT(anchor, in_a_storm_of_posix_spawns_no_lock_reaches_a_child, 120)
{
    storm(WAY_SPAWN);
}

/* Who may read the segment may put read locks on all of it: nobody can attach, and is told why. */
T_TEST(anchor, locks_of_somebody_else_on_the_whole_segment_are_named)
{
    char name[SHMBUS_NAME_BYTES], path[128];
    struct shmbus_plan *plan = t_plan(2, 64, 8);
    struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct shmbus *bus = NULL;
    int fd;

    t_bus_name(name);
    T_OK_FATAL(shmbus_create(name, plan, NULL));
    shmbus_plan_free(plan);
    snprintf(path, sizeof path, "/dev/shm/shmbus.%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    T_OK_FATAL(fd);
    T_OK_FATAL(fcntl(fd, F_OFD_SETLK, &all));
    T_FAILS(shmbus_attach(name, NULL, &bus), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "fuser -v /dev/shm/"));
    close(fd);
    T_OK_FATAL(shmbus_attach(name, NULL, &bus));
    t_bus_end(bus, name);
}
