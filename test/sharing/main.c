/* SPDX-License-Identifier: MIT */
/*
 * How queues share blocks, under every order of calls: named patterns, all patterns of two queues,
 * random topologies without a cycle. With shares nothing may stand still but two queues that are
 * served crosswise; with one pool for all, the patterns that are marked must, or the model would
 * show nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define STATES_MAX 200000u

static unsigned failures;
static uint64_t random_state = 7;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % n;
}

static struct p_config config_of(uint8_t queues, uint8_t classes, uint8_t common)
{
    struct p_config c = {.queues = queues, .classes = classes};

    for (int q = 0; q < P_QUEUES; q++) {
        c.depth[q] = 4;
        c.dead_letter[q] = P_NONE;
    }
    for (uint8_t k = 0; k < classes; k++) {
        c.common[k] = common;
    }
    return c;
}

static void add(struct p_config *c, uint8_t times, bool source, struct p_op a, struct p_op b,
                struct p_op d)
{
    struct p_role *role = &c->role[c->roles++];

    *role = (struct p_role){.ops = {a, b, d}, .times = times, .source = source};
}

#define OP(what, queue, size) ((struct p_op){what, queue, size})
#define NO ((struct p_op){P_END, 0, 0})
#define SOURCE(c, n, what, queue, size) add(c, n, true, OP(what, queue, size), NO, NO)
#define SINK(c, queue) add(c, P_FOR_EVER, false, OP(P_RECV, queue, 0), OP(P_RELEASE, 0, 0), NO)

/* Sends or forwards one message for each that it receives. */
static void worker(struct p_config *c, uint8_t in, uint8_t what, uint8_t out, uint8_t size)
{
    add(c, P_FOR_EVER, false, OP(P_RECV, in, 0), OP(what, out, size),
        what == P_FORWARD ? NO : OP(P_RELEASE, 0, 0));
}

static const char *result_name(enum p_result r)
{
    return r == P_GOES_ON ? "goes on" : r == P_STANDS_STILL ? "STANDS STILL" : "too large";
}

static void explore(const char *name, const struct p_config *base, enum p_policy policy,
                    enum p_result wanted)
{
    static const char *const names[] = {"pool", "shares", "kept"};
    struct p_config c = *base;
    enum p_result r;
    uint32_t n;
    char why[400];

    c.policy = policy;
    r = p_explore(&c, STATES_MAX, &n, why);
    printf("%-44s stock %u kills %u %-7s %7" PRIu32 "  %s%s\n", name, c.stock, c.kills,
           names[policy], n, result_name(r), r == wanted ? "" : "  FAILURE");
    if (r != wanted) {
        printf("    %s\n", why);
        failures++;
    }
}

/* With one pool it must stand still; @shares: what must be found with shares. */
static void pattern(const char *name, const struct p_config *base, enum p_result shares)
{
    explore(name, base, P_POOL, P_STANDS_STILL);
    explore(name, base, P_SHARES, shares);
}

static void named_patterns(uint8_t stock, uint8_t kills)
{
    struct p_config c = config_of(2, 1, 2);

    c.stock = stock;
    c.kills = kills;
    SOURCE(&c, 5, P_SEND, 0, 0);
    worker(&c, 0, P_SEND, 1, 0);
    worker(&c, 0, P_SEND, 1, 0);
    SINK(&c, 1);
    pattern("coordinator, two workers, collector", &c, P_GOES_ON);

    c.role[0].ops[0].what = P_DROPPING;
    pattern("the same, the coordinator drops the oldest", &c, P_GOES_ON);

    c.role[0].ops[0].what = c.role[1].ops[1].what = c.role[2].ops[1].what = P_RESERVE;
    pattern("the same, with reserve and commit", &c, P_GOES_ON);

    c = config_of(3, 1, 1);
    c.stock = stock;
    c.kills = kills;
    SOURCE(&c, 4, P_SEND, 0, 0);
    worker(&c, 0, P_SEND, 1, 0);
    worker(&c, 1, P_SEND, 2, 0);
    SINK(&c, 2);
    pattern("three stages", &c, P_GOES_ON);

    c = config_of(3, 1, 2);
    c.stock = stock;
    c.kills = kills;
    add(&c, P_FOR_EVER, false, OP(P_SEND, 2, 0), NO, NO);
    SOURCE(&c, 3, P_SEND, 0, 0);
    worker(&c, 0, P_SEND, 1, 0);
    SINK(&c, 1);
    pattern("a forgotten queue beside it", &c, P_GOES_ON);

    c = config_of(3, 1, 1);
    c.stock = stock;
    c.kills = kills;
    SOURCE(&c, 6, P_SEND, 0, 0);
    add(&c, 2, false, OP(P_RECV, 0, 0), OP(P_FORWARD, 2, 0), NO);
    worker(&c, 0, P_SEND, 1, 0);
    SINK(&c, 1);
    pattern("some are forwarded to a forgotten queue", &c, P_GOES_ON);
    explore("the same, if a forward keeps its block", &c, P_SHARES_KEPT, P_STANDS_STILL);
}

static void dead_letters(uint8_t stock, uint8_t kills)
{
    struct p_config c = config_of(3, 1, 2);

    c.stock = stock;
    c.kills = kills;
    c.max_deliveries[0] = 1;
    c.dead_letter[0] = 2;
    c.depth[2] = 2;
    SOURCE(&c, 5, P_SEND, 0, 0);
    add(&c, P_FOR_EVER, false, OP(P_RECV, 0, 0), OP(P_REQUEUE, 0, 0), NO);
    SOURCE(&c, 2, P_SEND, 1, 0);
    SINK(&c, 1);
    pattern("dead letters that nobody reads", &c, P_GOES_ON);
}

