/* SPDX-License-Identifier: MIT */
#include "explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "coroutine.h"

enum state { READY, BLOCKED, STOPPED, KILLED, DONE };

#define BUFFER_MAX 64u

/* A store that others do not see yet. */
struct store {
    sb_word *word;
    uint64_t value;
    uint64_t context; /* what its process was doing */
};

struct actor {
    struct t_coroutine co;
    x_actor_fn body;
    const char *name;
    uint32_t process;
    enum state state;
    bool mortal;
    bool kill_on_thaw;
    /* An access that was announced and has not been looked at yet. */
    const void *address;
    uint64_t old;
    struct store buffer[BUFFER_MAX];
    uint32_t buffered;
};

/* What else could have been done at a step. */
struct options {
    uint8_t others; /* actors to switch to */
    uint8_t stores; /* that could be held back at a switch: 0, 1, 2 for more */
    bool free;      /* a switch that costs nothing */
    bool crash, stop;
};

static struct {
    const struct x_world *world;
    const struct x_scenario *scenario;
    struct actor actors[X_ACTORS_MAX + 1]; /* the last one: the world's own code */
    uint32_t actor_count;
    uint32_t current;
    struct t_coroutine main;
    struct x_bounds left; /* still allowed behind the plan */
    struct x_decision plan[X_PLAN_MAX];
    uint32_t plan_count;
    uint32_t plan_next;
    uint32_t step;
    uint32_t accesses; /* since the present actor was switched to */
    bool tracing;
    bool failed;
    bool random;
    uint64_t seed;
    uint32_t odds; /* random: one deviation in so many steps */
    char message[400];
    struct options options[X_STEPS_MAX];
    /* Over all schedules of one exploration. */
    struct x_result result;
    double end_s;
    bool stop_now;
} x;

static char stacks[X_ACTORS_MAX][T_STACK_BYTES] __attribute__((aligned(64)));

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* -------------------------------------------------------------------------------------- traces */

static const char *current_name(void)
{
    return x.current < x.actor_count ? x.actors[x.current].name : "-";
}

void x_note(const char *format, ...)
{
    va_list args;
    if (!x.tracing) {
        return;
    }
    printf("%5u  %-10s ", x.step, current_name());
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

bool x_tracing(void)
{
    return x.tracing;
}

static void trace_access(uint32_t actor, const void *address, uint64_t old, uint64_t now)
{
    char word[80];
    char before[80];
    char after[80];
    x.world->describe(address, word, sizeof word);
    x.world->describe_value(address, old, before, sizeof before);
    x.world->describe_value(address, now, after, sizeof after);
    if (old == now) {
        printf("%5u  %-10s %-24s %s\n", x.step, actor < x.actor_count ? x.actors[actor].name : "-",
               word, before);
    } else {
        printf("%5u  %-10s %-24s %s -> %s\n", x.step,
               actor < x.actor_count ? x.actors[actor].name : "-", word, before, after);
    }
}

static void write_plan(FILE *to)
{
    static const char kinds[] = "shafcgk";
    for (uint32_t i = 0; i < x.plan_count; i++) {
        const struct x_decision *d = &x.plan[i];
        fprintf(to, "%s%u%c", i == 0 ? "" : ",", d->step, kinds[d->kind]);
        if (d->kind <= X_FREE) {
            fprintf(to, "%u", d->who);
        }
    }
}

/* ---------------------------------------------------------------------------------- the actors */

static uint64_t word_value(const void *address)
{
    uint64_t v = 0;
    if (((uintptr_t)address & 7u) == 0) {
        __builtin_memcpy(&v, address, 8);
    } else {
        __builtin_memcpy(&v, address, 4);
    }
    return v;
}

/* The access that was announced last has happened by now, as its actor has gone on. */
static void access_done(void)
{
    struct actor *a = &x.actors[x.current];
    const void *address;
    uint64_t now;
    if (a->address == NULL) {
        return;
    }
    address = a->address;
    a->address = NULL;
    now = word_value(address);
    if (x.tracing) {
        trace_access(x.current, address, a->old, now);
    }
    x.world->access_done(x.current, address, a->old, now);
}

/* Stores leave the buffer of @actor in their order until @keep are left. */
static void drain(uint32_t actor, uint32_t keep)
{
    struct actor *a = &x.actors[actor];
    uint32_t running = x.current;
    uint32_t n = 0;

    x.current = actor;
    while (a->buffered - n > keep) {
        struct store *s = &a->buffer[n++];
        uint64_t old = s->word->v;
        uint64_t now = x.world->set_context(a->process, s->context);
        s->word->v = s->value;
        if (x.tracing) {
            trace_access(actor, s->word, old, s->value);
        }
        x.world->access_done(actor, s->word, old, s->value);
        x.world->set_context(a->process, now);
    }
    a->buffered -= n;
    memmove(a->buffer, a->buffer + n, a->buffered * sizeof a->buffer[0]);
    x.current = running;
}

static void back_to_main(void)
{
    uint32_t from = x.current;
    x.current = X_ACTORS_MAX;
    t_coroutine_switch(&x.actors[from].co, &x.main);
}

static void go_to(uint32_t to)
{
    uint32_t from = x.current;
    if (to == from) {
        return;
    }
    if (from >= x.actor_count) {
        access_done();
    }
    x.current = to;
    x.accesses = 0;
    if (x.tracing) {
        printf("%5u  -- %s goes on\n", x.step, x.actors[to].name);
    }
    t_coroutine_switch(from < x.actor_count ? &x.actors[from].co : &x.main, &x.actors[to].co);
}

static uint8_t ready_others(void)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < x.actor_count; i++) {
        if (i != x.current && x.actors[i].state == READY) {
            mask |= (uint8_t)(1u << i);
        }
    }
    return mask;
}

