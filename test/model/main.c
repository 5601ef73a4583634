/* SPDX-License-Identifier: MIT */
/*
 * shmbus-model: explores the schedules of all scenarios. See explore.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "jobs.h"
#include "scenarios.h"
#include "world.h"

#define SHARES_MAX 256u

struct settings {
    bool quick;
    bool have_bounds;
    struct x_bounds bounds;
    double limit_s;  /* for one exploration */
    double random_s; /* for random schedules, over all scenarios */
    uint64_t seed;
    const char *only;
};

struct totals {
    uint64_t schedules;
    unsigned scenarios, failures, incomplete;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int usage(FILE *to)
{
    fprintf(to, "usage: shmbus-model [--no-membarrier] [--quick] [--only NAME]\n"
                "                    [--bounds PREEMPTIONS/CRASHES/STOPS] [--limit SECONDS]\n"
                "                    [--random SECONDS] [--seed N]\n"
                "       shmbus-model [--no-membarrier] --replay NAME PLAN\n"
                "       shmbus-model --list\n");
    return to == stdout ? 0 : 2;
}

static const struct x_scenario *find(const char *name)
{
    for (unsigned i = 0; i < t_scenario_count; i++) {
        if (strcmp(t_scenarios[i].name, name) == 0) {
            return &t_scenarios[i];
        }
    }
    fprintf(stderr, "shmbus-model: there is no scenario \"%s\"; --list names them\n", name);
    return NULL;
}

static int replay(const char *name, const char *plan)
{
    const struct x_scenario *s = find(name);
    bool failed = false;
    if (s == NULL) {
        return 2;
    }
    if (!x_replay(s, plan, &failed)) {
        fprintf(stderr, "shmbus-model: \"%s\" is no plan; a failure prints one\n", plan);
        return 2;
    }
    printf("%s\n", failed ? "failed" : "no failure");
    return failed;
}

static void print_row(const struct x_scenario *s, const char *bounds, const struct x_result *r)
{
    const char *coverage = r->complete ? "complete" : bounds[0] == 'r' ? "sampled" : "cut";
    printf("%-19s %-7s %10llu %6u %10llu %9llu  %-9s %6.1f  %s\n", s->name, bounds,
           (unsigned long long)r->schedules, r->depth, (unsigned long long)r->crashes,
           (unsigned long long)r->stops, r->failed ? "FAILED" : coverage, r->seconds, s->text);
    fflush(stdout);
}

static void add(struct totals *t, const struct x_result *r, bool must_be_complete)
{
    t->schedules += r->schedules;
    t->failures += r->failed;
    t->incomplete += must_be_complete && !r->complete && !r->failed;
}

static bool explore_one(const struct x_scenario *s, struct x_bounds b, double limit_s,
                        struct totals *t)
{
    char bounds[32];
    struct x_result r = x_explore(s, b, limit_s);
    snprintf(bounds, sizeof bounds, "%u/%u/%u", b.preemptions, b.crashes, b.stops);
    print_row(s, bounds, &r);
    add(t, &r, true);
    return !r.failed;
}

/* Stops instead of preemptions: everybody else must get along without the stopped one. */
static struct x_bounds with_stops(struct x_bounds b, bool quick)
{
    return (struct x_bounds){b.preemptions > 0 && !quick ? b.preemptions - 1u : 0, 1, 1};
}

static void explore_scenario(const struct x_scenario *s, const struct settings *set,
                             struct totals *t)
{
    struct x_bounds b = set->have_bounds ? set->bounds : set->quick ? s->quick : s->bounds;

