/* SPDX-License-Identifier: MIT */
/* What `shmbusctl status` shows, as JSON: programs, and their workers sorted by number. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../json.h"
#include "memory.h"
#include "sup.h"
#include "usage.h"

static const char *role_of(const struct sup_worker *w)
{
    const struct sup_slot *slot =
        w->index < w->program->slot_count ? &w->program->slots[w->index] : NULL;

    if (slot != NULL && slot->current == w) {
        return "current";
    }
    return slot != NULL && slot->next == w ? "next" : "leaving";
}

static struct json_object *worker_json(struct sup *s, const struct sup_worker *w)
{
    struct json_object *o = json_object_new_object();
    const struct shmbus_process_stat *row = sup_bus_beat_of(s, w);

    json_add_count(o, "instance", w->index);
    json_add_count(o, "generation", w->generation);
    json_add_signed(o, "pid", w->pid);
    json_add_text(o, "state", sup_state_names[w->state]);
    json_add_text(o, "role", role_of(w));
    json_add_text(o, "reason", sup_reason_names[w->reason]);
    json_add_bool(o, "child", w->ours);
    json_add_signed(o, "started_realtime_ns", w->started_realtime_ns);
    json_add_signed(o, "age_ns", s->now_ns - w->started_ns);
    json_add_count(o, "memory_bytes", sup_anonymous_bytes(w->pid));
    json_add_number(o, "cpu_seconds", sup_cpu_seconds(w->pid));
    if (w->status != NULL) {
        json_add_text(o, "status", w->status);
    }
    if (row != NULL) {
        json_add_count(o, "messages", row->counters[SHMBUS_COUNT_received]);
        json_add_count(o, "held", row->held_blocks);
        json_add_count(o, "progress", row->progress);
        json_add_signed(o, "heartbeat_age_ns", row->heartbeat_age_ns);
        json_add_bool(o, "stalled", row->life == SHMBUS_LIFE_STALLED || w->beat.stalled);
    }
    return o;
}

static int by_number(const void *a, const void *b)
{
    const struct sup_worker *x = *(const struct sup_worker *const *)a,
                            *y = *(const struct sup_worker *const *)b;

    if (x->generation != y->generation) {
        return x->generation < y->generation ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static struct json_object *workers_json(struct sup *s, const struct sup_program *p)
{
    struct json_object *array = json_object_new_array();
    const struct sup_worker **sorted = NULL;
    size_t count = 0;

    for (const struct sup_worker *w = p->workers; w != NULL; w = w->next) {
        sorted = sup_realloc(sorted, count + 1, sizeof(void *));
        sorted[count++] = w;
    }
    if (count > 0) {
        qsort(sorted, count, sizeof(void *), by_number);
    }
    for (size_t i = 0; i < count; i++) {
        json_object_array_add(array, worker_json(s, sorted[i]));
    }
    free(sorted);
    return array;
}

/* Places where nobody is, and why. */
static struct json_object *empty_json(const struct sup *s, const struct sup_program *p)
{
    struct json_object *array = json_object_new_array();

    for (uint32_t i = 0; p->wanted && i < p->target; i++) {
        const struct sup_slot *slot = &p->slots[i];
        struct json_object *o;

        if (!sup_slot_is_empty(slot)) {
            continue;
        }
        o = json_object_new_object();
        json_add_count(o, "instance", i);
        json_add_count(o, "generation", slot->generation);
        json_add_text(o, "state", sup_slot_state(p, slot));
        json_add_text(o, "reason", sup_reason_names[slot->start_reason]);
        if (slot->start_ns > s->now_ns) {
            json_add_signed(o, "left_ns", slot->start_ns - s->now_ns);
        }
        json_object_array_add(array, o);
    }
    return array;
}

static void add_exit(struct json_object *o, const struct sup_program *p)
{
    char how[64];

    if (!p->has_exit) {
        return;
    }
    sup_death_text(p->last_exit_known, p->last_exit, how, sizeof how);
    json_add_text(o, "last_exit", how);
    if (p->last_exit_known && WIFEXITED(p->last_exit)) {
        json_add_signed(o, "last_exit_code", WEXITSTATUS(p->last_exit));
    } else if (p->last_exit_known) {
        json_add_signed(o, "last_exit_signal", WTERMSIG(p->last_exit));
    }
}