static uint64_t random_next(void)
{
    x.seed ^= x.seed << 13;
    x.seed ^= x.seed >> 7;
    x.seed ^= x.seed << 17;
    return x.seed;
}

static uint8_t random_of(uint8_t mask)
{
    uint32_t n = (uint32_t)(random_next() % (uint32_t)__builtin_popcount(mask));
    while (n-- > 0) {
        mask &= (uint8_t)(mask - 1u);
    }
    return (uint8_t)__builtin_ctz(mask);
}

/* The decision the plan has for this step, or NULL. Behind the plan, what else could be done is
 * written down, or, at random, done and written down in the plan. */
static const struct x_decision *decision_at(uint32_t step, struct options o)
{
    struct x_decision *d = &x.plan[x.plan_next];
    if (x.plan_next < x.plan_count) {
        x.options[step] = (struct options){0};
        if (d->step != step) {
            return NULL;
        }
        x.plan_next++;
        return d;
    }
    x.options[step] = o;
    if (!x.random || x.plan_count == X_PLAN_MAX || (o.others == 0 && !o.crash && !o.stop) ||
        (!o.free && random_next() % x.odds != 0)) {
        return NULL;
    }
    *d = (struct x_decision){.step = step, .kind = o.free ? X_FREE : X_SWITCH};
    if (!o.free && o.crash && (o.others == 0 || random_next() % 4 == 0)) {
        d->kind = X_CRASH;
    } else if (!o.free && o.stop && (o.others == 0 || random_next() % 4 == 0)) {
        d->kind = o.crash && random_next() % 2 == 0 ? X_STOP_KILL : X_STOP_GO;
    } else if (o.others == 0) {
        return NULL;
    } else if (o.free && random_next() % 2 == 0) {
        return NULL;
    } else {
        d->who = random_of(o.others);
        if (o.stores > 0 && random_next() % 2 == 0) {
            d->kind = random_next() % 2 == 0 ? X_HOLD_ALL : X_HOLD_ONE;
        }
    }
    x.plan_count++;
    x.plan_next++;
    return d;
}

static uint32_t next_step(void)
{
    if (x.step + 1u >= X_STEPS_MAX) {
        x_fail("no end after %u steps", X_STEPS_MAX);
    }
    return x.step++;
}

/* The present actor cannot go on: another one does. Returns when it can again. */
static void give_way(void)
{
    uint8_t others = ready_others();
    uint32_t next;
    if (others == 0) {
        if (x.current < x.actor_count) {
            back_to_main();
        }
        return;
    }
    next = (uint32_t)__builtin_ctz(others);
    if ((others & (others - 1u)) != 0) {
        const struct x_decision *d =
            decision_at(next_step(), (struct options){.others = (uint8_t)(others & (others - 1u)),
                                                      .free = true});
        if (d != NULL) {
            if (d->kind != X_FREE || (others & (1u << d->who)) == 0) {
                x_fail("the plan does not fit this scenario");
                return;
            }
            next = d->who;
        }
    }
    go_to(next);
}

static void kill_process(uint32_t process)
{
    for (uint32_t i = 0; i < x.actor_count; i++) {
        if (x.actors[i].process == process && x.actors[i].state != DONE) {
            drain(i, 0); /* what was executed will be seen */
            x.actors[i].state = KILLED;
            x.actors[i].address = NULL;
        }
    }
    x.world->killed(process);
}

