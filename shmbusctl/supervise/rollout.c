/* SPDX-License-Identifier: MIT */
/*
 * A new generation takes over. With max_unavailable 0 it starts beside the old one, and the old one
 * is told to go only when the new one is ready; otherwise the old ones of a batch go first.
 *
 * A new worker that dies or does not become ready ends the rollout: the new ones are stopped, the
 * old ones stay, and slots that had changed already are led back in the same way. Asked for a
 * further one meanwhile, it begins when this one is over: no readiness check is ever cut short.
 */
#include "sup.h"

bool sup_rollout_owns_slot(const struct sup_program *p, uint32_t index)
{
    const struct sup_rollout *r = &p->rollout;

    return r->active && index >= r->cursor && index < r->end &&
           p->slots[index].generation != r->to_generation;
}

/* Of a slot that was emptied for the new generation: its death is that of the rollout. */
bool sup_rollout_covers(const struct sup_program *p, const struct sup_worker *w)
{
    const struct sup_rollout *r = &p->rollout;
    bool own_death = !w->stop_asked || w->stop_reason == SUP_NOT_READY;

    return own_death && r->active && !r->rolling_back && w->generation == r->to_generation &&
           w->index >= r->cursor && w->index < r->end;
}

void sup_rollout_ask(struct sup_program *p, struct sup_spec *file, enum sup_reason reason)
{
    p->reloads_asked++;
    sup_spec_take(file);
    sup_spec_drop(p->reload_file);
    p->reload_file = file;
    p->reload_reason = reason;
    p->s->again = p->s->dirty = true;
}

static void accept_file(struct sup_program *p, struct sup_spec *file)
{
    sup_spec_take(file);
    sup_spec_drop(p->file);
    p->file = file;
    p->spec = sup_spec_program(file, p->name);
}

static void stop_new_ones(struct sup_program *p)
{
    for (uint32_t i = 0; i < p->slot_count; i++) {
        struct sup_worker *w = p->slots[i].next;

        p->slots[i].next = NULL; /* it leaves on its own from here */
        if (w != NULL && !w->dead) {
            sup_worker_stop(w, SUP_ROLL_BACK);
        }
    }
}

static void begin(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    sup_spec_drop(r->to);
    sup_spec_drop(r->from);
    *r = (struct sup_rollout){.active = true,
                              .number = p->reloads_asked,
                              .failed_number = r->failed_number,
                              .to = sup_spec_take(p->reload_file),
                              .from = sup_spec_take(p->file),
                              .from_generation = p->target > 0 ? p->slots[0].generation : 0,
                              .to_generation = ++p->generation,
                              .old_target = p->target,
                              .reason = p->reload_reason};
    r->new_target =
        p->reload_reason == SUP_RELOAD ? sup_spec_program(r->to, p->name)->count : p->target;
    r->end = r->new_target;
    if (r->new_target > p->target) {
        sup_program_resize(p, r->new_target);
    }
    stop_new_ones(p); /* of workers that were being recycled */
    p->s->dirty = true;
    sup_event_of(p->s, p, "reload", false, "%s: generation %u begins beside %u", p->name,
                 r->to_generation, r->from_generation);
}

static void finish(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    r->active = false;
    if (!r->rolling_back) {
        accept_file(p, r->to);
        sup_program_resize(p, r->new_target);
        sup_event_of(p->s, p, "reloaded", false, "%s: generation %u has taken over", p->name,
                     r->to_generation);
    }
    p->s->again = p->s->dirty = true;
}

/* Nothing has failed, something else comes first: the group is restarted, or the operator stops
 * it. */
static void set_aside(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    r->active = false;
    if (p->wanted) {
        r->number--; /* asked for still: it begins anew */
    } else {
        r->failed_number = r->number;
    }
    p->s->dirty = true;
}

static uint32_t window_end(const struct sup_program *p)
{
    const struct sup_rollout *r = &p->rollout;
    const struct sup_program_spec *spec = sup_spec_program(r->to, p->name);
    uint32_t size = spec->reload_batch > 0 ? spec->reload_batch : r->end;

    if (spec->max_unavailable > 0 && size > spec->max_unavailable) {
        size = spec->max_unavailable;
    }
    return r->end - r->cursor < size ? r->end : r->cursor + size;
}

static void follow(struct sup_program *p, struct sup_slot *slot)
{
    sup_slot_follow(slot, p->rollout.to, p->rollout.to_generation);
    slot->failures = 0;
    slot->done = slot->given_up = false;
    slot->start_ns = 0;
    slot->start_reason = p->rollout.reason;
}