/* Over all workers; CPU time also of those that have ended, so that it never falls. */
static void add_use(struct json_object *o, const struct sup_program *p)
{
    uint64_t up = 0, memory_bytes = 0;
    double cpu_s = p->ended_cpu_s;

    for (const struct sup_worker *w = p->workers; w != NULL; w = w->next) {
        if (!w->dead) {
            up++;
            memory_bytes += sup_anonymous_bytes(w->pid);
            cpu_s += sup_cpu_seconds(w->pid);
        }
    }
    json_add_count(o, "up", up);
    json_add_count(o, "memory_bytes", memory_bytes);
    json_add_number(o, "cpu_seconds", cpu_s);
}

static double backoff_seconds(const struct sup *s, const struct sup_program *p)
{
    int64_t most_ns = 0;

    for (uint32_t i = 0; i < p->target; i++) {
        const struct sup_slot *slot = &p->slots[i];

        if (slot->current == NULL && slot->start_ns - s->now_ns > most_ns) {
            most_ns = slot->start_ns - s->now_ns;
        }
    }
    return (double)most_ns / 1e9;
}

static struct json_object *program_json(struct sup *s, const struct sup_program *p)
{
    struct json_object *o = json_object_new_object(), *restarts = json_object_new_object(),
                       *rollout = json_object_new_object();
    const struct sup_group *group = sup_group_of(p);

    json_add_text(o, "name", p->name);
    json_add_text(o, "state", sup_program_state(p));
    json_add_count(o, "wanted", p->wanted ? p->target : 0);
    json_add_count(o, "ready", sup_program_ready_count(p));
    json_add_count(o, "generation", p->slot_count > 0 ? p->slots[0].generation : 0);
    if (group != NULL) {
        json_add_text(o, "group", group->name);
    }
    for (int i = 0; i < SUP_REASON_COUNT; i++) {
        if (p->restarts[i] > 0) {
            json_add_count(restarts, sup_reason_names[i], p->restarts[i]);
        }
    }
    json_add(o, "restarts", restarts);
    json_add_number(o, "backoff_seconds", backoff_seconds(s, p));
    add_exit(o, p);
    add_use(o, p);
    json_add_bool(rollout, "active", p->rollout.active);
    json_add_bool(rollout, "rolling_back", p->rollout.active && p->rollout.rolling_back);
    json_add_count(rollout, "number", p->rollout.number);
    json_add_count(rollout, "asked", p->reloads_asked);
    json_add_count(rollout, "last_rolled_back", p->rollout.failed_number);
    json_add_count(rollout, "to_generation", p->rollout.to_generation);
    json_add_count(rollout, "slots_done", p->rollout.active ? p->rollout.cursor : 0);
    json_add_count(rollout, "slots", p->rollout.active ? p->rollout.end : 0);
    json_add(o, "rollout", rollout);
    json_add(o, "workers", workers_json(s, p));
    json_add(o, "empty", empty_json(s, p));
    return o;
}

struct json_object *sup_status_json(struct sup *s, const struct sup_program *only)
{
    struct json_object *o = json_document(), *programs = json_object_new_array(),
                       *supervisor = json_object_new_object();

    json_add_text(o, "bus", s->file->bus);
    json_add_signed(supervisor, "pid", getpid());
    json_add_text(supervisor, "file", s->path);
    json_add_signed(supervisor, "age_ns", s->now_ns - s->started_ns);
    json_add_bool(supervisor, "sees_bus", s->bus != NULL);
    json_add_bool(supervisor, "stopping", s->stopping);
    json_add_count(supervisor, "events_lost", s->events_lost);
    json_add_count(supervisor, "alerts_lost", s->alerts_lost);
    json_add(o, "supervisor", supervisor);
    for (size_t i = 0; i < s->program_count; i++) {
        if (only == NULL || only == s->programs[i]) {
            json_object_array_add(programs, program_json(s, s->programs[i]));
        }
    }
    json_add(o, "programs", programs);
    return o;
}
