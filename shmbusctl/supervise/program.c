/* SPDX-License-Identifier: MIT */
/* The slots of a program: who is started in them, and what follows from a death. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "sup.h"

/* ---------------------------------------------------------------------------------------- slots */

void sup_slot_follow(struct sup_slot *slot, struct sup_spec *file, uint32_t generation)
{
    sup_spec_take(file);
    sup_spec_drop(slot->file);
    slot->file = file;
    slot->generation = generation;
}

static void note_start(struct sup_slot *slot, int64_t now_ns)
{
    slot->starts[slot->start_count++ % (sizeof slot->starts / sizeof slot->starts[0])] = now_ns;
}

void sup_slot_start(struct sup_program *p, struct sup_slot *slot, bool as_next,
                    enum sup_reason reason)
{
    struct sup_rollout *r = &p->rollout;
    bool by_rollout = as_next && r->active;
    struct sup_worker *w = sup_worker_new(p, by_rollout ? r->to : slot->file);

    w->index = (uint32_t)(slot - p->slots);
    w->generation = by_rollout ? r->to_generation : slot->generation;
    w->reason = reason;
    w->old_pid = slot->current != NULL ? slot->current->pid : slot->old_pid;
    *(as_next ? &slot->next : &slot->current) = w;
    if (reason < SUP_RELOAD) { /* what nobody asked for; the limit of starts is about that */
        note_start(slot, p->s->now_ns);
    }
    if (reason != SUP_FIRST) {
        p->restarts[reason]++;
    }
    if (!sup_spawn(w)) {
        w->dead = true;
    }
    p->s->again = true;
    sup_event(p->s, w, "start", false, "%s pid %d, generation %u, instance %u: %s%s", p->name,
              w->pid, w->generation, w->index, sup_reason_names[reason],
              w->dead ? "; it could not be started" : "");
}

/* Who comes next comes in nobody's place. */
static void forget_old(struct sup_slot *slot)
{
    slot->old_pid = 0;
    slot->old_stop_ns = 0;
}

/* New slots begin with what the first one runs; a rollout that is under way leads them on. */
static void empty_slot(struct sup_program *p, struct sup_slot *slot)
{
    uint32_t generation = p->slots[0].file != NULL ? p->slots[0].generation : p->generation;

    sup_slot_follow(slot, p->file, generation);
    slot->done = slot->given_up = false;
    slot->failures = slot->start_count = 0;
    slot->start_ns = 0;
    slot->start_reason = SUP_SCALE;
    forget_old(slot);
}

void sup_program_resize(struct sup_program *p, uint32_t target)
{
    if (target > p->slot_count) {
        p->slots = sup_realloc(p->slots, target, sizeof *p->slots);
        memset(p->slots + p->slot_count, 0, (target - p->slot_count) * sizeof *p->slots);
        p->slot_count = target;
    }
    for (uint32_t i = p->target; i < target; i++) {
        if (p->slots[i].current == NULL) {
            empty_slot(p, &p->slots[i]);
        }
    }
    p->target = target;
    p->s->again = true;
    p->s->dirty = true;
}

/* ------------------------------------------------------------------------------------- programs */

struct sup_program *sup_program_add(struct sup *s, struct sup_spec *file, const char *name)
{
    struct sup_program *p = sup_zalloc(sizeof *p);

    p->s = s;
    p->name = sup_strdup(name);
    p->file = sup_spec_take(file);
    p->spec = sup_spec_program(file, name);
    p->wanted = true;
    p->generation = 1;
    s->programs = sup_realloc(s->programs, s->program_count + 1, sizeof(void *));
    s->programs[s->program_count++] = p;
    sup_program_resize(p, p->spec->count);
    for (uint32_t i = 0; i < p->slot_count; i++) {
        p->slots[i].start_reason = SUP_FIRST;
    }
    return p;
}

void sup_program_free(struct sup_program *p)
{
    sup_control_forget(p->s, p);
    while (p->workers != NULL) {
        sup_worker_free(p->workers);
    }
    for (uint32_t i = 0; i < p->slot_count; i++) {
        sup_spec_drop(p->slots[i].file);
    }
    sup_spec_drop(p->rollout.to);
    sup_spec_drop(p->rollout.from);
    sup_spec_drop(p->reload_file);
    sup_spec_drop(p->file);
    free(p->slots);
    free(p->name);
    free(p);
}

