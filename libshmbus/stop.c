/* SPDX-License-Identifier: MIT */
/*
 * Stopping what a program does on a bus within a limit: a tree of requests, one tree for a bus
 * handle. All of it is private memory: no other process waits for it, and a death leaves nothing.
 *
 * Waking. Who asks writes the deadline, then that it was asked, then counts up `changes` of the
 * root, a futex, and wakes those who sleep in a channel of the bus, as shmbus_interrupt() does.
 *   - Who sleeps on `changes` has read it before it looked whether it was asked: either it saw
 *     that, or the word is another one by then and it does not sleep.
 *   - Who sleeps in a channel has announced that and then looked (wait.c), with a fence in between
 *     on both sides: either it saw that, or it is woken.
 * All of that a signal handler may do: stores, locked operations and futex calls.
 *
 * Memory. A node has itself as user, and each node right below; the last one frees it. So the way
 * up from a living node is there, also when those above were freed before it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/asked.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "channel/channel.h"

#define GIVE_BACK_NS INT64_C(1000000000) /* for what a thread does when the deadline has come */
#define LIMIT_DEFAULT_NS INT64_C(10000000000)

enum { SIGNALS_MAX = 4 };

struct caught {
    int number; /* 0: none */
    struct sigaction before;
};

struct shmbus_stop {
    struct sb_asked asked; /* first */
    struct shmbus_stop *parent, *root;
    struct shmbus *bus; /* that of the root */
    pid_t pid;          /* whose it is: none of this is a forked child's */
    sb_word users;
    sb_word below;    /* ends of the tree below it that are at work still */
    sb_word branches; /* 1: it has, or had, nodes below: it is no end of the tree */
    sb_word given_back, cut_off;
    sb_word32 changes; /* of the root */
    int64_t limit_ns;  /* of a stop by a signal */
    void (*hook)(void *context);
    void *context;
    struct caught caught[SIGNALS_MAX];
};

static sb_word signalled;   /* the node that signals ask, as a number; 0: none */
static sb_word in_handlers; /* threads that are in on_signal() */

/* ----------------------------------------------------------------------------------- the waking */

static void futex(const sb_word32 *word, int what, uint32_t value, const struct timespec *left)
{
    int e = errno;

    syscall(SYS_futex, &word->v, what, value, left, NULL, 0);
    errno = e;
}

static void tell(struct shmbus_stop *stop)
{
    sb_word32 *changes = &stop->root->changes;
    uint32_t v = sb_load32_relaxed(changes);

    while (!sb_cas32(changes, v, v + 1)) {
        v = sb_load32_relaxed(changes);
    }
    futex(changes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
    if (stop->bus != NULL) {
        sb_fence(); /* whoever sleeps has announced it, or sees what was written */
        sb_bus_wake_sleepers(stop->bus);
    }
}

/* Until the tree is no more as it was when @seen was read, or @end_ns. */
static void sleep_until(const struct shmbus_stop *stop, uint32_t seen, int64_t end_ns)
{
    int64_t left_ns = end_ns - sb_now_ns();
    struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};

    if (left_ns > 0) {
        futex(&stop->root->changes, FUTEX_WAIT_PRIVATE, seen, end_ns == INT64_MAX ? NULL : &left);
    }
}

static bool is_ours(const struct shmbus_stop *stop)
{
    return stop->bus != NULL ? sb_bus_is_ours(stop->bus) : stop->pid == getpid();
}

static int check(const struct shmbus_stop *stop, const char *call)
{
    if (stop == NULL) {
        return sb_fail(-EINVAL, "%s: the node is NULL", call);
    }
    if (!is_ours(stop)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "%s: the node is the parent's; make one", call);
    }
    return 0;
}

static int canceled(void)
{
    return sb_fail_static(-ECANCELED, NULL, "asked to stop");
}

/* ------------------------------------------------------------------------------------- the tree */

static void count_above(const struct shmbus_stop *stop, uint64_t n)
{
    for (struct shmbus_stop *above = stop->parent; above != NULL; above = above->parent) {
        sb_fetch_add(&above->below, n);
    }
}

