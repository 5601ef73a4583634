/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a worker that says nothing and gets nothing done is shown as stalled; where that
 * was asked for, it is ended. A paused one only where that, too, was asked for.
 *
 * A worker that has sent WATCHDOG=1 (sd_notify) once is expected to go on with that. Otherwise its
 * row on the bus counts: heartbeat and progress. A worker with neither is not watched.
 */
#include "sup.h"
#include "usage.h"

#define LOOK_NS SUP_SECOND
#define ABORT_GRACE_NS (10 * SUP_SECOND)

static void end_stalled(struct sup_worker *w)
{
    sup_event(w->program->s, w, "watchdog", true, "SIGABRT to pid %d of %s: stalled", w->pid,
              w->program->name);
    sup_worker_abort(w, ABORT_GRACE_NS);
}

#define LATE_NS SUP_SECOND /* so much later may a thread run on a busy machine, and be well */

/* A call that waits beats once in the interval of the bus: one that was missed is no silence. */
static int64_t row_limit(struct sup_program *p, int64_t after_ns)
{
    int64_t least_ns = 2 * p->s->beat_interval_ns + LATE_NS;

    if (after_ns >= least_ns) {
        return after_ns;
    }
    if (!p->said_watchdog) {
        p->said_watchdog = true;
        sup_event_of(p->s, p, "watchdog", false,
                     "%s: `watchdog: {after: ...}` counts as %.1f s, since who waits on this bus "
                     "beats every %.1f s; its plan may set `heartbeat: {interval: ...}`",
                     p->name, (double)least_ns / 1e9, (double)p->s->beat_interval_ns / 1e9);
    }
    return least_ns;
}

struct silence {
    int64_t age_ns;   /* since its last sign of life */
    int64_t still_ns; /* of that, what counts */
    int64_t limit_ns;
};

/* False: it is not watched. What passed while this supervisor itself was stopped (a frozen
 * container) does not count: the workers may have been stopped with it. */
static bool look(struct sup_worker *w, struct silence *ret)
{
    struct sup *s = w->program->s;
    struct sup_beat *b = &w->beat;
    const struct shmbus_process_stat *row = b->told_ns == 0 ? sup_bus_beat_of(s, w) : NULL;
    /* Read after the row: who was stopped in the middle of a round must not hold an age of now
     * against the time of then. */
    int64_t now_ns = sup_now_ns();
    bool slept = now_ns - b->looked_ns > 3 * LOOK_NS;

    b->looked_ns = now_ns;
    if (row == NULL && b->told_ns == 0) {
        return false;
    }
    if (slept || (row != NULL && (row->progress != b->progress || row->life == SHMBUS_LIFE_IDLE))) {
        b->progress = row != NULL ? row->progress : 0; /* idle: nothing in hand, in no call */
        b->since_ns = now_ns;
    }
    ret->age_ns = row != NULL ? row->heartbeat_age_ns : now_ns - b->told_ns;
    ret->still_ns = now_ns - b->since_ns;
    if (ret->age_ns < ret->still_ns) {
        ret->still_ns = ret->age_ns;
    }
    ret->limit_ns = w->spec->watchdog.after_ns;
    if (row != NULL) {
        ret->limit_ns = row_limit(w->program, ret->limit_ns);
    }
    return true;
}

void sup_watchdog_look(struct sup_worker *w)
{
    const struct sup_watchdog_spec *d = &w->spec->watchdog;
    struct sup *s = w->program->s;
    struct silence silence;

    sup_due(s, s->now_ns + LOOK_NS);
    if (!look(w, &silence)) {
        return;
    }
    if (silence.still_ns < silence.limit_ns) {
        if (w->beat.stalled) {
            sup_event(s, w, "recovered", false, "%s pid %d moves again", w->program->name, w->pid);
        }
        w->beat.stalled = false;
        sup_due(s, s->now_ns + silence.limit_ns - silence.still_ns);
        return;
    }
    if (w->beat.stalled) {
        return;
    }
    w->beat.stalled = true;
    sup_event(s, w, "stalled", true, "%s pid %d has not moved for %.1f s%s", w->program->name,
              w->pid, (double)silence.age_ns / 1e9, sup_is_paused(w->pid) ? ": it is paused" : "");
    if (d->abort && (d->even_paused || !sup_is_paused(w->pid))) {
        end_stalled(w);
    }
}
