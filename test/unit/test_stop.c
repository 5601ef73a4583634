/* SPDX-License-Identifier: MIT */
/* Stopping a tree of threads within a limit: nothing more is taken, what is cut off is counted. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"

static const char plan_text[] = "blocks: [{ size: 64, count: 32 }]\n"
                                "channels:\n"
                                "  tasks: { depth: 8 }\n"
                                "  results: { depth: 2 }\n"
                                "  ticks: { kind: stream, bytes: 4KiB }\n";

static struct shmbus *bus_make(char name[SHMBUS_NAME_BYTES])
{
    struct shmbus_plan *plan = NULL;

    T_OK_FATAL(shmbus_plan_parse(plan_text, sizeof plan_text - 1, "plan", &plan));
    return t_bus_new(plan, name);
}

static struct shmbus_stop *node(struct shmbus *bus, struct shmbus_stop *parent)
{
    struct shmbus_stop *stop = NULL;

    T_OK_FATAL(shmbus_stop_new(bus, parent, &stop));
    return stop;
}

static struct shmbus_drain_stat drain(struct shmbus_stop *stop, int64_t limit_ns, int expected)
{
    struct shmbus_drain_stat stat = {.struct_bytes = sizeof stat};

    t_result(__LINE__, __FILE__, "shmbus_stop_drain", shmbus_stop_drain(stop, limit_ns, &stat),
             expected, true);
    return stat;
}

static uint32_t sleeping(struct shmbus *bus)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};

    T_OK(shmbus_process_stat(bus, bus->member.slot, &stat));
    return stat.waiting_calls;
}

/* ------------------------------------------------------------------------------------- the tree */

T_TEST(stop, who_is_asked_asks_all_below_and_nobody_else)
{
    struct shmbus_stop *all = node(NULL, NULL), *kind = node(NULL, all), *other = node(NULL, all);
    struct shmbus_stop *thread = node(NULL, kind), *late;

    shmbus_stop_ask(kind, T_S);
    CU_ASSERT_TRUE(shmbus_stop_asked(kind) && shmbus_stop_asked(thread));
    CU_ASSERT_FALSE(shmbus_stop_asked(all) || shmbus_stop_asked(other));
    CU_ASSERT_EQUAL(shmbus_stop_left_ns(all), INT64_MAX);
    T_FAILS(shmbus_stop_sleep(thread, SHMBUS_WAIT_FOREVER), -ECANCELED);
    T_OK(shmbus_stop_sleep(other, 1));
    late = node(NULL, kind);
    CU_ASSERT_TRUE(shmbus_stop_asked(late));
    shmbus_stop_free(kind); /* those below it live on */
    CU_ASSERT_TRUE(shmbus_stop_asked(late));
    shmbus_stop_free(late);
    shmbus_stop_free(thread);
    shmbus_stop_free(all);
    CU_ASSERT_FALSE(shmbus_stop_asked(other));
    shmbus_stop_free(other);
}

T_TEST(stop, it_is_asked_once_and_the_first_deadline_counts)
{
    struct shmbus_stop *all = node(NULL, NULL), *thread = node(NULL, all);

    shmbus_stop_ask(thread, 1000 * T_S);
    shmbus_stop_ask(thread, 0);
    CU_ASSERT_TRUE(shmbus_stop_left_ns(thread) > 500 * T_S);
    shmbus_stop_ask(all, SHMBUS_WAIT_FOREVER);
    CU_ASSERT_EQUAL(shmbus_stop_left_ns(all), INT64_MAX);
    CU_ASSERT_TRUE(shmbus_stop_left_ns(thread) <= 1000 * T_S);
    shmbus_stop_free(all);
    shmbus_stop_free(thread);
    all = node(NULL, NULL), thread = node(NULL, all);
    shmbus_stop_ask(thread, 1000 * T_S);
    shmbus_stop_ask(all, 0);
    CU_ASSERT_EQUAL(shmbus_stop_left_ns(thread), 0);
    shmbus_stop_free(thread);
    shmbus_stop_free(all);
}