int shmbus_stop_new(struct shmbus *bus, struct shmbus_stop *parent, struct shmbus_stop **ret_stop)
{
    struct shmbus_stop *stop;

    if (ret_stop == NULL) {
        return sb_fail(-EINVAL, "shmbus_stop_new: no place for the node");
    }
    if (parent != NULL && check(parent, "shmbus_stop_new") < 0) {
        return -SHMBUS_ERR_FORKED;
    }
    if (parent != NULL && bus != NULL && bus != parent->bus) {
        return sb_fail(-EINVAL, "shmbus_stop_new: the bus is not that of the parent; one tree has "
                                "one bus");
    }
    if (bus != NULL && !sb_bus_is_ours(bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED,
                       "shmbus_stop_new: the bus is the parent's; attach again");
    }
    if (bus != NULL && bus->observer) {
        return sb_fail(-EROFS, "shmbus_stop_new: an observer takes nothing that could be drained");
    }
    stop = calloc(1, sizeof *stop);
    if (stop == NULL) {
        return sb_fail(-ENOMEM, "shmbus_stop_new: no memory");
    }
    stop->parent = parent;
    stop->root = parent != NULL ? parent->root : stop;
    stop->bus = parent != NULL ? parent->bus : bus;
    stop->asked.above = parent != NULL ? &parent->asked : NULL;
    stop->pid = getpid();
    sb_store_relaxed(&stop->users, 1);
    if (parent != NULL) {
        sb_fetch_add(&parent->users, 1);
        count_above(stop, 1);
        if (sb_cas(&parent->branches, 0, 1)) {
            count_above(parent, UINT64_MAX); /* those below stand for it from here on */
        }
    }
    *ret_stop = stop;
    return 0;
}

static void drop(struct shmbus_stop *stop)
{
    while (stop != NULL && sb_fetch_add(&stop->users, UINT64_MAX) == 1) {
        struct shmbus_stop *parent = stop->parent;

        free(stop);
        stop = parent;
    }
}

/* The signals are as before, and no handler of this process is at work with it any more. */
static void give_signals_back(struct shmbus_stop *stop)
{
    if (sb_load_acquire(&signalled) != (uint64_t)(uintptr_t)stop) {
        return;
    }
    for (size_t i = 0; i < SIGNALS_MAX; i++) {
        if (stop->caught[i].number != 0) {
            sigaction(stop->caught[i].number, &stop->caught[i].before, NULL);
        }
    }
    sb_cas(&signalled, (uint64_t)(uintptr_t)stop, 0);
    while (stop->pid == getpid() && sb_load_acquire(&in_handlers) != 0) {
        sched_yield();
    }
}

void shmbus_stop_free(struct shmbus_stop *stop)
{
    if (stop == NULL) {
        return;
    }
    give_signals_back(stop);
    if (sb_cas(&stop->branches, 0, 1)) {
        count_above(stop, UINT64_MAX);
    }
    if (stop->parent != NULL && is_ours(stop)) {
        tell(stop); /* who drains waits for it */
    }
    drop(stop);
}

/* --------------------------------------------------------------------------------- the request */

void shmbus_stop_ask(struct shmbus_stop *stop, int64_t limit_ns)
{
    int64_t now_ns = sb_now_ns(), deadline_ns = sb_deadline_ns(limit_ns);

    if (stop == NULL || stop->pid != getpid() ||
        !sb_cas(&stop->asked.deadline_ns, 0, (uint64_t)deadline_ns)) {
        return; /* once: a second time changes nothing */
    }
    sb_store_release(&stop->asked.since_ns, (uint64_t)now_ns);
    tell(stop);
}

bool shmbus_stop_asked(const struct shmbus_stop *stop)
{
    return stop != NULL && sb_is_asked(&stop->asked);
}

int64_t shmbus_stop_left_ns(const struct shmbus_stop *stop)
{
    int64_t first_ns = INT64_MAX, now_ns;

    for (; stop != NULL; stop = stop->parent) {
        int64_t since_ns = (int64_t)sb_load_acquire(&stop->asked.since_ns);
        int64_t deadline_ns = (int64_t)sb_load_relaxed(&stop->asked.deadline_ns);

        if (since_ns != 0 && deadline_ns < first_ns) {
            first_ns = deadline_ns;
        }
    }
    now_ns = sb_now_ns();
    if (first_ns == INT64_MAX) {
        return INT64_MAX;
    }
    return first_ns > now_ns ? first_ns - now_ns : 0;
}

/* By the thread that uses the node: it is at a point where settings may change. */
static void run_hook(struct shmbus_stop *stop)
{
    while (sb_cas(&stop->asked.hook_due, 1, 0)) {
        stop->hook(stop->context);
    }
}

/* ------------------------------------------------------------------------------------- its work */

int shmbus_stop_recv(struct shmbus_stop *stop, struct shmbus_channel *ch,
                     struct shmbus_msg *ret_msg, int64_t timeout_ns)
{
    int64_t deadline_ns;
    int r = check(stop, "shmbus_stop_recv");

