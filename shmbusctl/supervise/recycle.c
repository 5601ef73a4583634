/* SPDX-License-Identifier: MIT */
/*
 * Workers are replaced before it hurts: by age, by a clock, by messages, by memory. Each limit is
 * lowered by a random part, so that those who began together do not go together; no more than
 * max_unavailable (at least one) are replaced at once; and while the machine is loaded or a queue
 * is long it is put off, for so long at most.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sup.h"
#include "usage.h"

#define LOOK_NS SUP_SECOND
#define RETRY_NS (60 * SUP_SECOND)

static uint64_t lowered(uint64_t limit, uint32_t percent)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
        random = 0;
    }
    return limit - limit / 1000 * (percent * 10 * (uint64_t)(random % 1001) / 1000);
}

/* When it has become ready, or was taken over. */
static void set_limits(struct sup_worker *w)
{
    const struct sup_recycle_spec *r = &w->spec->recycle;

    w->recycle.set = true;
    w->recycle.age_ns = (int64_t)lowered((uint64_t)r->age_ns, r->jitter);
    w->recycle.messages = lowered(r->messages, r->jitter);
    w->recycle.memory_bytes = lowered(r->memory_bytes, r->jitter);
    if (w->recycle.minute == 0) { /* else it was taken over: what was missed is looked at */
        w->recycle.minute = sup_realtime_ns() / SUP_SECOND / 60;
    }
}

static void is_due(struct sup_worker *w, enum sup_reason reason)
{
    if (w->recycle.since_ns == 0) {
        w->recycle.reason = reason;
        w->recycle.since_ns = w->program->s->now_ns;
        w->program->s->again = w->program->s->dirty = true;
    }
}

static void look_at_age(struct sup_worker *w)
{
    int64_t when_ns = w->started_ns + w->recycle.age_ns;

    if (w->program->s->now_ns >= when_ns) {
        is_due(w, SUP_AGE);
    } else {
        sup_due(w->program->s, when_ns);
    }
}

/* Each minute once; those that were slept through as well, but not more than an hour of them. */
static void look_at_clock(struct sup_worker *w)
{
    const struct sup_recycle_spec *r = &w->spec->recycle;
    int64_t now_ns = sup_realtime_ns(), minute = now_ns / SUP_SECOND / 60;
    struct sup *s = w->program->s;

    if (minute - w->recycle.minute > 60 || minute < w->recycle.minute) {
        w->recycle.minute = minute - 1;
    }
    while (w->recycle.minute < minute) {
        w->recycle.minute++;
        if (w->recycle.clock_ns == 0 &&
            sup_cron_is_due(&r->cron_set, r->timezone, (time_t)(w->recycle.minute * 60))) {
            w->recycle.clock_ns = s->now_ns + (int64_t)lowered((uint64_t)r->spread_ns, 100);
            s->dirty = true;
        }
    }
    if (w->recycle.clock_ns != 0 && s->now_ns >= w->recycle.clock_ns) {
        is_due(w, SUP_CRON);
    } else if (w->recycle.clock_ns != 0) {
        sup_due(s, w->recycle.clock_ns);
    }
    sup_due(s, s->now_ns + 60 * SUP_SECOND - now_ns % (60 * SUP_SECOND));
}

static void look_at_use(struct sup_worker *w)
{
    const struct sup_recycle_spec *r = &w->spec->recycle;
    struct sup *s = w->program->s;

    sup_due(s, s->now_ns + LOOK_NS);
    if (s->now_ns - w->recycle.looked_ns < LOOK_NS) {
        return;
    }
    w->recycle.looked_ns = s->now_ns;
    if (r->memory_bytes > 0 &&
        (r->pss ? sup_pss_bytes(w->pid) : sup_anonymous_bytes(w->pid)) > w->recycle.memory_bytes) {
        is_due(w, SUP_MEMORY);
    }
    if (r->messages > 0) {
        const struct shmbus_process_stat *row = sup_bus_beat_of(s, w);

        if (row != NULL && row->counters[SHMBUS_COUNT_received] >= w->recycle.messages) {
            is_due(w, SUP_MESSAGES);
        }
    }
}