static void apply(const struct x_decision *d)
{
    struct actor *a = &x.actors[x.current];
    switch (d->kind) {
    case X_SWITCH:
    case X_HOLD_ONE:
    case X_HOLD_ALL:
        if (d->who >= x.actor_count || x.actors[d->who].state != READY) {
            x_fail("the plan does not fit this scenario");
        }
        x.left.preemptions -= x.random;
        drain(x.current, d->kind == X_HOLD_ALL ? BUFFER_MAX : d->kind == X_HOLD_ONE ? 1 : 0);
        if (a->buffered > 0) {
            x_note("%u stores held back", a->buffered);
        }
        go_to(d->who); /* what is held back may be so at the next switch, too */
        break;
    case X_CRASH:
        x_note("KILLED here");
        x.left.crashes -= x.random;
        kill_process(a->process);
        give_way();
        break;
    case X_STOP_GO:
    case X_STOP_KILL:
        x_note("STOPPED here");
        drain(x.current, 0);
        x.left.stops -= x.random;
        x.left.crashes -= x.random && d->kind == X_STOP_KILL;
        a->state = STOPPED;
        a->kill_on_thaw = d->kind == X_STOP_KILL;
        x.world->stopped(a->process);
        give_way();
        break;
    default:
        x_fail("the plan does not fit this scenario");
    }
}

/* An actor is about to access a word. */
static void scheduling_point(void)
{
    struct actor *a = &x.actors[x.current];
    uint32_t step = next_step();
    struct options o = {0};
    const struct x_decision *d;
    /* Straight after a switch another switch would only repeat a shorter schedule. */
    if (x.left.preemptions > 0 && x.accesses > 0) {
        o.others = ready_others();
        o.stores = a->buffered < 2 ? (uint8_t)a->buffered : 2;
    }
    o.crash = a->mortal && x.left.crashes > 0;
    o.stop = a->mortal && x.left.stops > 0;
    d = decision_at(step, o);
    if (d != NULL) {
        apply(d);
    }
}

void sb_explore_step(const void *address, enum sb_access access)
{
    struct actor *a = &x.actors[x.current];
    if (a->address != NULL) {
        access_done();
    }
    if (x.current < x.actor_count && x.world->is_shared(address)) {
        scheduling_point();
        x.accesses++;
    }
    if (access == SB_ACCESS_RMW) {
        drain(x.current, 0);
    }
    if (access != SB_ACCESS_LOAD || x.tracing) { /* nobody asks about loads */
        a->address = address;
        a->old = word_value(address);
    }
}

bool sb_explore_keep(sb_word *w, uint64_t value)
{
    struct actor *a = &x.actors[x.current];
    if (x.current >= x.actor_count || !x.world->is_shared(w)) {
        return false;
    }
    if (a->buffered == BUFFER_MAX) {
        drain(x.current, BUFFER_MAX - 1u);
    }
    a->buffer[a->buffered++] = (struct store){w, value, x.world->context(a->process)};
    a->address = NULL; /* not done yet */
    if (x.tracing) {
        x_note("stores, not seen by others yet:");
        trace_access(x.current, w, w->v, value);
    }
    return true;
}

bool sb_explore_own(const sb_word *w, uint64_t *ret_value)
{
    const struct actor *a = &x.actors[x.current];
    for (uint32_t i = a->buffered; i-- > 0;) {
        if (a->buffer[i].word == w) {
            *ret_value = a->buffer[i].value;
            return true;
        }
    }
    return false;
}

void sb_explore_fence(void)
{
    if (x.actors[x.current].buffered > 0) {
        access_done();
        drain(x.current, 0);
    }
}

void x_step(const void *address)
{
    sb_explore_step(address, SB_ACCESS_RMW);
}

/* A processor that has nothing more to do: its stores are seen at last. */
static void flush(void)
{
    access_done();
    if (x.actors[x.current].buffered > 0) {
        scheduling_point();
        drain(x.current, 0);
    }
}

static void actor_entry(void)
{
    struct actor *a = &x.actors[x.current];
    a->body(x.current);
    flush();
    a->state = DONE;
    x_note("done");
    give_way();
    abort();
}

uint32_t x_spawn(const char *name, uint32_t process, bool mortal, x_actor_fn body)
{
    uint32_t i = x.actor_count++;
    x.actors[i].body = body;
    x.actors[i].name = name;
    x.actors[i].process = process;
    x.actors[i].state = READY;
    x.actors[i].mortal = mortal;
    x.actors[i].kill_on_thaw = false;
    x.actors[i].address = NULL;
    x.actors[i].buffered = 0;
    t_coroutine_make(&x.actors[i].co, stacks[i], actor_entry);
    return i;
}

