/* SPDX-License-Identifier: MIT */
/*
 * A newcomer that stands still, or is killed, at any step of attach and detach. What it is to the
 * others changes with its system calls, so it is stopped in front of and behind each of them in
 * turn; what changes in between are single words, which the crash stepper goes through.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

struct newcomer {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready, go;
    int result;
    pid_t pid, stopped_tid;
};

static int newcomer_comes_and_goes(void *argument)
{
    struct newcomer *n = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING;
    t_gate_post(&n->ready);
    t_gate_wait(&n->go, 1);
    n->result = shmbus_attach(n->name, &opts, &bus);
    shmbus_detach(bus);
    return 0;
}

/* Traced with all its threads, before the first step. */
static struct newcomer *newcomer_start(const char *name)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    struct newcomer *n = t_shared(sizeof *n);
    snprintf(n->name, sizeof n->name, "%s", name);
    n->result = 1;
    n->pid = t_fork(newcomer_comes_and_goes, n);
    t_gate_wait(&n->ready, 1);
    if (ptrace(PTRACE_SEIZE, n->pid, NULL, options) < 0)
        t_skip("ptrace() is not permitted here");
    CU_ASSERT_EQUAL_FATAL(ptrace(PTRACE_INTERRUPT, n->pid, NULL, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(waitpid(n->pid, NULL, __WALL), n->pid);
    CU_ASSERT_EQUAL_FATAL(ptrace(PTRACE_SYSCALL, n->pid, NULL, NULL), 0);
    t_gate_post(&n->go);
    return n;
}

/* Lets it go to its @count-th edge of a system call, in any of its threads. False when it ended
 * before. */
static bool newcomer_runs_to(struct newcomer *n, uint32_t count)
{
    while (count > 0) {
        int status = 0;
        int signal_number;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0)
            return false;
        if (!WIFSTOPPED(status)) {
            if (tid == n->pid)
                return false;
            continue; /* a thread has ended */
        }
        signal_number = WSTOPSIG(status);
        if (signal_number == (SIGTRAP | 0x80) && --count == 0) {
            n->stopped_tid = tid;
            break;
        }
        if (signal_number == (SIGTRAP | 0x80) || status >> 16 != 0)
            signal_number = 0; /* an event of ptrace */
        ptrace(PTRACE_SYSCALL, tid, NULL, (long)signal_number);
    }
    return true;
}

static bool newcomer_goes_on(struct newcomer *n, uint32_t count)
{
    ptrace(PTRACE_SYSCALL, n->stopped_tid, NULL, 0);
    return newcomer_runs_to(n, count);
}

static void newcomer_ends(struct newcomer *n)
{
    kill(n->pid, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
}

struct worker {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate done;
    bool holds;
};

static int worker_holds_a_message(void *argument)
{
    struct worker *w = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_msg msg;
    opts.flags = SHMBUS_ATTACH_EXISTING;
    if (shmbus_attach(w->name, &opts, &bus) == 0)
        w->holds = t_take(t_open(bus, "q", SHMBUS_OPEN_RECV), &msg) == 7;
    t_gate_post(&w->done);
    pause();
    return 1;
}

/* Somebody attaches, takes message 7, and is killed with it in hand. False: there was no place. */
static bool somebody_dies(const char *name)
{
    struct worker *worker = t_shared(sizeof *worker);
    snprintf(worker->name, sizeof worker->name, "%s", name);
    pid_t pid = t_fork(worker_holds_a_message, worker);
    t_gate_wait(&worker->done, 1);
    t_kill_wait(pid, SIGKILL);
    return worker->holds;
}

/* A bus of two, one place taken by us, and message 7. */
static struct shmbus *bus_of_two(char *name)
{
    struct shmbus_plan *plan = t_plan(2, 64, 16);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_put(ch, 7);
    shmbus_channel_close(ch);
    return bus;
}

/* What the dead one held is there at the first look, wherever the newcomer stands. */
static void message_is_there(struct shmbus *bus, uint32_t step)
{
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    shmbus_reclaim(bus);
    uint64_t value = t_get(ch);
    if (value != 7)
        printf("the newcomer stands at edge %u of its system calls\n", step);
    CU_ASSERT_EQUAL(value, 7);
    shmbus_channel_close(ch);
}

T_TEST_TIMEOUT(newcomer, stopped_at_any_step_never_makes_a_dead_one_look_alive, 120)
{
    char name[SHMBUS_NAME_BYTES];
    uint32_t step = 1;
    bool went = true;
    for (; went && CU_get_number_of_failures() == 0; step++) {
        struct shmbus *bus = bus_of_two(name);
        CU_ASSERT_TRUE(somebody_dies(name));
        struct newcomer *n = newcomer_start(name);
        went = newcomer_runs_to(n, step);
        message_is_there(bus, step);
        if (!went)
            CU_ASSERT_EQUAL(n->result, 0);
        newcomer_ends(n);
        /* Killed there, it leaves a place for the next one. */
        struct shmbus *next = t_attach(name);
        shmbus_detach(next);
        CU_ASSERT_EQUAL(t_blocks(bus).free + t_blocks(bus).stock, 16);
        t_bus_end(bus, name);
    }
    printf("%u edges of system calls\n", step - 2);
    CU_ASSERT_TRUE(step > 20);
}

/* The same with a dead one who comes and dies while the newcomer stands still a first time: behind
 * its look at the slot, say. */
T_TEST_TIMEOUT(newcomer, stopped_twice_never_makes_one_who_died_in_between_look_alive, 120)
{
    enum { FURTHER = 4 }; /* two system calls */
    char name[SHMBUS_NAME_BYTES];
    uint32_t deaths = 0;
    bool went = true;
    for (uint32_t i = 0; went && CU_get_number_of_failures() == 0; i++) {
        uint32_t step = 1 + i / FURTHER;
        struct shmbus *bus = bus_of_two(name);
        struct newcomer *n = newcomer_start(name);
        went = newcomer_runs_to(n, step);
        if (went && somebody_dies(name)) {
            newcomer_goes_on(n, 1 + i % FURTHER);
            message_is_there(bus, step);
            deaths++;
        } else {
            i = step * FURTHER - 1; /* the newcomer has the place: on to its next step */
        }
        newcomer_ends(n);
        t_bus_end(bus, name);
    }
    printf("%u deaths\n", deaths);
    CU_ASSERT_TRUE(deaths > 20 * FURTHER);
}

/* With a place to spare, one that stands still anywhere keeps nobody out. */
T_TEST_TIMEOUT(newcomer, stopped_at_any_step_keeps_nobody_from_another_place, 120)
{
    char name[SHMBUS_NAME_BYTES];
    bool went = true;
    for (uint32_t step = 1; went && CU_get_number_of_failures() == 0; step++) {
        struct shmbus *bus = t_bus_new(t_plan(3, 64, 16), name);
        struct newcomer *n = newcomer_start(name);
        went = newcomer_runs_to(n, step);
        struct shmbus *next = t_attach(name);
        CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
        shmbus_detach(next);
        newcomer_ends(n);
        t_bus_end(bus, name);
    }
}