T_TEST(stop, misuse_is_refused)
{
    char name[SHMBUS_NAME_BYTES], second[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name), *other = bus_make(second), *observer = NULL;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_channel *rx = t_open(other, "tasks", SHMBUS_OPEN_RECV);
    struct shmbus_stop *all = node(bus, NULL), *ret = NULL;
    struct shmbus_drain_stat stat = {.struct_bytes = 0};
    struct shmbus_signals_opts bad = SHMBUS_SIGNALS_OPTS_INIT;
    struct shmbus_msg msg = {0};

    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(name, &opts, &observer));
    T_FAILS(shmbus_stop_new(observer, NULL, &ret), -EROFS);
    T_FAILS(shmbus_stop_new(other, all, &ret), -EINVAL);
    T_FAILS(shmbus_stop_new(bus, all, NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(ret);
    T_FAILS(shmbus_stop_recv(NULL, rx, &msg, 0), -EINVAL);
    T_FAILS(shmbus_stop_recv(all, NULL, &msg, 0), -EINVAL);
    T_FAILS(shmbus_stop_recv(all, rx, &msg, 0), -EINVAL);
    T_FAILS(shmbus_stop_give_back(all, &msg), -EINVAL);
    T_FAILS(shmbus_stop_sleep(all, -2), -EINVAL);
    T_FAILS(shmbus_stop_drain(all, -2, NULL), -EINVAL);
    T_FAILS(shmbus_stop_drain(all, 0, &stat), -EINVAL);
    CU_ASSERT_FALSE(shmbus_stop_asked(all));
    bad.also = SIGKILL;
    T_FAILS(shmbus_stop_signals(all, &bad), -EINVAL);
    bad.also = SIGTERM;
    T_FAILS(shmbus_stop_signals(all, &bad), -EINVAL);
    T_OK(shmbus_stop_signals(all, NULL));
    T_FAILS(shmbus_stop_signals(all, NULL), -EBUSY);
    shmbus_stop_free(all);
    shmbus_stop_free(NULL);
    shmbus_stop_ask(NULL, 0);
    shmbus_detach(observer);
    shmbus_channel_close(rx);
    t_bus_end(other, second);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------------- the threads */

struct worker {
    pthread_t thread;
    struct shmbus *bus;
    struct shmbus_stop *above;
    bool is_long; /* its task is: it gives back at the deadline, not before */
    bool is_stuck;
    uint64_t done;
    int end;
};

static int do_task(struct worker *w, struct shmbus_stop *own, struct shmbus_msg *msg)
{
    while (w->is_stuck || (w->is_long && shmbus_stop_left_ns(own) > 0)) {
        const struct timespec a_bit = {.tv_nsec = 100000};
        nanosleep(&a_bit, NULL); /* the work, not synchronization */
    }
    if (w->is_long) {
        return shmbus_stop_give_back(own, msg);
    }
    w->done++;
    return shmbus_release(msg);
}

static void *work(void *context)
{
    struct worker *w = context;
    struct shmbus_stop *own = node(NULL, w->above);
    struct shmbus_channel *rx = t_open(w->bus, "tasks", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;

    do {
        w->end = shmbus_stop_recv(own, rx, &msg, SHMBUS_WAIT_FOREVER);
        if (w->end == 0) {
            w->end = do_task(w, own, &msg);
        }
    } while (w->end == 0);
    shmbus_channel_close(rx);
    shmbus_stop_free(own);
    return NULL;
}

static void start(struct worker *w, struct shmbus *bus, struct shmbus_stop *above)
{
    w->bus = bus;
    w->above = above;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&w->thread, NULL, work, w), 0);
}

static void wait_until(uint64_t (*what)(struct shmbus *), struct shmbus *bus, uint64_t wanted)
{
    while (what(bus) != wanted) {
        sched_yield();
    }
}

static uint64_t asleep(struct shmbus *bus)
{
    return sleeping(bus);
}

static uint64_t held(struct shmbus *bus)
{
    return t_channel_stat(bus, "tasks").held;
}

T_TEST(stop, waiting_threads_end_at_once_and_take_no_more)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_stop *all = node(bus, NULL), *kind = node(NULL, all);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct worker in_kind = {.is_long = false}, others[2] = {{.is_long = false}};
    struct shmbus_drain_stat stat;

    start(&in_kind, bus, kind);
    start(&others[0], bus, all);
    start(&others[1], bus, all);
    wait_until(asleep, bus, 3);
    /* One part of the program, on the same handle. Long, but not endless: a thread that is not seen
     * to end shall end this test. */
    drain(kind, 20 * T_S, 0);
    pthread_join(in_kind.thread, NULL);
    CU_ASSERT_EQUAL(in_kind.end, -ECANCELED);
    wait_until(asleep, bus, 2);
    stat = drain(all, 20 * T_S, 0); /* `kind` is no end of the tree */
    CU_ASSERT_EQUAL(stat.left + stat.cut_off + stat.given_back, 0);
    shmbus_stop_free(kind);
    pthread_join(others[0].thread, NULL);
    pthread_join(others[1].thread, NULL);
    t_put(tx, 1);
    T_FAILS(shmbus_stop_recv(all, tx, &(struct shmbus_msg){0}, 0), -ECANCELED);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "tasks").depth, 1);
    shmbus_stop_free(all);
    shmbus_channel_close(tx);
    t_bus_end(bus, name);
}

