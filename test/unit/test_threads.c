/* SPDX-License-Identifier: MIT */
/*
 * Threads that end without closing their handles: closed for who asked for it, however the thread
 * ends; otherwise named, and whose.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define HANDLES 8u

static struct shmbus *make_bus(char *name)
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    struct shmbus_channel_opts q = {.struct_bytes = sizeof q,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = 64,
                                    .on_full = SHMBUS_FULL_REJECT,
                                    .endpoints = HANDLES};
    struct shmbus_channel_opts jobs = {.struct_bytes = sizeof jobs,
                                       .kind = SHMBUS_KIND_QUEUE,
                                       .depth = 64,
                                       .on_full = SHMBUS_FULL_REJECT,
                                       .endpoints = HANDLES,
                                       .order = SHMBUS_ORDER_PRODUCER};
    T_OK_FATAL(shmbus_plan_add_channel(plan, "q", &q));
    T_OK_FATAL(shmbus_plan_add_channel(plan, "jobs", &jobs));
    t_plan_stream(plan, "s", 4096);
    return t_bus_new(plan, name);
}

static struct shmbus_process_stat look(struct shmbus *bus, uint32_t slot)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_process_stat(bus, slot, &stat));
    return stat;
}

struct job {
    struct shmbus *bus;
    const char *channel;
    unsigned flags;
    void (*end)(void);
    struct shmbus_channel *ch;
    int result;
};

static void returns(void)
{
}

static void exits(void)
{
    pthread_exit(NULL);
}

static void is_cancelled(void)
{
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

/* Takes a message and ends without closing anything. */
static void *take_and_end(void *argument)
{
    struct job *job = argument;
    struct shmbus_msg msg;
    job->result =
        shmbus_channel_open(job->bus, job->channel, SHMBUS_OPEN_RECV | job->flags, NULL, &job->ch);
    if (job->result == 0) {
        job->result = shmbus_recv(job->ch, &msg, 0);
        job->end();
    }
    return NULL;
}

static int run(struct job *job)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, take_and_end, job), 0);
    pthread_join(thread, NULL);
    return job->result;
}

/* ------------------------------------------------------------------------------- with the flag */

T_TEST(threads, a_handle_bound_to_its_thread_is_closed_however_that_ends)
{
    static void (*const ends[])(void) = {returns, exits, is_cancelled};
    static const char *const names[] = {"q", "jobs", "s"};
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    for (size_t c = 0; c < 3; c++) {
        struct shmbus_channel *tx = t_open(bus, names[c], SHMBUS_OPEN_SEND), *rx;
        struct shmbus_msg msg;
        t_put(tx, 7);
        for (unsigned i = 0; i < 5 * HANDLES; i++) { /* far more than may be open */
            struct job job = {bus, names[c], SHMBUS_OPEN_THREAD, ends[i % 3], NULL, 0};
            T_OK_FATAL(run(&job));
        }
        CU_ASSERT_EQUAL(look(bus, bus->member.slot).handles, 1);
        rx = t_open(bus, names[c], SHMBUS_OPEN_RECV);
        CU_ASSERT_EQUAL(t_take(rx, &msg), 7); /* each of them gave it back */
        CU_ASSERT_EQUAL(msg.delivery_count, 5 * HANDLES + 1);
        T_OK(shmbus_release(&msg));
        shmbus_channel_close(tx);
        shmbus_channel_close(rx);
    }
    t_bus_end(bus, name);
}

static void *open_two_close_one(void *argument)
{
    struct shmbus_channel *one = t_open(argument, "q", SHMBUS_OPEN_RECV | SHMBUS_OPEN_THREAD);
    t_open(argument, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_THREAD);
    shmbus_channel_close(one);
    return NULL;
}

static void *open_and_leave_the_bus(void *argument)
{
    struct shmbus *bus = t_attach(argument);
    t_open(bus, "q", SHMBUS_OPEN_RECV | SHMBUS_OPEN_THREAD);
    shmbus_detach(bus);
    return NULL;
}

static int end_a_forked_thread(void *argument)
{
    (void)argument;
    pthread_exit(NULL); /* its value of the key is the parent's bus */
}

T_TEST(threads, a_bound_handle_may_be_closed_before_and_ends_with_the_bus)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, open_two_close_one, bus), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).handles, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, open_and_leave_the_bus, name), 0);
    pthread_join(thread, NULL);
    t_open(bus, "q", SHMBUS_OPEN_RECV | SHMBUS_OPEN_THREAD);
    if (!t_is_sanitized()) /* what only the ended main thread knew counts as leaked there */
        CU_ASSERT_EQUAL(t_wait_exit(t_fork(end_a_forked_thread, NULL)), 0);
    CU_ASSERT_EQUAL(look(bus, bus->member.slot).handles, 1);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------- without the flag */

struct findings {
    unsigned notes, warnings;
    char what[1024], cure[1024];
};

static bool collect(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    struct findings *f = context;
    f->notes += severity == SHMBUS_SEVERITY_NOTE;
    f->warnings += severity > SHMBUS_SEVERITY_NOTE;
    snprintf(f->what, sizeof f->what, "%s", what);
    snprintf(f->cure, sizeof f->cure, "%s", cure);
    return true;
}