    if (r < 0) {
        return r;
    }
    if (ch == NULL || ch->bus != stop->bus) {
        return sb_fail(-EINVAL, "shmbus_stop_recv: the channel is NULL, or of another bus than the "
                                "tree");
    }
    deadline_ns = sb_deadline_ns(timeout_ns);
    for (;;) {
        run_hook(stop);
        if (sb_is_asked(&stop->asked)) {
            return canceled();
        }
        ch->asked = &stop->asked;
        r = shmbus_recv(ch, ret_msg, timeout_ns);
        ch->asked = NULL;
        if (r != -EINTR || !sb_ends_waiting(&stop->asked)) {
            return r;
        }
        if (timeout_ns > 0) {
            timeout_ns = deadline_ns - sb_now_ns();
            timeout_ns = timeout_ns > 0 ? timeout_ns : 0;
        }
    }
}

int shmbus_stop_give_back(struct shmbus_stop *stop, struct shmbus_msg *msg)
{
    int r = check(stop, "shmbus_stop_give_back");
    bool late;

    if (r < 0) {
        return r;
    }
    late = shmbus_stop_left_ns(stop) == 0;
    r = shmbus_give_back(msg);
    for (; r == 0 && stop != NULL; stop = stop->parent) {
        sb_fetch_add(late ? &stop->cut_off : &stop->given_back, 1);
    }
    return r;
}

int shmbus_stop_sleep(struct shmbus_stop *stop, int64_t timeout_ns)
{
    int64_t end_ns;
    int r = check(stop, "shmbus_stop_sleep");

    if (r < 0) {
        return r;
    }
    if (timeout_ns < 0 && timeout_ns != SHMBUS_WAIT_FOREVER) {
        return sb_fail(-EINVAL, "shmbus_stop_sleep: %lld ns is no timeout", (long long)timeout_ns);
    }
    end_ns = sb_deadline_ns(timeout_ns);
    for (;;) {
        uint32_t seen = sb_load32_acquire(&stop->root->changes);

        run_hook(stop);
        if (sb_is_asked(&stop->asked)) {
            return canceled();
        }
        if (sb_now_ns() >= end_ns) {
            return 0;
        }
        sleep_until(stop, seen, end_ns);
    }
}

/* -------------------------------------------------------------------------------------- the end */

/* Who waits in a call of the bus beyond the deadline, to send a result, say, gives up. */
static void cut_off_calls(struct shmbus_stop *stop)
{
    if (stop == stop->root) {
        shmbus_interrupt(stop->bus);
    }
}

static void wait_for_ends(struct shmbus_stop *stop, int64_t deadline_ns)
{
    int64_t end_ns =
        deadline_ns > INT64_MAX - GIVE_BACK_NS ? INT64_MAX : deadline_ns + GIVE_BACK_NS;
    bool cut = false;

    for (;;) {
        uint32_t seen = sb_load32_acquire(&stop->root->changes);
        int64_t now_ns = sb_now_ns();

        if (sb_load_acquire(&stop->below) == 0 || now_ns >= end_ns) {
            return;
        }
        if (!cut && now_ns >= deadline_ns) {
            cut_off_calls(stop);
            cut = true;
        }
        sleep_until(stop, seen, cut ? end_ns : deadline_ns);
    }
}

/* Of a bus whose threads have not all ended. */
static uint64_t in_hand(struct shmbus_stop *stop)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};

    if (stop != stop->root || stop->bus == NULL || stop->bus->observer ||
        shmbus_process_stat(stop->bus, stop->bus->member.slot, &stat) < 0) {
        return 0;
    }
    return stat.held_blocks;
}

int shmbus_stop_drain(struct shmbus_stop *stop, int64_t limit_ns,
                      struct shmbus_drain_stat *ret_stat)
{
    struct shmbus_drain_stat full = {.struct_bytes = sizeof full};
    int64_t left_ns;
    int r = check(stop, "shmbus_stop_drain");