struct sup_program *sup_program_find(const struct sup *s, const char *name)
{
    for (size_t i = 0; i < s->program_count; i++) {
        if (strcmp(s->programs[i]->name, name) == 0) {
            return s->programs[i];
        }
    }
    return NULL;
}

uint32_t sup_program_ready_count(const struct sup_program *p)
{
    uint32_t ready = 0;

    for (uint32_t i = 0; i < p->target; i++) {
        const struct sup_worker *w = p->slots[i].current;

        ready += w != NULL && w->state == SUP_READY;
    }
    return ready;
}

bool sup_program_settled(const struct sup_program *p)
{
    if (!p->wanted) {
        return p->workers == NULL;
    }
    for (uint32_t i = 0; i < p->target; i++) {
        const struct sup_slot *slot = &p->slots[i];
        bool ready = slot->current != NULL && slot->current->state == SUP_READY;

        if (!ready && !slot->done && !slot->given_up) {
            return false;
        }
    }
    return true;
}

const char *sup_program_state(const struct sup_program *p)
{
    uint32_t done = 0, given_up = 0, ready = sup_program_ready_count(p);

    for (uint32_t i = 0; i < p->target; i++) {
        done += p->slots[i].done;
        given_up += p->slots[i].given_up;
    }
    if (given_up > 0) {
        return "given-up";
    }
    if (!p->wanted) {
        return p->workers == NULL ? "stopped" : "stopping";
    }
    if (p->rollout.active) {
        return p->rollout.rolling_back ? "rolling-back" : "reloading";
    }
    if (ready == p->target) {
        return "ready";
    }
    if (ready + done == p->target) {
        return "done";
    }
    if (p->held) {
        return "waiting";
    }
    for (uint32_t i = 0; i < p->target; i++) {
        if (sup_slot_is_empty(&p->slots[i]) && p->slots[i].start_ns > p->s->now_ns) {
            return "back-off";
        }
    }
    return "starting";
}

bool sup_slot_is_empty(const struct sup_slot *slot)
{
    return slot->current == NULL && slot->next == NULL;
}

const char *sup_slot_state(const struct sup_program *p, const struct sup_slot *slot)
{
    return slot->given_up                  ? "given-up"
           : slot->done                    ? "done"
           : p->held                       ? "waiting"
           : slot->start_ns > p->s->now_ns ? "back-off"
                                           : "starting";
}

void sup_program_wake(struct sup_program *p)
{
    for (uint32_t i = 0; i < p->slot_count; i++) {
        struct sup_slot *slot = &p->slots[i];

        if (slot->done || slot->given_up || !p->wanted) {
            slot->done = slot->given_up = false;
            slot->start_count = slot->failures = 0;
            slot->start_ns = 0;
            slot->start_reason = SUP_OPERATOR;
            forget_old(slot);
        }
    }
    p->wanted = true;
    p->s->again = p->s->dirty = true;
}

/* ----------------------------------------------------------------------------- what deaths mean */

static void give_up(struct sup_program *p, struct sup_slot *slot, const struct sup_worker *w,
                    const char *why)
{
    slot->given_up = true;
    sup_event(p->s, w, "given-up", true,
              "%s is given up: %s; see the log, then `shmbusctl start %s %s`", p->name, why,
              p->s->file->bus, p->name);
    sup_group_give_up(p);
}

static enum sup_reason reason_of(const struct sup_worker *w, enum sup_outcome outcome)
{
    return w->stop_asked               ? w->stop_reason
           : !w->ours                  ? SUP_UNKNOWN
           : outcome == SUP_ENDED_WELL ? SUP_EXIT
                                       : SUP_CRASH;
}

static void plan_restart(struct sup_program *p, struct sup_slot *slot, const struct sup_worker *w,
                         enum sup_outcome outcome)
{
    const struct sup_restart_spec *r = &w->spec->restart;
    bool stable = w->ready_ns != 0 && p->s->now_ns - w->ready_ns >= r->stable_ns;
    char why[96];

    slot->failures = stable ? 0 : slot->failures;
    slot->start_ns =
        p->s->now_ns + sup_backoff_ns(r, w->ready_ns != 0 ? slot->failures : slot->failures + 1);
    slot->failures++;
    slot->start_reason = reason_of(w, outcome);
    if (sup_too_many_starts(slot, r, p->s->now_ns)) {
        snprintf(why, sizeof why, "%u starts in %.0f s are the limit", r->starts,
                 (double)r->within_ns / 1e9);
        give_up(p, slot, w, why);
    } else if (sup_group_restart(p)) {
        slot->start_reason = SUP_GROUP;
    }
}