/* Condition of the theorem that no bus can make up for: there is no cycle. */
static void crosswise(void)
{
    struct p_config c = config_of(2, 1, 2);

    SOURCE(&c, 5, P_SEND, 0, 0);
    SOURCE(&c, 5, P_SEND, 1, 0);
    worker(&c, 0, P_SEND, 1, 0);
    worker(&c, 1, P_SEND, 0, 0);
    pattern("two queues served crosswise", &c, P_STANDS_STILL);
}

/* Every way in which two queues and their workers can share what there is, or each @step-th. */
static void two_queues(uint32_t step)
{
    static const uint8_t ways[] = {P_SEND, P_RESERVE, P_FORWARD};
    static const uint8_t sources[] = {P_SEND, P_RESERVE, P_DROPPING};
    uint32_t tried = 0, still = 0, pool = 0, n;
    uint64_t all = 0;
    char why[400];

    for (uint32_t i = 0; i < 6 * 8 * 81; i += step) {
        uint32_t k = i;
        struct p_config c = config_of(2, (uint8_t)(1 + k % 2), (uint8_t)(k / 2 % 3));
        k /= 6;
        c.stock = k % 2;
        c.kills = k / 2 % 2;
        c.depth[0] = (uint8_t)(1 + k / 4 % 2);
        c.depth[1] = 1;
        k /= 8;
        SOURCE(&c, 3, sources[k % 3], 0, (uint8_t)(k / 27 == 1 ? c.classes - 1 : 0));
        worker(&c, 0, ways[k / 3 % 3], 1, (uint8_t)(c.classes - 1));
        worker(&c, 0, ways[k / 9 % 3], 1, (uint8_t)(k / 27 == 2 ? c.classes - 1 : 0));
        SINK(&c, 1);
        c.policy = P_SHARES;
        tried++;
        still += p_explore(&c, STATES_MAX, &n, why) != P_GOES_ON;
        all += n;
        c.policy = P_POOL;
        pool += p_explore(&c, STATES_MAX, &n, why) == P_STANDS_STILL;
    }
    failures += still > 0 || pool == 0;
    printf("two queues: %" PRIu32 " patterns, %" PRIu64 " states; shares stand still in %" PRIu32
           ", one pool in %" PRIu32 "\n",
           tried, all, still, pool);
}

static struct p_config random_topology(void)
{
    struct p_config c = config_of((uint8_t)(2 + below(2)), (uint8_t)(1 + below(2)), 0);
    uint8_t last = (uint8_t)(c.queues - 1);
    bool fed[P_QUEUES] = {true};

    for (uint8_t k = 0; k < c.classes; k++) {
        c.common[k] = (uint8_t)below(2);
    }
    for (uint8_t q = 0; q < c.queues; q++) {
        c.depth[q] = (uint8_t)(1 + below(3));
    }
    c.stock = (uint8_t)below(2);
    c.kills = (uint8_t)below(2);
    SOURCE(&c, (uint8_t)(2 + below(3)), below(3) == 0 ? P_RESERVE : P_SEND, 0,
           (uint8_t)below(c.classes));
    for (uint8_t q = 0; q < last; q++) {
        for (uint32_t n = last == 1 ? 1u + below(2) : 1u; fed[q] && n > 0; n--) {
            static const uint8_t ways[] = {P_FORWARD, P_RESERVE, P_SEND, P_SEND};
            uint8_t to = (uint8_t)(q + 1 + below((uint32_t)(last - q)));
            fed[to] = true;
            worker(&c, q, ways[below(4)], to, (uint8_t)below(c.classes));
        }
    }
    SINK(&c, last);
    return c;
}

static void random_topologies(uint32_t many)
{
    uint32_t found[3] = {0}, large = 0;

    for (uint32_t i = 0; i < many; i++) {
        struct p_config c = random_topology();
        for (c.policy = P_POOL; c.policy <= P_SHARES_KEPT; c.policy++) {
            uint32_t n;
            char why[400];
            enum p_result r = p_explore(&c, STATES_MAX, &n, why);
            found[c.policy] += r == P_STANDS_STILL;
            large += r == P_TOO_LARGE;
            if (r == P_STANDS_STILL && c.policy == P_SHARES) {
                printf("topology %" PRIu32 ": %s\n", i, why);
            }
        }
    }
    failures += found[P_SHARES] > 0 || found[P_POOL] == 0 || large > 0;
    printf("random topologies: %" PRIu32 "; stand still: one pool %" PRIu32 ", shares %" PRIu32
           ", shares but a forward keeps its block %" PRIu32 "\n",
           many, found[P_POOL], found[P_SHARES], found[P_SHARES_KEPT]);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    const uint8_t kills_end = quick ? 1 : 2;

    for (uint8_t stock = 0; stock < 2; stock++) {
        for (uint8_t kills = 0; kills < kills_end; kills++) {
            named_patterns(stock, kills);
            dead_letters(stock, kills);
        }
    }
    crosswise();
    two_queues(quick ? 23 : 1);
    random_topologies(quick ? 100 : 2000);
    printf("%s - sharing of blocks: %u failures\n", failures == 0 ? "ok" : "not ok", failures);
    return failures > 0;
}