    if (r < 0) {
        return r;
    }
    if (ret_stat != NULL && ret_stat->struct_bytes < sizeof ret_stat->struct_bytes) {
        return sb_fail(-EINVAL, "shmbus_stop_drain: struct_bytes must be set");
    }
    if (limit_ns < 0 && limit_ns != SHMBUS_WAIT_FOREVER) {
        return sb_fail(-EINVAL, "shmbus_stop_drain: %lld ns is no limit", (long long)limit_ns);
    }
    shmbus_stop_ask(stop, limit_ns);
    left_ns = shmbus_stop_left_ns(stop); /* of an earlier request, or one above, perhaps */
    wait_for_ends(stop, left_ns == INT64_MAX ? INT64_MAX : sb_now_ns() + left_ns);
    full.asked_ns = (int64_t)sb_load_acquire(&stop->asked.since_ns);
    full.left = (uint32_t)sb_load_acquire(&stop->below);
    full.given_back = sb_load_relaxed(&stop->given_back);
    full.cut_off = sb_load_relaxed(&stop->cut_off) + (full.left > 0 ? in_hand(stop) : 0);
    if (ret_stat != NULL) {
        sb_give(ret_stat, &full, sizeof full);
    }
    return full.left > 0 ? sb_fail(-ETIMEDOUT,
                                   "shmbus_stop_drain: %u of the tree have not ended; end the "
                                   "process: what they hold is delivered again",
                                   full.left)
                         : 0;
}

/* --------------------------------------------------------------------------------- the signals */

static void on_signal(int number)
{
    int e = errno;
    struct shmbus_stop *stop;

    sb_fetch_add(&in_handlers, 1);
    stop = (struct shmbus_stop *)(uintptr_t)sb_load_acquire(&signalled); // NOLINT
    if (stop == NULL) {
        raise(number); /* given back meanwhile: as it is handled now */
    } else if (stop->pid != getpid()) {
        signal(number, SIG_DFL); /* a forked child */
        raise(number);
    } else if (number == SIGHUP) {
        sb_store_release(&stop->asked.hook_due, 1);
        tell(stop);
    } else {
        shmbus_stop_ask(stop, stop->limit_ns);
    }
    sb_fetch_add(&in_handlers, UINT64_MAX);
    errno = e;
}

static bool is_good(int number)
{
    return number >= 0 && number <= SIGRTMAX && number != SIGHUP && number != SIGTERM &&
           number != SIGINT;
}

/* For this node; false: the signals of this process ask another one. */
static bool claim_signals(struct shmbus_stop *stop, const struct shmbus_signals_opts *o)
{
    static sb_word claimed_by; /* a process */
    uint64_t wanted = (uint64_t)(uintptr_t)stop;

    if (sb_load_acquire(&claimed_by) != (uint64_t)stop->pid) { /* a forked child: its parent's */
        sb_store_relaxed(&signalled, 0);
        sb_store_relaxed(&in_handlers, 0);
        sb_store_release(&claimed_by, (uint64_t)stop->pid);
    }
    if (sb_load_acquire(&signalled) == wanted) {
        return false;
    }
    stop->limit_ns = o->limit_ns != 0 ? o->limit_ns : LIMIT_DEFAULT_NS;
    stop->hook = o->reread;
    stop->context = o->context;
    return sb_cas(&signalled, 0, wanted);
}

static int catch_signal(struct shmbus_stop *stop, size_t at, int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigfillset(&action.sa_mask);
    if (number == 0) {
        return 0;
    }
    if (sigaction(number, &action, &stop->caught[at].before) < 0) {
        return sb_fail(-EINVAL, "shmbus_stop_signals: signal %d cannot be caught", number);
    }
    if (stop->caught[at].before.sa_handler == on_signal) {
        stop->caught[at].before = (struct sigaction){.sa_handler = SIG_DFL}; /* of before a fork */
    }
    stop->caught[at].number = number;
    return 0;
}

int shmbus_stop_signals(struct shmbus_stop *stop, const struct shmbus_signals_opts *opts)
{
    struct shmbus_signals_opts o;
    int r = check(stop, "shmbus_stop_signals");

    if (r == 0) {
        r = sb_take_opts(&o, sizeof o, opts, "shmbus_stop_signals");
    }
    if (r < 0) {
        return r;
    }
    if (!is_good(o.also) || (o.limit_ns < 0 && o.limit_ns != SHMBUS_WAIT_FOREVER)) {
        return sb_fail(-EINVAL, "shmbus_stop_signals: limit_ns %lld or signal %d is out of range",
                       (long long)o.limit_ns, o.also);
    }
    if (!claim_signals(stop, &o)) {
        return sb_fail(-EBUSY, "shmbus_stop_signals: the signals of this process ask another node "
                               "already, or this one");
    }
    r = catch_signal(stop, 0, o.also);
    r = r == 0 ? catch_signal(stop, 1, SIGTERM) : r;
    r = r == 0 ? catch_signal(stop, 2, SIGINT) : r;
    r = r == 0 ? catch_signal(stop, 3, o.reread != NULL ? SIGHUP : 0) : r;
    if (r < 0) {
        give_signals_back(stop);
    }
    return r;
}