void sup_recycle_look(struct sup_worker *w)
{
    const struct sup_recycle_spec *r = &w->spec->recycle;

    if (!w->recycle.set) {
        set_limits(w);
    }
    if (w->spec->watchdog.after_ns > 0) {
        sup_watchdog_look(w);
    }
    if (w->recycle.since_ns != 0) {
        return;
    }
    if (r->age_ns > 0) {
        look_at_age(w);
    }
    if (r->cron != NULL) {
        look_at_clock(w);
    }
    if (r->memory_bytes > 0 || r->messages > 0) {
        look_at_use(w);
    }
}

/* --------------------------------------------------------------------------------- replacing */

static bool queue_is_long(struct sup *s, const struct sup_recycle_spec *r)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};
    int result = 0;

    for (uint32_t i = 0; s->bus != NULL && r->queue != NULL && result != -ENOENT; i++) {
        result = shmbus_channel_stat(s->bus, i, &stat);
        if (result == 0 && strcmp(stat.name, r->queue) == 0) {
            return stat.depth > r->queue_depth;
        }
        if (result < 0 && result != -ENODATA) {
            return false;
        }
    }
    return false;
}

static bool put_off(struct sup_worker *w)
{
    const struct sup_recycle_spec *r = &w->spec->recycle;
    struct sup *s = w->program->s;

    if (s->now_ns < w->recycle.retry_ns) {
        sup_due(s, w->recycle.retry_ns);
        return true;
    }
    if (s->now_ns - w->recycle.since_ns >= r->put_off_ns ||
        ((r->load == 0 || sup_load_average() <= r->load) && !queue_is_long(s, r))) {
        return false;
    }
    if (!w->recycle.said_put_off) {
        w->recycle.said_put_off = true;
        sup_event(s, w, "put-off", false,
                  "%s pid %d: %s, put off: the machine or the queue is busy", w->program->name,
                  w->pid, sup_reason_names[w->recycle.reason]);
    }
    sup_due(s, s->now_ns + LOOK_NS);
    return true;
}

/* The successor is ready, or could not become so; returns whether the slot is still at it. */
static bool go_on(struct sup_program *p, struct sup_slot *slot)
{
    struct sup_worker *old = slot->current, *fresh = slot->next;

    if (fresh == NULL) {
        return old != NULL && (old->state != SUP_READY);
    }
    if (fresh->state == SUP_STOPPING) {
        slot->next = NULL; /* not ready in time; it leaves, and the old one stays */
        if (old != NULL) {
            old->recycle.retry_ns = p->s->now_ns + RETRY_NS;
        }
        return false;
    }
    if (fresh->state == SUP_READY) {
        slot->current = fresh;
        slot->next = NULL;
        if (old != NULL) {
            sup_worker_stop(old, fresh->reason);
            sup_worker_say_replaced(fresh);
        }
        p->s->again = p->s->dirty = true;
        return false;
    }
    return true;
}

static void begin(struct sup_program *p, struct sup_slot *slot)
{
    struct sup_worker *w = slot->current;

    sup_event(p->s, w, "recycle", false, "%s pid %d is replaced: %s", p->name, w->pid,
              sup_reason_names[w->recycle.reason]);
    w->recycle.retry_ns = p->s->now_ns + RETRY_NS; /* should the successor die */
    if (w->spec->max_unavailable > 0) {
        sup_worker_stop(w, w->recycle.reason);
    } else {
        sup_slot_start(p, slot, true, w->recycle.reason);
    }
}

void sup_recycle_step(struct sup_program *p)
{
    uint32_t busy = 0,
             most = p->spec != NULL && p->spec->max_unavailable > 1 ? p->spec->max_unavailable : 1;

    if (p->rollout.active || !p->wanted || p->held) {
        return;
    }
    for (uint32_t i = 0; i < p->target; i++) {
        busy += go_on(p, &p->slots[i]) || p->slots[i].current == NULL;
    }
    for (uint32_t i = 0; i < p->target && busy < most; i++) {
        struct sup_slot *slot = &p->slots[i];
        struct sup_worker *w = slot->current;

        if (w != NULL && slot->next == NULL && w->state == SUP_READY && w->recycle.since_ns != 0 &&
            !put_off(w)) {
            begin(p, slot);
            busy++;
        }
    }
}
