/* SPDX-License-Identifier: MIT */
/*
 * Kill at every instruction, stop at every instruction, and both for pairs.
 *
 *   shmbus-crash [--quick] [--seed N] [--only TEXT] [--points N] [--pairs N]
 *
 * For each operation and each instruction k of it, in a world of its own:
 *   kill   the child is killed after k instructions; a survivor works without recovery, then
 *          recovers, and every invariant is checked
 *   stop   the child stands after k instructions; the survivor works, recovery finds nobody dead;
 *          then the child goes on to the end, and every invariant is checked
 *   pairs  two children stand at instructions k and j; the survivor works; then either is killed
 *          or goes on, in either order
 * The last line of standard output is one JSON object.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"
#include "operations.h"
#include "protocol/event.h"
#include "step.h"

#define FREELY_S 60u
#define QUICK_S 110       /* sweep and pairs */
#define QUICK_PAIRS_S 20  /* pairs at least */
#define MOST_POINTS 1500u /* longer operations: evenly spread, from a random start */

static struct {
    bool quick;
    uint64_t seed;
    const char *only;
    uint64_t points_wanted; /* of each operation; 0: the usual number */
    uint64_t pairs_wanted;
    uint64_t kills, stops, pairs, failures;
    double deadline_s;
} run;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(void)
{
    run.seed = run.seed * 6364136223846793005ull + 1442695040888963407ull;
    return run.seed >> 33;
}

static void report(struct t_world *w, const char *how, const struct t_operation *a, uint64_t k,
                   const struct t_operation *b, uint64_t j)
{
    if (w->failure == NULL) {
        return;
    }
    run.failures++;
    printf("FAILED %s: \"%s\" at %llu", how, a->name, (unsigned long long)k);
    if (b != NULL) {
        printf(", \"%s\" at %llu", b->name, (unsigned long long)j);
    }
    printf(": %s\n", w->failure);
    fflush(stdout);
}

static struct t_actor actor_of(const struct t_world *w, const struct t_operation *op,
                               unsigned number)
{
    return (struct t_actor){.operation = op,
                            .bus_name = w->name,
                            .ledger = w->ledger,
                            .number = number,
                            .first_id = T_ID_ACTOR + number * 10};
}

/* ------------------------------------------------------------------------------ a third, asleep */

static struct shmbus_channel *slept_on(const struct t_world *w)
{
    return w->lanes != NULL ? w->lanes : w->q;
}

/* A receiver that sleeps on the queue; it ends by itself when it got a message. */
static pid_t start_waiter(struct t_world *w)
{
    struct shmbus_channel *ch = NULL;
    struct shmbus *bus = NULL;
    struct shmbus_msg msg;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    pid_t pid = fork();

    if (pid == 0) {
        opts.flags = SHMBUS_ATTACH_NO_WATCHER | SHMBUS_ATTACH_EXISTING;
        opts.spin_ns = SHMBUS_SPIN_NONE;
        if (shmbus_attach(w->name, &opts, &bus) == 0 &&
            shmbus_channel_open(bus, shmbus_channel_name(slept_on(w)), SHMBUS_OPEN_RECV, NULL,
                                &ch) == 0 &&
            shmbus_recv(ch, &msg, 10000000000) == 0 && t_msg_id(&msg) != 0) {
            int r = shmbus_requeue(&msg); /* for the survivor to count */
            shmbus_detach(bus);
            _exit(r == 0 ? 0 : 2);
        }
        _exit(1);
    }
    while (!sb_event_armed(&slept_on(w)->view->shared->readable)) {
        sched_yield();
    }
    return pid;
}

/* The waiter must get a message: the child's, or one that the survivor sends now. */
static void end_waiter(struct t_world *w, pid_t pid)
{
    int status = 0;

    if (w->lanes != NULL) {
        w->sent_work_lanes = t_send_id(w->lanes, T_ID_WORK_LANES) == 0;
    } else {
        w->sent_work = t_send_id(w->q, T_ID_WORK) == 0;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        t_fail(w, "the sleeping receiver ended with status %#x", (unsigned)status);
    }
}

/* ------------------------------------------------------------------------------------ one point */

static bool make(struct t_world *w, const struct t_operation *op)
{
    return t_world_make(w, op->end, op->fill, op->cycle);
}