    t->scenarios++;
    if (!explore_one(s, b, set->limit_s, t) || set->have_bounds) {
        return;
    }
    if (!explore_one(s, with_stops(b, set->quick), set->limit_s, t)) {
        return;
    }
    if (!set->quick && s->more.preemptions > 0) {
        explore_one(s, s->more, set->limit_s, t);
    }
}

/* What a scenario's process leaves; in memory that it shares with this one. */
struct share {
    const struct settings *set;
    const struct x_scenario *scenarios[SHARES_MAX];
    bool no_membarrier[SHARES_MAX];
    struct totals totals[SHARES_MAX];
};

static bool explore_share(void *context, unsigned i)
{
    struct share *share = context;

    w_no_membarrier |= share->no_membarrier[i];
    explore_scenario(share->scenarios[i], share->set, &share->totals[i]);
    if (share->no_membarrier[i] && share->totals[i].failures > 0) {
        puts("(give it --no-membarrier, too)");
    }
    return share->totals[i].failures > 0;
}

/* Where an incarnation of a slot follows another the narrow program runs, too: in it all of them
 * have one name in headers, and delivery counts stop at once. What needs that it runs alone. */
static bool is_for_this_program(const struct x_scenario *s)
{
#if SB_OWNER_EPOCH_BITS == 0
    const struct w_plan *plan = s->parameter;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        if (plan->incarnation_of[p] != 0) {
            return true;
        }
    }
    return false;
#else
    return !((const struct w_plan *)s->parameter)->same_name;
#endif
}

static bool is_chosen(const struct x_scenario *s, const struct settings *set)
{
    return set->only == NULL ? is_for_this_program(s) : strcmp(set->only, s->name) == 0;
}

/* What wakes after a plain store comes twice, at first as if membarrier may not be called: the
 * library asks only once in a process. */
static unsigned choose(struct share *share, const struct settings *set)
{
    static const char *const plain_stores[] = {"stream_sleep", "tiny_lane_sleep",
                                               "lane_sleep_send"};
    unsigned n = 0;
    bool twice =
        set->only == NULL && !set->have_bounds && !w_no_membarrier && SB_OWNER_EPOCH_BITS > 0;

    while (twice && n < sizeof plain_stores / sizeof plain_stores[0]) {
        share->scenarios[n] = find(plain_stores[n]);
        share->no_membarrier[n++] = true;
    }
    for (unsigned i = 0; i < t_scenario_count && n < SHARES_MAX; i++) {
        if (is_chosen(&t_scenarios[i], set)) {
            share->scenarios[n++] = &t_scenarios[i];
        }
    }
    return n;
}

static void explore_within_bounds(const struct settings *set, struct totals *t)
{
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    struct share *share = mmap(NULL, sizeof *share, PROT_READ | PROT_WRITE, flags, -1, 0);
    unsigned count;

    if (share == MAP_FAILED) {
        perror("shmbus-model: no memory");
        t->failures++;
        return;
    }
    share->set = set;
    count = choose(share, set);
    t->failures += t_jobs_run(count, explore_share, share);
    for (unsigned i = 0; i < count; i++) {
        t->schedules += share->totals[i].schedules;
        t->scenarios += share->totals[i].scenarios;
        t->incomplete += share->totals[i].incomplete;
    }
    munmap(share, sizeof *share);
}

static void explore_random(const struct settings *set, struct totals *t)
{
    unsigned chosen = 0;
    double each;
    printf("\nrandom schedules beyond these bounds: up to 8 switches, 2 kills, 1 stop; seed %llu\n",
           (unsigned long long)set->seed);
    for (unsigned i = 0; i < t_scenario_count; i++) {
        chosen += is_chosen(&t_scenarios[i], set);
    }
    each = set->random_s / chosen;
    for (unsigned i = 0; i < t_scenario_count && t->failures == 0; i++) {
        struct x_result r;
        if (!is_chosen(&t_scenarios[i], set)) {
            continue;
        }
        r = x_random(&t_scenarios[i], set->seed + i, each);
        print_row(&t_scenarios[i], "random", &r);
        add(t, &r, false);
    }
}

/* For the sum over all checks, see config/tools/sum.sh. */
static void append_results(const struct totals *t)
{
    const char *path = getenv("T_RESULTS");
    FILE *to = path == NULL ? NULL : fopen(path, "a");
    if (to != NULL) {
        fprintf(to, "%u %u 0 test/model\n", t->scenarios - t->failures, t->failures);
        fclose(to);
    }
}