void x_block(void)
{
    struct actor *a = &x.actors[x.current];
    access_done();
    drain(x.current, 0);
    a->state = BLOCKED;
    x_note("sleeps");
    give_way();
}

void x_wake(uint32_t actor)
{
    if (x.actors[actor].state == BLOCKED) {
        x.actors[actor].state = READY;
        x_note("wakes %s", x.actors[actor].name);
    }
}

bool x_is_blocked(uint32_t actor)
{
    return x.actors[actor].state == BLOCKED;
}

bool x_is_stopped(uint32_t actor)
{
    return x.actors[actor].state == STOPPED;
}

bool x_was_killed(uint32_t actor)
{
    return x.actors[actor].state == KILLED;
}

bool x_is_done(uint32_t actor)
{
    return x.actors[actor].state == DONE;
}

uint32_t x_actors(void)
{
    return x.actor_count;
}

uint32_t x_current(void)
{
    return x.current;
}

uint32_t x_process_of(uint32_t actor)
{
    return x.actors[actor].process;
}

void x_fail(const char *format, ...)
{
    va_list args;
    if (!x.failed) {
        va_start(args, format);
        vsnprintf(x.message, sizeof x.message, format, args);
        va_end(args);
        x.failed = true;
    }
    if (x.current < x.actor_count) {
        x_note("FAILURE: %s", x.message);
        back_to_main();
    }
}

bool x_failed(void)
{
    return x.failed;
}

