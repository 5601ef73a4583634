/* SPDX-License-Identifier: MIT */
/*
 * The schedule explorer: simulated processes are coroutines of this one program, and every access
 * of the library to a shared word (SB_EXPLORE in libshmbus/base/atomic.h) is a place where the
 * explorer may go on, switch, kill or stop. A schedule is the list of places where it did not go
 * on; all lists within the bounds are tried, each by running the scenario from its beginning.
 *
 * The memory is that of x86: a plain store may stay in its processor's buffer while others go on,
 * and its own process is in later calls, until a locked operation, a fence, or its turn comes; that
 * is one more thing to choose at a switch. Weaker orders are argued in doc/memory-model.md.
 */
#ifndef T_EXPLORE_H
#define T_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_word;

#define X_ACTORS_MAX 8u
#define X_PLAN_MAX 64u
#define X_STEPS_MAX 4000u

/* How far from "never switch" the schedules may be. */
struct x_bounds {
    uint32_t preemptions;
    uint32_t crashes;
    uint32_t stops;
};

enum x_kind {
    X_SWITCH,    /* somebody else goes on although this one could */
    X_HOLD_ONE,  /* the same; the last store of this one is not seen before it goes on */
    X_HOLD_ALL,  /* the same; none of the stores since the last fence is seen */
    X_FREE,      /* this one cannot go on; not the first of the others does */
    X_CRASH,     /* its process is killed */
    X_STOP_GO,   /* stopped until nobody else can go on, then continued */
    X_STOP_KILL, /* the same, then killed */
};

struct x_decision {
    uint32_t step;
    uint8_t kind;
    uint8_t who;
};

struct x_scenario {
    const char *name;
    const char *text;
    void (*setup)(const void *parameter); /* makes the world, spawns the actors */
    const void *parameter;
    struct x_bounds bounds; /* in a full run */
    struct x_bounds quick;  /* with QUICK=1 */
    struct x_bounds more;   /* a second, deeper exploration in a full run; all 0: none */
};

/* What the world must tell the explorer and do for it. */
struct x_world {
    /* Before an access: whether it is a scheduling point. */
    bool (*is_shared)(const void *address);
    /* An access of @actor took effect. */
    void (*access_done)(uint32_t actor, const void *address, uint64_t old, uint64_t now);
    void (*killed)(uint32_t process);
    void (*stopped)(uint32_t process);
    /* Nobody can go on. Wakes somebody and returns true, or ends the schedule (false). */
    bool (*quiescent)(void);
    /* What @process is doing, as one number; and to put it back into that: returns the present. */
    uint64_t (*context)(uint32_t process);
    uint64_t (*set_context)(uint32_t process, uint64_t context);
    /* Everything that must hold at the end. */
    void (*finish)(void);
    /* For traces. */
    void (*describe)(const void *address, char *text, size_t bytes);
    void (*describe_value)(const void *address, uint64_t value, char *text, size_t bytes);
};

typedef void (*x_actor_fn)(uint32_t actor);

/* ------------------------------------------------------------------- called by setup and actors */

/* A new actor; actors with the same @process die together. @mortal: may be killed and stopped.
 * Returns its number. */
uint32_t x_spawn(const char *name, uint32_t process, bool mortal, x_actor_fn body);

/* The calling actor cannot go on until x_wake(). */
void x_block(void);
void x_wake(uint32_t actor);
bool x_is_blocked(uint32_t actor);
bool x_is_stopped(uint32_t actor);
bool x_was_killed(uint32_t actor);
bool x_is_done(uint32_t actor);
uint32_t x_actors(void);

/* The actor that is running; X_ACTORS_MAX: nobody, the world's own code. */
uint32_t x_current(void);
uint32_t x_process_of(uint32_t actor);

/* Something went wrong: ends the schedule and is reported with its trace. Does not return when
 * called by an actor. */
void x_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool x_failed(void);

/* A remark in the trace. */
void x_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool x_tracing(void);

/* Lets the stopped actor go on; false if there is none. */
bool x_thaw(void);

/* A scheduling point of the scenario's own, before it writes @address. */
void x_step(const void *address);

/* The end of a call. The stores it made may be seen later, during other calls. */
void x_end_of_call(void);
/* Whether the present actor has made stores that others do not see yet. */
bool x_is_pending(void);
/* A word as @process sees it. */
uint64_t x_view(uint32_t process, const struct sb_word *w);

/* Everybody's stores are seen by all: membarrier. */
void x_flush_all(void);

/* ------------------------------------------------------------------------------ called by main */

struct x_result {
    uint64_t schedules;
    uint64_t crashes; /* schedules with at least one */
    uint64_t stops;
    uint32_t depth; /* longest schedule, in steps */
    bool complete;
    bool failed;
    double seconds;
};

void x_init(const struct x_world *world);
/* All schedules within the bounds, up to @limit_s seconds. */
struct x_result x_explore(const struct x_scenario *s, struct x_bounds bounds, double limit_s);
/* Random ones with up to 8 deviations each, for @seconds. */
struct x_result x_random(const struct x_scenario *s, uint64_t seed, double seconds);
/* One schedule, with its trace; the plan is what a failure prints. False: malformed plan. */
bool x_replay(const struct x_scenario *s, const char *plan, bool *ret_failed);

#endif
