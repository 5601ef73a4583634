/* SPDX-License-Identifier: MIT */
/*
 * Signals and cancellation: what does not end a call, and what does for those who ask for it. The
 * signals that must not shorten a wait are in test_wait.c.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

static struct shmbus *bus_of(unsigned flags, char *name)
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    t_plan_queue(plan, "q", 2, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(t_add_region(plan, "area", 64));
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    opts.flags = flags;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

static bool waits(struct shmbus *bus, uint32_t slot)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_process_stat(bus, slot, &stat));
    return stat.waiting_calls > 0;
}

/* -------------------------------------------------------------------------------- cancellation */

static bool ignore(void *context, enum shmbus_severity severity, const char *what, const char *cure)
{
    (void)context, (void)severity, (void)what, (void)cure;
    return true;
}

struct cancelled {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    bool came_through;
};

/* Every call that makes system calls which are cancellation points, with a cancellation pending. */
static void *calls_everything(void *argument)
{
    struct cancelled *c = argument;
    struct shmbus_process_stat process = {.struct_bytes = sizeof process};
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_channel *tx, *rx;
    struct shmbus_region *region;
    struct shmbus_msg msg;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    char bytes[8] = "";
    pthread_cancel(pthread_self());
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_NO_WATCHER; /* its descriptor is ours */
    T_OK_FATAL(shmbus_attach(c->name, &opts, &bus));
    tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    CU_ASSERT_TRUE(shmbus_channel_fd(rx) >= 0);
    T_FAILS(shmbus_recv(rx, &msg, 0), -EAGAIN); /* arms the descriptor again */
    T_FAILS(shmbus_recv(rx, &msg, 150 * T_MS), -ETIMEDOUT);
    t_put(tx, 1);
    CU_ASSERT_EQUAL(t_get(rx), 1);
    T_OK(shmbus_region_open(bus, "area", &region));
    T_OK(shmbus_region_write(region, 0, bytes, sizeof bytes, T_S));
    T_OK(shmbus_region_read(region, 0, bytes, sizeof bytes, T_S));
    T_OK(shmbus_bus_stat(bus, &stat));
    T_OK(shmbus_process_stat(bus, bus->member.slot, &process));
    CU_ASSERT_TRUE(shmbus_check(bus, ignore, NULL) >= 0);
    /* As closefrom() does: the next look opens it again, under a mutex. */
    syscall(SYS_close, bus->liveness.fd);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    shmbus_channel_close(tx);
    shmbus_channel_close(rx);
    shmbus_detach(bus);
    c->came_through = true;
    pthread_testcancel();
    return NULL;
}

T_TEST(cancel, no_call_is_a_cancellation_point)
{
    struct cancelled c = {.came_through = false};
    pthread_t thread;
    void *result = NULL;
    c.bus = bus_of(0, c.name);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, calls_everything, &c), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
    CU_ASSERT_TRUE(c.came_through);
    CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
    t_bus_end(c.bus, c.name);
}

static void *receives_for_ever(void *argument)
{
    struct shmbus_channel *ch = t_open(argument, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    while (shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER) == -EINTR) {
        pthread_testcancel();
    }
    return NULL;
}

static void cancel_a_waiter(unsigned flags, bool interrupt)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(flags, name);
    pthread_t thread;
    void *result = NULL;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, receives_for_ever, bus), 0);
    while (!waits(bus, bus->member.slot)) {
        sched_yield();
    }
    pthread_cancel(thread);
    if (interrupt) {
        shmbus_interrupt(bus);
    }
    CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
    CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
    t_bus_end(bus, name);
}

T_TEST(cancel, a_waiting_thread_ends_with_an_interrupt_or_where_signals_matter)
{
    cancel_a_waiter(0, true);
    cancel_a_waiter(SHMBUS_ATTACH_EINTR, false);
}

/* ------------------------------------------------------------------------- -EINTR for who asks */

static volatile sig_atomic_t handled;

static void handle(int number)
{
    (void)number;
    handled = 1;
}

static void handle_sigint(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
}

struct scene {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate here;
    uint32_t slot;
    uint64_t again; /* how often it came back without a signal */
};

static struct shmbus *attach_minding_signals(struct scene *scene)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EINTR | SHMBUS_ATTACH_EXISTING;
    handle_sigint();
    T_OK_FATAL(shmbus_attach(scene->name, &opts, &bus));
    scene->slot = bus->member.slot;
    t_gate_post(&scene->here);
    return bus;
}

static int receives_until_sigint(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = attach_minding_signals(scene);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    do {
        T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
    } while (!handled);
    shmbus_detach(bus);
    return 0;
}

static int reads_until_sigint(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = attach_minding_signals(scene);
    struct shmbus_region *region;
    char bytes[8];
    T_OK(shmbus_region_open(bus, "area", &region));
    do {
        T_FAILS(shmbus_region_read(region, 0, bytes, 8, SHMBUS_WAIT_FOREVER), -EINTR);
    } while (!handled);
    shmbus_detach(bus);
    return 0;
}

static void interrupt(int (*run)(void *))
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus *bus = bus_of(0, scene->name);
    sb_word *lock = &bus->view.regions[0].shared->lock;
    sb_word *version = &bus->view.regions[0].shared->version;
    pid_t pid;
    sb_store_relaxed(lock, bus->member.owner64); /* a writer that stands still */
    sb_store_relaxed(version, 1);
    pid = t_fork(run, scene);
    t_gate_wait(&scene->here, 1);
    while (!waits(bus, scene->slot)) {
        sched_yield();
    }
    kill(pid, SIGINT);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    sb_store_relaxed(version, 0);
    sb_store_relaxed(lock, 0);
    t_bus_end(bus, scene->name);
}

T_TEST(signals, end_a_wait_for_who_asked_for_it)
{
    interrupt(receives_until_sigint);
    interrupt(reads_until_sigint);
}

/* The handler that ran just before the sleep: nothing but time can tell of it. */
T_TEST_TIMEOUT(signals, that_were_missed_are_noticed_within_a_second, 20)
{
    static const int64_t spins[] = {0, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *first = bus_of(0, name), *bus;
        struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
        struct shmbus_channel *ch;
        struct shmbus_msg msg;
        int64_t start;
        opts.flags = SHMBUS_ATTACH_EINTR;
        opts.spin_ns = spins[i];
        T_OK_FATAL(shmbus_attach(name, &opts, &bus));
        ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
        start = t_now_ns();
        T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
        CU_ASSERT_TRUE(t_now_ns() - start >= T_S);
        T_FAILS(shmbus_recv(ch, &msg, 20 * T_MS), -ETIMEDOUT); /* shorter ones are exact */
        shmbus_detach(bus);
        t_bus_end(first, name);
    }
}