/* @kill: else it goes on afterwards. Returns whether the child was still in its operation. */
static bool one_point(const struct t_operation *op, uint64_t k, bool kill)
{
    struct t_world w;
    struct t_step child;
    struct t_actor a;
    pid_t waiter = 0;
    bool inside = false;

    if (make(&w, op)) {
        a = actor_of(&w, op, 0);
        waiter = op->waiter ? start_waiter(&w) : 0;
        if (!t_step_start(&child, t_actor_main, &a)) {
            t_fail(&w, "the child did not start: %s", w.ledger->what[0]);
        } else {
            inside = t_step_go(&child, k);
            if (kill) {
                t_step_kill(&child);
            }
            if (waiter == 0) {
                t_world_work(&w);
            }
            t_world_reclaim(&w, kill ? op->dead_min : 0, kill ? op->dead_max : op->dead_max - 1u);
            if (!kill) {
                if (!t_step_resume(&child, FREELY_S)) {
                    t_fail(&w, "the child did not finish after it went on: %s", w.ledger->what[0]);
                }
                t_step_kill(&child);
                t_world_reclaim(&w, op->dead_min, op->dead_max);
            }
            if (waiter != 0) {
                end_waiter(&w, waiter);
                t_world_reclaim(&w, 0, 0);
            }
            t_world_check(&w);
        }
    }
    report(&w, kill ? "kill" : "stop", op, k, NULL, 0);
    t_world_free(&w);
    return inside;
}

/* Instructions from mark to mark. */
static uint64_t length_of(const struct t_operation *op)
{
    struct t_world w;
    struct t_step child = {0};
    struct t_actor a;
    pid_t waiter = 0;

    if (make(&w, op)) {
        a = actor_of(&w, op, 0);
        waiter = op->waiter ? start_waiter(&w) : 0;
        if (t_step_start(&child, t_actor_main, &a)) {
            t_step_go(&child, UINT64_MAX);
            t_step_kill(&child);
        }
        if (waiter != 0) {
            end_waiter(&w, waiter);
        }
    }
    report(&w, "count", op, 0, NULL, 0);
    t_world_free(&w);
    return child.steps;
}

static bool wanted(const struct t_operation *op)
{
    return run.only == NULL || strstr(op->name, run.only) != NULL;
}

static void sweep(const struct t_operation *op, uint64_t length)
{
    uint64_t most = run.points_wanted > 0 ? run.points_wanted
                    : run.quick           ? 24
                    : op->long_run        ? 400
                                          : MOST_POINTS;
    uint64_t stride = length / most + 1;
    uint64_t start = stride > 1 ? next_random() % stride : 0;
    uint64_t failures = run.failures;
    uint64_t points = 0;

    for (uint64_t k = start; k <= length + stride; k += stride) {
        one_point(op, k, true);
        one_point(op, k, false);
        points++;
    }
    run.kills += points;
    run.stops += points;
    printf("%-34s %6llu instructions, %5llu points killed, %5llu stopped, %llu failures\n",
           op->name, (unsigned long long)length, (unsigned long long)points,
           (unsigned long long)points, (unsigned long long)(run.failures - failures));
    fflush(stdout);
}

/* ---------------------------------------------------------------------------------------- pairs */

enum { KILL_FIRST, KILL_SECOND, KILL_BOTH, GO_ON, GO_ON_BACKWARDS, ENDINGS };

static void end_one(struct t_world *w, struct t_step *child, bool go_on)
{
    if (go_on && !t_step_resume(child, FREELY_S)) {
        t_fail(w, "a child did not finish after it went on: %s %s", w->ledger->what[0],
               w->ledger->what[1]);
    }
    t_step_kill(child);
}

static void end_pair(struct t_world *w, struct t_step child[2], unsigned ending)
{
    unsigned first = ending == KILL_SECOND || ending == GO_ON_BACKWARDS ? 1 : 0;
    bool first_goes_on = ending == GO_ON || ending == GO_ON_BACKWARDS;
    bool second_goes_on = ending != KILL_BOTH;

    end_one(w, &child[first], first_goes_on);
    t_world_reclaim(w, 0, 1);
    end_one(w, &child[1 - first], second_goes_on);
    t_world_reclaim(w, 0, 2);
}