T_TEST(stop, what_is_in_hand_at_the_deadline_is_given_back_and_counted)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_stop *all = node(bus, NULL);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND), *rx;
    struct worker w = {.is_long = true};
    struct shmbus_drain_stat stat;
    struct shmbus_msg msg;

    t_put(tx, 7);
    start(&w, bus, all);
    wait_until(held, bus, 1);
    stat = drain(all, 20 * T_MS, 0);
    pthread_join(w.thread, NULL);
    CU_ASSERT_EQUAL(stat.cut_off, 1);
    CU_ASSERT_EQUAL(stat.given_back, 0);
    CU_ASSERT_TRUE(stat.asked_ns > 0 && stat.asked_ns <= sb_now_ns() - 20 * T_MS);
    rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_take(rx, &msg), 7);
    CU_ASSERT_EQUAL(msg.delivery_count, 1); /* a stop is no failed delivery */
    shmbus_channel_close(rx);
    shmbus_channel_close(tx);
    shmbus_stop_free(all);
    t_bus_end(bus, name);
}

T_TEST(stop, before_the_deadline_it_counts_as_given_back)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_stop *all = node(bus, NULL), *own = node(NULL, all);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    struct shmbus_drain_stat stat;
    struct shmbus_msg msg;

    t_put(tx, 1);
    T_OK(shmbus_stop_recv(own, rx, &msg, 0));
    shmbus_stop_ask(all, SHMBUS_WAIT_FOREVER);
    T_OK(shmbus_stop_give_back(own, &msg));
    T_FAILS(shmbus_stop_give_back(own, &msg), -SHMBUS_ERR_STALE);
    shmbus_stop_free(own);
    stat = drain(all, 0, 0);
    CU_ASSERT_EQUAL(stat.given_back, 1);
    CU_ASSERT_EQUAL(stat.cut_off, 0);
    shmbus_stop_free(all);
    shmbus_channel_close(rx);
    shmbus_channel_close(tx);
    t_bus_end(bus, name);
}

/* Results of what is in hand go out, until the deadline. */
static void *drains(void *context)
{
    drain(context, 2 * T_S, -ETIMEDOUT);
    return NULL;
}

T_TEST(stop, a_send_goes_on_until_the_deadline)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_stop *all = node(bus, NULL), *own = node(NULL, all);
    struct shmbus_channel *tx = t_open(bus, "results", SHMBUS_OPEN_SEND);
    pthread_t thread;

    t_put(tx, 1);
    t_put(tx, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, drains, all), 0);
    while (!shmbus_stop_asked(own)) {
        sched_yield();
    }
    T_FAILS(shmbus_send(tx, "", 0, 20 * T_MS), -ETIMEDOUT); /* it waits as it is told to */
    T_FAILS(shmbus_send(tx, "", 0, SHMBUS_WAIT_FOREVER), -EINTR);
    CU_ASSERT_EQUAL(shmbus_stop_left_ns(own), 0);
    pthread_join(thread, NULL);
    shmbus_stop_free(own);
    shmbus_interrupt_clear(bus);
    shmbus_channel_close(tx);
    shmbus_stop_free(all);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------------- the signals */

struct settings {
    struct shmbus_stop *all;
    int read;
    int value;
    bool good;
};

static void reread(void *context)
{
    struct settings *s = context;

    s->value = s->good ? s->value + 1 : s->value;
    if (++s->read == 3) {
        raise(SIGTERM);
    }
}

static void *sends_hangups(void *context)
{
    struct settings *s = context;

    while (!shmbus_stop_asked(s->all)) {
        kill(getpid(), SIGHUP);
        sched_yield();
    }
    return NULL;
}

