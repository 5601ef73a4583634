/* SPDX-License-Identifier: MIT */
/*
 * The bus, as seen from here: who has a living row in its process table, and the channel that
 * events go to. A bus that is full, damaged or gone never stops the supervision; it is tried
 * again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ctl.h"
#include "memory.h"
#include "sup.h"

#define RETRY_NS (5 * SUP_SECOND)
#define BEATS_KEPT_NS (SUP_SECOND / 50)
enum { EVENT_BYTES = 2048, EVENTS_KEPT = 256 };

/* In a bus that is made here there is a channel for events that costs no blocks and never fills. */
static int make_plan(const struct sup *s, struct shmbus_plan **ret_plan)
{
    struct shmbus_channel_opts events = {.struct_bytes = sizeof events,
                                         .depth = EVENTS_KEPT,
                                         .on_full = SHMBUS_FULL_DROP_OLDEST,
                                         .order = SHMBUS_ORDER_PRODUCER,
                                         .message_bytes = EVENT_BYTES,
                                         .producers = 2};
    int r = s->file->plan != NULL ? shmbus_plan_load(s->file->plan, ret_plan)
                                  : shmbus_plan_new(0, ret_plan);

    if (r < 0) {
        return r;
    }
    r = shmbus_plan_add_channel(*ret_plan, s->file->events, &events);
    r = r < 0 && r != -EEXIST ? r : sup_commands_plan(*ret_plan);
    if (r < 0) {
        shmbus_plan_free(*ret_plan);
    }
    return r;
}

/* The bus as it is, if it is there: the plan is for one that has to be made. Programs may make it
 * in the same moment, by a plan of theirs. */
static int attach(struct sup *s)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    int r;

    opts.process_name = "supervisor";
    opts.flags = SHMBUS_ATTACH_NO_WATCHER | SHMBUS_ATTACH_EXISTING;
    r = shmbus_attach(s->file->bus, &opts, &s->bus);
    if (r != -ENOENT) {
        return r;
    }
    r = make_plan(s, &plan);
    if (r < 0) {
        return r;
    }
    r = shmbus_create(s->file->bus, plan, NULL);
    shmbus_plan_free(plan);
    return r < 0 && r != -EEXIST ? r : shmbus_attach(s->file->bus, &opts, &s->bus);
}

void sup_bus_open(struct sup *s)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    bool first = s->bus_retry_ns == 0;
    int r = attach(s);

    s->bus_retry_ns = sup_now_ns() + RETRY_NS;
    if (r < 0) {
        s->bus = NULL;
        if (first) {
            sup_event_of(s, NULL, "bus", true, "no look at the bus: %s; programs run without it",
                         ctl_detail(r));
        }
        return;
    }
    if (shmbus_bus_stat(s->bus, &stat) == 0) {
        s->beat_interval_ns = stat.heartbeat_interval_ns;
    }
    r = shmbus_channel_open(s->bus, s->file->events, SHMBUS_OPEN_SEND | SHMBUS_OPEN_EXISTING, NULL,
                            &s->events);
    if (r < 0) {
        s->events = NULL;
    }
    sup_commands_open(s);
}

void sup_bus_close(struct sup *s)
{
    sup_commands_close(s);
    shmbus_detach(s->bus);
    s->bus = NULL;
    s->events = NULL;
    free(s->beats);
    s->beats = NULL;
    s->beat_count = 0;
}

static bool bus_is_there(struct sup *s)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};

    if (s->bus != NULL && s->now_ns >= s->bus_retry_ns) {
        s->bus_retry_ns = s->now_ns + RETRY_NS;
        if (shmbus_bus_stat(s->bus, &stat) < 0 || stat.unlinked) {
            sup_bus_close(s); /* another one may have its name by now */
        }
    }
    if (s->bus == NULL && s->now_ns >= s->bus_retry_ns) {
        sup_bus_open(s);
    }
    return s->bus != NULL;
}

void sup_bus_beats(struct sup *s)
{
    size_t room = SHMBUS_PROCESSES_MAX;

    if (s->beats_ns != 0 && s->now_ns - s->beats_ns < BEATS_KEPT_NS) {
        return;
    }
    s->beats_ns = s->now_ns;
    s->beat_count = 0;
    if (!bus_is_there(s)) {
        return;
    }
    if (s->beats == NULL) {
        s->beats = sup_realloc(NULL, room, sizeof *s->beats);
    }
    for (uint32_t i = 0; i < room; i++) {
        struct shmbus_process_stat *row = &s->beats[s->beat_count];
        int r;

        row->struct_bytes = sizeof *row;
        r = shmbus_process_stat(s->bus, i, row);
        if (r == 0 && row->life != SHMBUS_LIFE_DEAD && row->same_pid_namespace) {
            s->beat_count++;
        } else if (r < 0 && r != -ENODATA) {
            return;
        }
    }
}

/* Its own row, or that of a process it has started in its process group. Both live, so the number
 * alone tells them apart: a start time would be another one in another time namespace. */
const struct shmbus_process_stat *sup_bus_beat_of(struct sup *s, const struct sup_worker *w)
{
    sup_bus_beats(s);
    for (size_t i = 0; i < s->beat_count; i++) {
        const struct shmbus_process_stat *row = &s->beats[i];

        if (row->pid == w->pid) {
            return row;
        }
    }
    for (size_t i = 0; i < s->beat_count; i++) {
        if (s->beats[i].pid != w->pid && getpgid(s->beats[i].pid) == w->pid) {
            return &s->beats[i];
        }
    }
    return NULL;
}

void sup_bus_event(struct sup *s, const char *json)
{
    int r;

    if (s->events == NULL) {
        return;
    }
    r = shmbus_send(s->events, json, strlen(json), 0);
    s->events_lost += r < 0;
}