static int explore_all(const struct settings *set)
{
    struct totals t = {0};
    double begin = seconds();

    printf("%-19s %-7s %10s %6s %10s %9s  %-9s %6s  %s\n", "scenario", "p/c/s", "schedules",
           "depth", "with kill", "with stop", "coverage", "s", "");
    explore_within_bounds(set, &t);
    if (t.failures == 0 && set->random_s > 0) {
        explore_random(set, &t);
    }
    printf("\np/c/s: preemptions, kills, stops a schedule may have. complete: every schedule of "
           "the\nscenario within these bounds was run, a kill at every shared access of every "
           "mortal\nprocess among them. Memory as on x86: stores may be seen late; for weaker "
           "machines see\ndoc/memory-model.md.\n");
    if (t.incomplete > 0) {
        printf("%u explorations were cut by their limit of time\n", t.incomplete);
    }
    printf("{\"target\":\"model\",\"owner_epoch_bits\":%u,\"schedules\":%llu,\"scenarios\":%u,"
           "\"failures\":%u,\"seconds\":%.1f}\n",
           SB_OWNER_EPOCH_BITS, (unsigned long long)t.schedules, t.scenarios, t.failures,
           seconds() - begin);
    append_results(&t);
    return t.failures > 0 || (t.incomplete > 0 && !set->have_bounds) || t.schedules == 0;
}

static bool number(const char *text, double *ret)
{
    char *end = NULL;
    errno = 0;
    *ret = strtod(text, &end);
    return errno == 0 && end != text && *end == 0 && *ret >= 0;
}

static bool read_option(int argc, char **argv, int *i, struct settings *set)
{
    const char *option = argv[*i];
    const char *value = *i + 1 < argc ? argv[*i + 1] : "";
    double n = 0;

    if (strcmp(option, "--quick") == 0) {
        set->quick = true;
        return true;
    }
    ++*i;
    if (strcmp(option, "--only") == 0) {
        set->only = value;
        return find(value) != NULL;
    }
    if (strcmp(option, "--bounds") == 0) {
        set->have_bounds = true;
        return sscanf(value, "%u/%u/%u", &set->bounds.preemptions, &set->bounds.crashes,
                      &set->bounds.stops) == 3;
    }
    if (!number(value, &n)) {
        return false;
    }
    if (strcmp(option, "--limit") == 0) {
        set->limit_s = n;
    } else if (strcmp(option, "--random") == 0) {
        set->random_s = n;
    } else if (strcmp(option, "--seed") == 0) {
        set->seed = (uint64_t)n;
    } else {
        return false;
    }
    return true;
}

/* A row a scenario: who is in it, and what each does in the words of script.c. */
static void list_plan(const struct w_plan *plan)
{
    for (uint32_t c = 0; c < plan->channel_count; c++) {
        const struct w_channel_plan *ch = &plan->channels[c];
        if (ch->kind == SHMBUS_KIND_STREAM) {
            printf("%sstream of %llu bytes", c > 0 ? ", " : "", (unsigned long long)ch->ring_bytes);
        } else {
            printf("%squeue of %u", c > 0 ? ", " : "", 1u << ch->depth_shift);
        }
    }
    printf("%s", plan->region ? ", region" : "");
    if (plan->blocks > 0) {
        printf(", %u blocks, %u queued", plan->blocks, plan->queued);
    }
    for (uint32_t i = 0; plan->actors[i].name != NULL; i++) {
        printf("; %s%s: %s", plan->actors[i].name, plan->actors[i].immortal ? " (not killed)" : "",
               plan->actors[i].script);
    }
}

static int list(void)
{
    for (unsigned i = 0; i < t_scenario_count; i++) {
        const struct x_scenario *s = &t_scenarios[i];
        printf("%-19s %s\n%-19s ", s->name, s->text, "");
        list_plan(s->parameter);
        printf("\n");
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct settings set = {.limit_s = 600, .random_s = 0, .seed = (uint64_t)time(NULL) % 1000000};

    x_init(&w_world);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        return list();
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return usage(stdout);
    }
    if (argc > 1 && strcmp(argv[1], "--no-membarrier") == 0) {
        w_no_membarrier = true;
        argc--;
        argv++;
    }
    if (argc == 4 && strcmp(argv[1], "--replay") == 0) {
        return replay(argv[2], argv[3]);
    }
    for (int i = 1; i < argc; i++) {
        if (!read_option(argc, argv, &i, &set)) {
            return usage(stderr);
        }
    }
    return explore_all(&set);
}