/* An end that nobody here asked for, or the one of who never became ready. */
static void judge(struct sup_program *p, struct sup_slot *slot, const struct sup_worker *w)
{
    enum sup_outcome outcome = sup_outcome_of(w);

    if (outcome == SUP_PERMANENT) {
        give_up(p, slot, w, "it ended with a code that means a permanent failure");
    } else if (sup_policy_restarts(&w->spec->restart, outcome)) {
        plan_restart(p, slot, w, outcome);
    } else {
        slot->done = true;
        sup_event(p->s, w, "done", outcome != SUP_ENDED_WELL,
                  "%s instance %u is not started again: policy %s", p->name, w->index,
                  sup_policy_names[w->spec->restart.policy]);
    }
}

static void bury_current(struct sup_program *p, struct sup_slot *slot)
{
    struct sup_worker *w = slot->current;
    bool own_death =
        !w->stop_asked || w->stop_reason == SUP_NOT_READY || w->stop_reason == SUP_WATCHDOG;

    slot->current = NULL;
    if (p->wanted && w->index < p->target && (!w->stop_asked || slot->old_stop_ns != 0)) {
        slot->old_pid = w->pid;
    } else {
        forget_old(slot); /* stopped by an operator, who may have started it again meanwhile */
    }
    if (sup_rollout_covers(p, w)) {
        sup_rollout_fail(p, w);
    } else if (own_death && slot->next == NULL && p->wanted && w->index < p->target) {
        judge(p, slot, w);
    } else {
        slot->start_ns = 0;
        slot->start_reason = reason_of(w, SUP_FAILED);
    }
    sup_worker_free(w);
    p->s->again = true;
}

static void bury(struct sup_program *p)
{
    struct sup_worker *w, *next;

    for (uint32_t i = 0; i < p->slot_count; i++) {
        struct sup_slot *slot = &p->slots[i];

        if (slot->current != NULL && slot->current->dead) {
            bury_current(p, slot);
        }
        if (slot->next != NULL && slot->next->dead) {
            w = slot->next;
            slot->next = NULL;
            sup_rollout_fail(p, w);
            sup_worker_free(w);
            p->s->again = true;
        }
    }
    for (w = p->workers; w != NULL; w = next) { /* those who had left their slots */
        next = w->next;
        if (w->dead) {
            sup_worker_free(w);
            p->s->again = true;
        }
    }
}

/* ---------------------------------------------------------------------------------------- steps */

static void stop_slot(struct sup_slot *slot, enum sup_reason reason)
{
    if (slot->current != NULL) {
        sup_worker_stop(slot->current, reason);
    }
    if (slot->next != NULL) {
        sup_worker_stop(slot->next, reason);
    }
}

static void fill_slot(struct sup_program *p, struct sup_slot *slot)
{
    if (slot->current != NULL || slot->next != NULL || slot->done || slot->given_up) {
        return;
    }
    if (p->s->now_ns < slot->start_ns) {
        sup_due(p->s, slot->start_ns);
        return;
    }
    if (!sup_take_over(p, slot)) {
        sup_slot_start(p, slot, false, slot->start_reason);
    }
}

/* The last instance goes first. */
static void stop_surplus(struct sup_program *p, bool all)
{
    enum sup_reason reason = p->s->stopping ? SUP_SHUTDOWN
                             : !p->wanted   ? SUP_OPERATOR
                             : all          ? SUP_GROUP
                                            : SUP_SCALE;

    for (uint32_t i = p->slot_count; i-- > 0;) {
        if (all || i >= p->target) {
            stop_slot(&p->slots[i], reason);
        }
    }
}

void sup_program_step(struct sup_program *p)
{
    bool runs;

    for (struct sup_worker *w = p->workers; w != NULL; w = w->next) {
        sup_worker_step(w);
    }
    bury(p);
    runs = p->wanted && !p->held;
    stop_surplus(p, !runs);
    sup_rollout_step(p);
    sup_recycle_step(p);
    for (uint32_t i = 0; runs && i < p->target; i++) {
        if (!sup_rollout_owns_slot(p, i)) {
            fill_slot(p, &p->slots[i]);
        }
    }
}