static void promote(struct sup_program *p, uint32_t end)
{
    struct sup_rollout *r = &p->rollout;

    for (; r->cursor < end; r->cursor++) {
        struct sup_slot *slot = &p->slots[r->cursor];
        struct sup_worker *old = slot->current;

        if (slot->next == NULL) {
            continue;
        }
        slot->current = slot->next;
        slot->next = NULL;
        follow(p, slot);
        if (old != NULL) {
            sup_worker_stop(old, r->reason);
            sup_worker_say_replaced(slot->current);
        }
    }
    p->s->again = p->s->dirty = true;
}

static void step_beside(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;
    uint32_t end = window_end(p);
    bool all = true;

    for (uint32_t i = r->cursor; i < end; i++) {
        struct sup_slot *slot = &p->slots[i];

        if (slot->generation == r->to_generation) {
            continue; /* led back past it, or promoted before */
        }
        if (slot->next == NULL) {
            sup_slot_start(p, slot, true, r->reason);
        }
        if (slot->next->state == SUP_STOPPING) { /* not ready in time */
            sup_rollout_fail(p, slot->next);
            return;
        }
        all = all && slot->next->state == SUP_READY;
    }
    if (all) {
        promote(p, end);
    }
}

static void step_in_place(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;
    uint32_t end = window_end(p);
    bool all = true;

    for (uint32_t i = r->cursor; i < end; i++) {
        struct sup_slot *slot = &p->slots[i];

        if (slot->generation != r->to_generation) {
            if (slot->current != NULL) {
                sup_worker_stop(slot->current, r->reason);
            } else {
                follow(p, slot);
                sup_slot_start(p, slot, false, r->reason);
            }
        }
        all = all && slot->generation == r->to_generation && slot->current != NULL &&
              slot->current->state == SUP_READY;
    }
    if (all) {
        r->cursor = end;
        p->s->again = p->s->dirty = true;
    }
}

static void lead_back(struct sup_program *p, uint32_t changed)
{
    struct sup_rollout *r = &p->rollout;
    struct sup_spec *bad = r->to;

    r->to = r->from;
    r->from = bad;
    r->to_generation = r->from_generation;
    r->rolling_back = true;
    r->reason = SUP_ROLL_BACK;
    r->cursor = 0;
    r->end = changed < r->old_target ? changed : r->old_target;
    sup_program_resize(p, r->old_target);
    if (r->end == 0) {
        finish(p);
    }
}

/* The way back has failed as well: the slots follow the old file, and the policy does the rest. */
static void lead_back_failed(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    stop_new_ones(p);
    for (uint32_t i = 0; i < r->end; i++) {
        struct sup_slot *slot = &p->slots[i];

        if (slot->generation != r->to_generation) {
            follow(p, slot);
            if (slot->current != NULL) {
                sup_worker_stop(slot->current, SUP_ROLL_BACK);
            }
        }
    }
    finish(p);
}

void sup_rollout_fail(struct sup_program *p, const struct sup_worker *w)
{
    struct sup_rollout *r = &p->rollout;
    bool in_place = w->spec->max_unavailable > 0;
    uint32_t changed = in_place ? window_end(p) : r->cursor;

    if (!r->active) {
        return;
    }
    if (r->rolling_back) {
        lead_back_failed(p);
        return;
    }
    r->failed_number = r->number;
    sup_event(p->s, w, "rolled-back", true,
              "%s: generation %u is not used: pid %d %s; generation %u stays", p->name,
              r->to_generation, w->pid,
              w->dead ? "died before all were ready" : "was not ready within its deadline",
              r->from_generation);
    stop_new_ones(p);
    lead_back(p, changed);
}

static bool may_begin(const struct sup_program *p)
{
    return p->reloads_asked > p->rollout.number && !p->held && !p->s->stopping;
}

/* There is nobody to be replaced: the next start is of the new file. */
static void follow_at_once(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    r->number = p->reloads_asked;
    accept_file(p, p->reload_file);
    for (uint32_t i = 0; i < p->slot_count; i++) {
        sup_slot_follow(&p->slots[i], p->file, p->generation);
    }
    if (p->reload_reason == SUP_RELOAD && p->spec != NULL) {
        sup_program_resize(p, p->spec->count);
    }
}

void sup_rollout_step(struct sup_program *p)
{
    struct sup_rollout *r = &p->rollout;

    if (!r->active && may_begin(p)) {
        if (!p->wanted) {
            follow_at_once(p);
            return;
        }
        begin(p);
    }
    if (!r->active) {
        return;
    }
    if (!p->wanted || p->held) {
        set_aside(p);
        return;
    }
    if (r->cursor >= r->end) {
        finish(p);
    } else if (sup_spec_program(r->to, p->name)->max_unavailable > 0) {
        step_in_place(p);
    } else {
        step_beside(p);
    }
}