bool x_thaw(void)
{
    for (uint32_t i = 0; i < x.actor_count; i++) {
        struct actor *a = &x.actors[i];
        if (a->state != STOPPED) {
            continue;
        }
        if (a->kill_on_thaw) {
            if (x.tracing) {
                printf("%5u  -- %s is killed\n", x.step, a->name);
            }
            kill_process(a->process);
        } else {
            a->state = READY;
        }
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------- one schedule */

/* Runs the scenario once by the plan. */
static void run(struct x_bounds left)
{
    x.actor_count = 0;
    x.current = X_ACTORS_MAX;
    x.left = left;
    x.plan_next = 0;
    x.step = 0;
    x.failed = false;
    x.actors[X_ACTORS_MAX].address = NULL;
    x.scenario->setup(x.scenario->parameter);
    do {
        while (ready_others() != 0 && !x.failed) {
            give_way();
        }
        /* One that failed may be in the middle of anything. */
    } while (!x.failed && x.world->quiescent());
    if (!x.failed) {
        x.world->finish();
        access_done();
    }
    if (!x.failed && x.plan_next != x.plan_count) {
        x_fail("the plan does not fit this scenario");
    }
    x.result.schedules++;
    if (x.step > x.result.depth) {
        x.result.depth = x.step;
    }
    for (uint32_t i = 0; i < x.plan_count; i++) {
        if (x.plan[i].kind >= X_CRASH) {
            *(x.plan[i].kind == X_CRASH ? &x.result.crashes : &x.result.stops) += 1;
            break;
        }
    }
}

static void report_failure(void)
{
    char message[sizeof x.message];
    memcpy(message, x.message, sizeof message);
    printf("\nFAILURE in %s: %s\nschedule ", x.scenario->name, message);
    write_plan(stdout);
    printf("\n  step  who        word                     value, or old -> new\n");
    x.tracing = true;
    x.random = false;
    run((struct x_bounds){0, 0, 0});
    x.tracing = false;
    if (!x.failed) {
        printf("(not reproduced: the scenario depends on something else than the schedule)\n");
    } else {
        printf("=> %s\n", x.message);
    }
    printf("again: shmbus-model --replay %s ", x.scenario->name);
    if (x.plan_count == 0) {
        printf("-");
    }
    write_plan(stdout);
    printf("\n");
    fflush(stdout);
    x.result.failed = true;
    x.stop_now = true;
}

/* ------------------------------------------------------------------------------ all schedules */

static void explore(struct x_bounds left, uint32_t from);

static void deviate(struct x_bounds left, uint32_t step, enum x_kind kind, uint32_t who)
{
    if (x.stop_now || x.plan_count == X_PLAN_MAX) {
        return;
    }
    x.plan[x.plan_count++] =
        (struct x_decision){.step = step, .kind = (uint8_t)kind, .who = (uint8_t)who};
    explore(left, step + 1u);
    x.plan_count--;
}

/* Everything that differs from the plan first at @step. */
static void deviate_at(struct x_bounds left, uint32_t step, struct options o)
{
    struct x_bounds less = left;
    if (!o.free && o.others != 0) {
        less.preemptions--;
    }
    for (uint32_t who = 0; who < X_ACTORS_MAX; who++) {
        if ((o.others & (1u << who)) == 0) {
            continue;
        }
        deviate(less, step, o.free ? X_FREE : X_SWITCH, who);
        if (o.stores > 0) {
            deviate(less, step, X_HOLD_ALL, who);
        }
        if (o.stores > 1) {
            deviate(less, step, X_HOLD_ONE, who);
        }
    }
    less = left;
    if (o.crash) {
        less.crashes--;
        deviate(less, step, X_CRASH, 0);
    }
    less = left;
    if (o.stop) {
        less.stops--;
        deviate(less, step, X_STOP_GO, 0);
        if (left.crashes > 0) {
            less.crashes--;
            deviate(less, step, X_STOP_KILL, 0);
        }
    }
}

static void explore(struct x_bounds left, uint32_t from)
{
    struct options *options;
    uint32_t count;

    run(left);
    if (x.failed) {
        report_failure();
        return;
    }
    if (seconds() > x.end_s) {
        x.result.complete = false;
        x.stop_now = true;
        return;
    }
    count = x.step;
    options = malloc((count + 1u) * sizeof *options);
    if (options == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    memcpy(options, x.options, count * sizeof *options);
    for (uint32_t step = from; step < count && !x.stop_now; step++) {
        deviate_at(left, step, options[step]);
    }
    free(options);
}

static void start(const struct x_scenario *s)
{
    x.scenario = s;
    x.result = (struct x_result){.complete = true};
    x.plan_count = 0;
    x.random = false;
    x.stop_now = false;
}

struct x_result x_explore(const struct x_scenario *s, struct x_bounds bounds, double limit_s)
{
    double begin = seconds();
    start(s);
    x.end_s = begin + limit_s;
    explore(bounds, 0);
    x.result.seconds = seconds() - begin;
    return x.result;
}

struct x_result x_random(const struct x_scenario *s, uint64_t seed, double limit_s)
{
    double begin = seconds();
    start(s);
    x.seed = seed * 2654435761u + 88172645463325252u;
    x.end_s = begin + limit_s;
    x.result.complete = false;
    while (!x.stop_now && seconds() < x.end_s) {
        x.plan_count = 0;
        x.random = true;
        x.odds = 4u << (random_next() % 4u);
        run((struct x_bounds){8, 2, 1});
        if (x.failed) {
            report_failure();
        }
    }
    x.random = false;
    x.result.seconds = seconds() - begin;
    return x.result;
}

static bool read_plan(const char *text)
{
    static const char kinds[] = "shafcgk";
    x.plan_count = 0;
    while (*text != 0 && strcmp(text, "-") != 0) {
        struct x_decision *d = &x.plan[x.plan_count];
        char *end = NULL;
        const char *kind;
        if (x.plan_count == X_PLAN_MAX) {
            return false;
        }
        d->step = (uint32_t)strtoul(text, &end, 10);
        kind = *end != 0 ? strchr(kinds, *end) : NULL;
        if (end == text || kind == NULL) {
            return false;
        }
        d->kind = (uint8_t)(kind - kinds);
        text = end + 1;
        if (d->kind <= X_FREE) {
            d->who = (uint8_t)strtoul(text, &end, 10);
            text = end;
        }
        x.plan_count++;
        text += *text == ',';
    }
    return true;
}

bool x_replay(const struct x_scenario *s, const char *plan, bool *ret_failed)
{
    start(s);
    if (!read_plan(plan)) {
        return false;
    }
    x.tracing = true;
    run((struct x_bounds){0, 0, 0});
    x.tracing = false;
    if (x.failed) {
        printf("=> %s\n", x.message);
    }
    *ret_failed = x.failed;
    return true;
}

void x_end_of_call(void)
{
    access_done();
    if (x.current >= x.actor_count) {
        drain(x.current, 0);
    }
}

bool x_is_pending(void)
{
    return x.actors[x.current].buffered > 0;
}

uint64_t x_view(uint32_t process, const sb_word *w)
{
    for (uint32_t k = 0; k < x.actor_count; k++) {
        const struct actor *a = &x.actors[k];
        for (uint32_t i = a->process == process ? a->buffered : 0; i-- > 0;) {
            if (a->buffer[i].word == w) {
                return a->buffer[i].value;
            }
        }
    }
    return w->v;
}

void x_flush_all(void)
{
    for (uint32_t i = 0; i < x.actor_count; i++) {
        drain(i, 0);
    }
}

void x_init(const struct x_world *world)
{
    x.world = world;
}