T_TEST(stop, signals_reach_a_call_that_waits)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct settings s = {.all = node(bus, NULL), .good = true};
    struct shmbus_signals_opts opts = SHMBUS_SIGNALS_OPTS_INIT;
    struct shmbus_channel *rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    struct sigaction before, after;
    struct shmbus_msg msg;
    pthread_t thread;

    opts.reread = reread;
    opts.context = &s;
    opts.limit_ns = 1000 * T_S;
    opts.also = SIGUSR2;
    sigaction(SIGHUP, NULL, &before);
    T_OK_FATAL(shmbus_stop_signals(s.all, &opts));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, sends_hangups, &s), 0);
    T_FAILS(shmbus_stop_recv(s.all, rx, &msg, SHMBUS_WAIT_FOREVER), -ECANCELED);
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(s.read >= 3);
    CU_ASSERT_EQUAL(s.value, s.read);
    CU_ASSERT_TRUE(shmbus_stop_left_ns(s.all) > 500 * T_S);
    raise(SIGTERM); /* a second one changes nothing */
    raise(SIGUSR2);
    CU_ASSERT_TRUE(shmbus_stop_left_ns(s.all) > 500 * T_S);
    shmbus_channel_close(rx);
    shmbus_stop_free(s.all);
    sigaction(SIGHUP, NULL, &after);
    CU_ASSERT_TRUE(before.sa_handler == after.sa_handler);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------- death and fork */

static void in_a_child(int (*what)(struct shmbus *, struct shmbus_stop *), struct shmbus *bus,
                       struct shmbus_stop *stop, bool by_signal, int expected)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(what(bus, stop));
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(by_signal ? WTERMSIG(status) : WEXITSTATUS(status), expected);
    CU_ASSERT_EQUAL(WIFSIGNALED(status), by_signal);
}

static int use_it(struct shmbus *bus, struct shmbus_stop *stop)
{
    struct shmbus_stop *own = NULL;
    int r = shmbus_stop_sleep(stop, 0) == -SHMBUS_ERR_FORKED &&
            shmbus_stop_new(NULL, stop, &own) == -SHMBUS_ERR_FORKED &&
            shmbus_stop_new(bus, NULL, &own) == -SHMBUS_ERR_FORKED &&
            shmbus_stop_drain(stop, 0, NULL) == -SHMBUS_ERR_FORKED;

    shmbus_stop_ask(stop, 0);
    r = r && !shmbus_stop_asked(stop);
    shmbus_stop_free(stop);
    r = r && shmbus_stop_new(NULL, NULL, &own) == 0 && shmbus_stop_signals(own, NULL) == 0;
    raise(SIGTERM);
    return r && shmbus_stop_asked(own) ? 0 : 1;
}

static int be_told(struct shmbus *bus, struct shmbus_stop *stop)
{
    (void)bus, (void)stop;
    raise(SIGTERM);
    return 0;
}

T_TEST(stop, a_forked_child_has_no_part_in_it)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_stop *all = node(bus, NULL);

    T_OK_FATAL(shmbus_stop_signals(all, NULL));
    in_a_child(be_told, bus, all, true, SIGTERM);
    in_a_child(use_it, bus, all, false, 0);
    CU_ASSERT_FALSE(shmbus_stop_asked(all));
    shmbus_stop_free(all);
    t_bus_end(bus, name);
}

/* In a process of its own: the thread that is left ends with it. */
static int leave_one(struct shmbus *parents, struct shmbus_stop *unused)
{
    static struct worker w = {.is_stuck = true};
    struct shmbus_drain_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_stop *all;

    (void)unused;
    T_OK_FATAL(shmbus_attach(parents->segment.name, &opts, &bus));
    all = node(bus, NULL);
    start(&w, bus, all);
    wait_until(held, bus, 1);
    return shmbus_stop_drain(all, 0, &stat) == -ETIMEDOUT && stat.left == 1 && stat.cut_off == 1
               ? 0
               : 1;
}

T_TEST(stop, a_thread_that_does_not_end_is_counted_and_its_message_comes_again)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND), *rx;
    struct shmbus_msg msg;

    t_put(tx, 9);
    in_a_child(leave_one, bus, NULL, false, 0);
    rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    T_OK(shmbus_recv(rx, &msg, SHMBUS_WAIT_FOREVER));
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    shmbus_channel_close(rx);
    shmbus_channel_close(tx);
    t_bus_end(bus, name);
}