/* Children that may both be in the middle of something answer what alone would be wrong. */
static void one_pair(const struct t_operation *a, uint64_t k, const struct t_operation *b,
                     uint64_t j, unsigned ending)
{
    struct t_world w;
    struct t_step child[2] = {{0}};
    struct t_actor actor[2];
    bool ok = make(&w, a);

    if (ok) {
        actor[0] = actor_of(&w, a, 0);
        actor[1] = actor_of(&w, b, 1);
        ok = t_step_start(&child[0], t_actor_main, &actor[0]);
        t_step_go(&child[0], ok ? k : 0);
        if (ok && !t_step_start(&child[1], t_actor_main, &actor[1])) {
            ok = false; /* the queue was not as the second wants it: no point */
            t_step_kill(&child[0]);
            t_step_kill(&child[1]);
        }
    }
    if (ok) {
        t_step_go(&child[1], j);
        t_world_work(&w);
        t_world_reclaim(&w, 0, 0);
        end_pair(&w, child, ending);
        t_world_check(&w);
        run.pairs++;
        report(&w, "pair", a, k, b, j);
    }
    t_world_free(&w);
}

static bool can_pair(const struct t_operation *op)
{
    return !op->alone && !op->long_run;
}

static void sample_pairs(const uint64_t *lengths, double until_s)
{
    uint64_t failures = run.failures;
    bool any = false;

    for (unsigned i = 0; i < t_operation_count; i++) {
        any = any || (can_pair(&t_operations[i]) && wanted(&t_operations[i]));
    }
    while (any && run.pairs < run.pairs_wanted && now_s() < until_s) {
        const uint64_t i = next_random() % t_operation_count;
        const uint64_t n = next_random() % t_operation_count;
        const struct t_operation *a = &t_operations[i];
        const struct t_operation *b = &t_operations[n];
        if (!can_pair(a) || !can_pair(b) || !wanted(a)) {
            continue;
        }
        one_pair(a, next_random() % (lengths[i] + 1), b, next_random() % (lengths[n] + 1),
                 (unsigned)(next_random() % ENDINGS));
    }
    printf("%-34s %6llu pairs, %llu failures\n", "two at once", (unsigned long long)run.pairs,
           (unsigned long long)(run.failures - failures));
}

/* ----------------------------------------------------------------------------------------- main */

static bool parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'},       {"seed", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},  {"points", required_argument, NULL, 'n'},
        {"pairs", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    int c;
    run.seed = (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    run.pairs_wanted = UINT64_MAX;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'q':
            run.quick = true;
            break;
        case 's':
            run.seed = strtoull(optarg, NULL, 10);
            break;
        case 'o':
            run.only = optarg;
            break;
        case 'n':
            run.points_wanted = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            run.pairs_wanted = strtoull(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    if (run.pairs_wanted == UINT64_MAX) {
        run.pairs_wanted = run.quick ? 2000 : 100000;
    }
    return true;
}

int main(int argc, char **argv)
{
    double start = now_s();
    double until = 1e300;
    unsigned operations = 0;
    uint64_t *lengths;

    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: shmbus-crash [--quick] [--seed N] [--only TEXT] [--points N] "
                        "[--pairs N]\n");
        return 2;
    }
    printf("seed %llu\n", (unsigned long long)run.seed);
    sb_keeper_refused = true; /* one thread is stepped: everything is to happen in it */
    lengths = calloc(t_operation_count, sizeof *lengths);
    if (lengths == NULL) {
        return 1;
    }
    for (unsigned i = 0; i < t_operation_count; i++) {
        if (wanted(&t_operations[i]) || run.pairs_wanted > 0) {
            lengths[i] = length_of(&t_operations[i]);
        }
        if (wanted(&t_operations[i])) {
            sweep(&t_operations[i], lengths[i]);
            operations++;
        }
    }
    if (run.quick) { /* beside a load the sweep alone may take longer */
        double least = now_s() + QUICK_PAIRS_S;
        until = start + QUICK_S > least ? start + QUICK_S : least;
    }
    sample_pairs(lengths, until);
    free(lengths);
    if (operations == 0) {
        fprintf(stderr, "shmbus-crash: no operation's name contains \"%s\"\n", run.only);
        run.failures++;
    }
    printf("{\"target\":\"crash\",\"points\":%llu,\"stops\":%llu,\"pairs\":%llu,\"operations\":%u,"
           "\"failures\":%llu,\"seconds\":%.1f}\n",
           (unsigned long long)run.kills, (unsigned long long)run.stops,
           (unsigned long long)run.pairs, operations, (unsigned long long)run.failures,
           now_s() - start);
    return run.failures == 0 ? 0 : 1;
}