static int see_what_is_left(void *argument)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_process_stat stat;
    struct findings f = {0};
    struct shmbus *bus;
    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(argument, &opts, &bus));
    stat = look(bus, 0);
    CU_ASSERT_EQUAL(stat.handles, 4);
    CU_ASSERT_EQUAL(stat.handles_left, 3);
    CU_ASSERT_EQUAL(stat.held_left, 3);
    CU_ASSERT_EQUAL(shmbus_check(bus, collect, &f), 1);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(f.what, "has 3 handles of threads that have ended, with 3 messages in them"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.cure, "SHMBUS_OPEN_THREAD"));
    shmbus_detach(bus);
    return 0;
}

T_TEST(threads, what_ended_threads_left_open_is_named_with_its_messages)
{
    static const char *const names[] = {"q", "jobs", "s"};
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *left[3], *mine = t_open(bus, "q", SHMBUS_OPEN_SEND);
    for (size_t c = 0; c < 3; c++) {
        struct shmbus_channel *tx = c == 0 ? mine : t_open(bus, names[c], SHMBUS_OPEN_SEND);
        struct job job = {bus, names[c], 0, returns, NULL, 0};
        t_put(tx, 1);
        T_OK_FATAL(run(&job));
        left[c] = job.ch;
        if (c > 0) {
            shmbus_channel_close(tx);
        }
    }
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(see_what_is_left, name)), 0);
    for (size_t c = 0; c < 3; c++) { /* another thread may close them */
        shmbus_channel_close(left[c]);
    }
    CU_ASSERT_EQUAL(look(bus, 0).handles_left, 0);
    t_bus_end(bus, name);
}

T_TEST(threads, when_all_handles_are_open_it_is_said_whose_they_are)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ch;
    struct job job = {bus, "q", 0, returns, NULL, 0};
    t_open(bus, "q", SHMBUS_OPEN_RECV);
    t_open(bus, "q", SHMBUS_OPEN_RECV);
    for (unsigned i = 2; i < HANDLES; i++) {
        T_FAILS(run(&job), -EAGAIN);
    }
    T_FAILS(shmbus_channel_open(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "8 handles are open already, 8 of them by"));
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "6 of those by threads that have ended"));
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "SHMBUS_OPEN_THREAD"));
    t_bus_end(bus, name);
}

T_TEST(threads, a_handle_that_was_handed_on_is_not_left_behind)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct job job = {bus, "q", 0, returns, NULL, 0};
    struct shmbus_msg msg;
    T_FAILS(run(&job), -EAGAIN);
    CU_ASSERT_EQUAL(look(bus, 0).handles_left, 1);
    for (unsigned i = 0; look(bus, 0).handles_left > 0 && i < 100; i++) { /* it is ours now */
        T_FAILS(shmbus_recv(job.ch, &msg, 20 * T_MS), -ETIMEDOUT);
    }
    CU_ASSERT_EQUAL(look(bus, 0).handles_left, 0);
    t_bus_end(bus, name);
}

static bool any_finding(void *context, enum shmbus_severity severity, const char *what,
                        const char *cure)
{
    (void)severity, (void)what, (void)cure;
    ++*(unsigned *)context;
    return true;
}

/* What a program does with a bus, errors with their sentences included. */
static void *uses_everything(void *argument)
{
    const char *name = argument;
    struct shmbus *bus = t_attach(name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    unsigned findings = 0;

    for (uint64_t i = 0; i < 100; i++) {
        t_put(tx, i);
        CU_ASSERT_EQUAL(t_get(rx), i);
    }
    while (t_send(tx, 1, 0) == 0) {
    }
    T_FAILS(shmbus_channel_open(bus, "no name", SHMBUS_OPEN_SEND, NULL, &tx), -EINVAL);
    t_take(rx, &msg);
    T_OK(shmbus_requeue(&msg));
    while (t_get(rx) != UINT64_MAX) {
    }
    T_FAILS(shmbus_recv(rx, &msg, 20 * T_MS), -ETIMEDOUT);
    CU_ASSERT_TRUE(shmbus_channel_fd(rx) >= 0);
    CU_ASSERT_TRUE(shmbus_check(bus, any_finding, &findings) >= 0);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    shmbus_detach(bus);
    return argument;
}

T_TEST(threads, a_stack_of_32_kib_is_enough_for_a_thread_that_uses_a_bus)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    pthread_attr_t attr;
    pthread_t thread;
    void *result = NULL;

    if (t_is_sanitized()) {
        t_skip("a sanitizer needs more");
    }
    bus = make_bus(name);
    pthread_attr_init(&attr);
    CU_ASSERT_EQUAL_FATAL(pthread_attr_setstacksize(&attr, 32u << 10), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, &attr, uses_everything, name), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
    CU_ASSERT_PTR_EQUAL(result, name);
    pthread_attr_destroy(&attr);
    t_bus_end(bus, name);
}
