/* SPDX-License-Identifier: MIT */
/*
 * The state file: who runs, written before anybody new begins. A supervisor that finds it takes the
 * living ones over: a pid counts only with its start time. After an exec of a new binary they are
 * children still; after a death they are somebody else's, their deaths are seen through pidfds, and
 * their exit codes are not known.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "../ctl.h"
#include "../json.h"
#include "memory.h"
#include "sockets.h"
#include "sup.h"
#include "usage.h"

enum { STATE_VERSION = 1 };

static void boot_id(char out[64])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd >= 0 ? read(fd, out, 63) : 0;

    close(fd);
    out[bytes > 0 ? bytes : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

/* --------------------------------------------------------------------------------------- saving */

static const char *role_of(const struct sup_worker *w)
{
    const struct sup_program *p = w->program;

    if (w->index < p->slot_count && p->slots[w->index].current == w) {
        return "current";
    }
    return w->index < p->slot_count && p->slots[w->index].next == w ? "next" : "leaving";
}

static struct json_object *save_worker(const struct sup_worker *w)
{
    struct json_object *o = json_object_new_object();

    json_add_signed(o, "pid", w->pid);
    json_add_count(o, "start_ticks", w->start_ticks);
    json_add_count(o, "instance", w->index);
    json_add_count(o, "generation", w->generation);
    json_add_count(o, "serial", w->serial);
    json_add_count(o, "state", w->state);
    json_add_text(o, "role", role_of(w));
    json_add_count(o, "reason", w->reason);
    json_add_count(o, "stop_reason", w->stop_reason);
    json_add_bool(o, "child", w->ours);
    json_add_bool(o, "begun", w->told_to_go);
    json_add_bool(o, "stop_asked", w->stop_asked);
    json_add_bool(o, "escalated", w->escalated);
    json_add_signed(o, "signal_due", w->signal_due);
    json_add_bool(o, "signal_group", w->signal_group);
    json_add_signed(o, "started_ns", w->started_ns);
    json_add_signed(o, "ready_ns", w->ready_ns);
    json_add_signed(o, "limit_ns", w->limit_ns);
    json_add_signed(o, "started_realtime_ns", w->started_realtime_ns);
    json_add_count(o, "sockets", sup_list_count(w->spec->sockets));
    json_add_signed(o, "recycle_minute", w->recycle.minute);
    json_add_signed(o, "recycle_clock_ns", w->recycle.clock_ns);
    json_add_signed(o, "recycle_since_ns", w->recycle.since_ns);
    json_add_count(o, "recycle_reason", w->recycle.reason);
    return o;
}

static struct json_object *save_slot(const struct sup_slot *slot)
{
    struct json_object *o = json_object_new_object(), *starts = json_object_new_array();
    const uint32_t kept = sizeof slot->starts / sizeof slot->starts[0];

    json_add_bool(o, "done", slot->done);
    json_add_bool(o, "given_up", slot->given_up);
    json_add_count(o, "failures", slot->failures);
    json_add_signed(o, "start_ns", slot->start_ns);
    json_add_count(o, "start_reason", slot->start_reason);
    for (uint32_t i = slot->start_count > kept ? slot->start_count - kept : 0;
         i < slot->start_count; i++) {
        json_object_array_add(starts, json_object_new_int64(slot->starts[i % kept]));
    }
    json_add(o, "starts", starts);
    return o;
}

static struct json_object *save_group(const struct sup_group *g)
{
    struct json_object *o = json_object_new_object();

    json_add_text(o, "name", g->name);
    json_add_count(o, "phase", g->phase);
    json_add_count(o, "first", g->first);
    json_add_count(o, "at", g->at);
    return o;
}

static struct json_object *save_program(const struct sup_program *p)
{
    struct json_object *o = json_object_new_object(), *workers = json_object_new_array(),
                       *restarts = json_object_new_array(), *slots = json_object_new_array();

    json_add_text(o, "name", p->name);
    json_add_bool(o, "wanted", p->wanted);
    json_add_count(o, "target", p->rollout.active ? p->rollout.old_target : p->target);
    json_add_bool(o, "scaled", p->spec != NULL && p->target != p->spec->count);
    json_add_count(o, "generation", p->generation);
    json_add_bool(o, "reloading",
                  p->reloads_asked > p->rollout.number ||
                      (p->rollout.active && !p->rollout.rolling_back));
    json_add_count(o, "reload_reason", p->reload_reason);
    for (const struct sup_worker *w = p->workers; w != NULL; w = w->next) {
        if (!w->dead) {
            json_object_array_add(workers, save_worker(w));
        }
    }
    for (int i = 0; i < SUP_REASON_COUNT; i++) {
        json_object_array_add(restarts, json_object_new_uint64(p->restarts[i]));
    }
    for (uint32_t i = 0; i < p->target; i++) {
        json_object_array_add(slots, save_slot(&p->slots[i]));
    }
    json_add(o, "workers", workers);
    json_add(o, "restarts", restarts);
    json_add(o, "slots", slots);
    return o;
}

static bool write_whole(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t bytes = strlen(text);
    bool good = fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes;

    close(fd);
    return good;
}

void sup_state_save(struct sup *s)
{
    struct json_object *o = json_object_new_object(), *programs = json_object_new_array(),
                       *groups = json_object_new_array();
    char boot[64], *path = sup_printf("%s/state", s->dir),
                   *fresh = sup_printf("%s/state.new", s->dir);

    boot_id(boot);
    json_add_count(o, "version", STATE_VERSION);
    json_add_text(o, "boot", boot);
    json_add_signed(o, "supervisor", getpid());
    json_add_count(o, "supervisor_start_ticks", sup_start_ticks(getpid()));
    json_add_count(o, "serial", s->serial);
    json_add_signed(o, "started_ns", s->started_ns);
    json_add_signed(o, "monotonic_offset_ns", sup_clock_offset_ns("monotonic"));
    for (size_t i = 0; i < s->program_count; i++) {
        json_object_array_add(programs, save_program(s->programs[i]));
    }
    for (size_t i = 0; i < s->group_count; i++) {
        json_object_array_add(groups, save_group(&s->groups[i]));
    }
    json_add(o, "programs", programs);
    json_add(o, "groups", groups);
    if (write_whole(fresh, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) &&
        rename(fresh, path) == 0) {
        s->dirty = false;
        s->said_no_state = false;
    } else if (!s->said_no_state) {
        s->said_no_state = true;
        sup_event_of(s, NULL, "state", true,
                     "cannot write %s: %s; after a death of this "
                     "supervisor the next one would not find all workers",
                     path, strerror(errno));
    }
    json_object_put(o);
    free(path);
    free(fresh);
}

/* ------------------------------------------------------------------------------------- adopting */

static uint64_t number_in(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

static int64_t shift_ns; /* from the clock of who wrote the file to ours: time namespaces */

static int64_t time_in(struct json_object *o, const char *key)
{
    int64_t ns = (int64_t)number_in(o, key);

    return ns == 0 ? 0 : ns + shift_ns;
}

static const char *text_in(struct json_object *o, const char *key)
{
    struct json_object *value;
    const char *text =
        json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
    return text != NULL ? text : "";
}

static bool truth_in(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

static void adopted_died(struct sup *s, struct sup_source *source, uint32_t events)
{
    struct sup_worker *w = (struct sup_worker *)source;

    (void)events;
    sup_unwatch(s, source);
    if (kill(w->pid, 0) < 0 && errno == ESRCH) {
        kill(-w->pid, SIGKILL); /* nobody has the number but the group it left, if any */
    }
    sup_worker_died(w, false, 0, NULL);
}

void sup_watch_death(struct sup_worker *w)
{
    sup_watch(w->program->s, &w->death, fcntl(w->pidfd, F_DUPFD_CLOEXEC, 3), EPOLLIN, adopted_died);
}

static struct sup_worker *restore(struct sup_program *p, struct json_object *o, int pidfd,
                                  bool ours)
{
    struct sup_worker *w = sup_worker_new(p, p->file);

    w->pidfd = pidfd;
    w->ours = ours;
    w->told_to_go = true;
    w->pid = (pid_t)number_in(o, "pid");
    w->start_ticks = number_in(o, "start_ticks");
    w->index = (uint32_t)number_in(o, "instance");
    w->generation = (uint32_t)number_in(o, "generation");
    w->serial = number_in(o, "serial");
    w->state = (enum sup_state)number_in(o, "state");
    w->reason = (enum sup_reason)number_in(o, "reason");
    w->stop_reason = (enum sup_reason)number_in(o, "stop_reason");
    w->stop_asked = truth_in(o, "stop_asked");
    w->escalated = truth_in(o, "escalated");
    w->signal_due = (int)number_in(o, "signal_due");
    w->signal_group = truth_in(o, "signal_group");
    w->recycle.minute = (int64_t)number_in(o, "recycle_minute");
    w->recycle.clock_ns = time_in(o, "recycle_clock_ns");
    w->recycle.since_ns = time_in(o, "recycle_since_ns");
    w->recycle.reason = (enum sup_reason)number_in(o, "recycle_reason");
    w->started_ns = time_in(o, "started_ns");
    w->ready_ns = time_in(o, "ready_ns");
    w->limit_ns = time_in(o, "limit_ns");
    w->started_realtime_ns = (int64_t)number_in(o, "started_realtime_ns");
    if (w->reason >= SUP_REASON_COUNT || w->stop_reason >= SUP_REASON_COUNT) {
        w->reason = w->stop_reason = SUP_FIRST; /* of a newer version */
    }
    w->told_to_go = true;
    if (pidfd >= 0) {
        sup_notify_open(w);
    }
    if (!ours && pidfd >= 0) {
        sup_watch_death(w);
    }
    return w;
}

static bool has_role(struct json_object *o, const char *role)
{
    return strcmp(text_in(o, "role"), role) == 0;
}

/* Where it was, if there is room; a half-made successor goes, if the old one is there to stay. */
static void place(struct sup_program *p, struct sup_worker *w, struct json_object *o)
{
    bool fits = w->index < p->target, goes = w->state == SUP_STOPPING;

    if (fits && p->slots[w->index].current == NULL &&
        (has_role(o, "current") || (has_role(o, "next") && !goes))) {
        p->slots[w->index].current = w;
        p->slots[w->index].generation = w->generation;
    } else if (!goes) {
        sup_worker_stop(w, has_role(o, "next") ? SUP_ROLL_BACK : SUP_SCALE);
    }
}

/* Who has died meanwhile is judged like any other, its end unknown; who had not begun has not died,
 * and who was told to go has gone. */
static void adopt_dead(struct sup_program *p, struct json_object *o)
{
    uint32_t index = (uint32_t)number_in(o, "instance");
    struct sup_slot *slot = index < p->target ? &p->slots[index] : NULL;
    struct sup_worker *w;

    if (slot == NULL || slot->current != NULL || !has_role(o, "current") || !truth_in(o, "begun")) {
        return;
    }
    if (truth_in(o, "stop_asked")) {
        slot->start_reason = (enum sup_reason)number_in(o, "stop_reason") % SUP_REASON_COUNT;
        return;
    }
    w = restore(p, o, -1, false);
    slot->current = w;
    slot->generation = w->generation;
    sup_worker_died(w, false, 0, NULL);
}

static void adopt_worker(struct sup_program *p, struct json_object *o, bool ours)
{
    pid_t pid = (pid_t)number_in(o, "pid");
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    struct sup_worker *w;

    if (pidfd < 0 || sup_start_ticks(pid) != number_in(o, "start_ticks")) {
        close(pidfd);
        adopt_dead(p, o); /* gone, or another process has its number */
        return;
    }
    w = restore(p, o, pidfd, ours && truth_in(o, "child"));
    sup_sockets_rescue(p->s, pidfd, number_in(o, "sockets"));
    sup_event(p->s, w, "adopted", false, "%s pid %d, generation %u, instance %u, %s: taken over",
              p->name, w->pid, w->generation, w->index, sup_state_names[w->state]);
    place(p, w, o);
}

/* First those in service, then the others: who is to follow one that has died follows it now. */
static void adopt_workers(struct sup_program *p, struct json_object *workers, bool ours,
                          bool in_service)
{
    for (size_t i = 0; i < json_object_array_length(workers); i++) {
        struct json_object *o = json_object_array_get_idx(workers, i);

        if (has_role(o, "current") == in_service) {
            adopt_worker(p, o, ours);
        }
    }
}

static void restore_slot(struct sup_slot *slot, struct json_object *o)
{
    struct json_object *starts;

    slot->done = truth_in(o, "done");
    slot->given_up = truth_in(o, "given_up");
    slot->failures = (uint32_t)number_in(o, "failures");
    slot->start_ns = time_in(o, "start_ns");
    slot->start_reason = (enum sup_reason)number_in(o, "start_reason");
    if (slot->start_reason >= SUP_REASON_COUNT) {
        slot->start_reason = SUP_UNKNOWN; /* of a newer version */
    }
    if (json_object_object_get_ex(o, "starts", &starts)) {
        for (size_t i = 0; i < json_object_array_length(starts) &&
                           i < sizeof slot->starts / sizeof slot->starts[0];
             i++) {
            slot->starts[slot->start_count++] =
                json_object_get_int64(json_object_array_get_idx(starts, i)) + shift_ns;
        }
    }
}

static void restore_slots(struct sup_program *p, struct json_object *o)
{
    struct json_object *slots, *restarts;

    if (json_object_object_get_ex(o, "slots", &slots)) {
        for (uint32_t i = 0; i < p->target && i < json_object_array_length(slots); i++) {
            restore_slot(&p->slots[i], json_object_array_get_idx(slots, i));
            p->slots[i].generation = p->generation;
        }
    }
    if (json_object_object_get_ex(o, "restarts", &restarts)) {
        for (size_t i = 0; i < SUP_REASON_COUNT && i < json_object_array_length(restarts); i++) {
            p->restarts[i] = json_object_get_uint64(json_object_array_get_idx(restarts, i));
        }
    }
}

/* A program that FILE has no more: its workers are only seen out. */
static struct sup_program *program_for(struct sup *s, const char *name)
{
    struct sup_program *p = sup_program_find(s, name);

    if (p == NULL) {
        struct sup_spec *file = sup_spec_only(s->file->path, s->file->bus, name);

        p = sup_program_add(s, file, name);
        sup_spec_drop(file);
        p->wanted = false;
        p->removed = true;
    }
    return p;
}

static void adopt_program(struct sup *s, struct json_object *o, bool ours)
{
    struct sup_program *p = program_for(s, text_in(o, "name"));
    struct json_object *workers;

    p->generation = (uint32_t)number_in(o, "generation");
    if (!p->removed) {
        p->wanted = truth_in(o, "wanted");
        if (truth_in(o, "scaled") && number_in(o, "target") <= SUP_COUNT_MAX) {
            sup_program_resize(p, (uint32_t)number_in(o, "target"));
        }
    }
    restore_slots(p, o);
    if (json_object_object_get_ex(o, "workers", &workers)) {
        adopt_workers(p, workers, ours, true);
        adopt_workers(p, workers, ours, false);
    }
    if (truth_in(o, "reloading") && !p->removed) {
        enum sup_reason reason = (enum sup_reason)number_in(o, "reload_reason");

        /* It was asked for, and is not done. */
        sup_rollout_ask(p, p->file, reason == SUP_OPERATOR ? reason : SUP_RELOAD);
    }
}

static void adopt(struct sup *s, struct json_object *o)
{
    bool ours = number_in(o, "supervisor") == (uint64_t)getpid() &&
                number_in(o, "supervisor_start_ticks") == sup_start_ticks(getpid());
    struct json_object *programs;
    char boot[64];

    boot_id(boot);
    if (number_in(o, "version") != STATE_VERSION || strcmp(text_in(o, "boot"), boot) != 0 ||
        !json_object_object_get_ex(o, "programs", &programs)) {
        return;
    }
    shift_ns = sup_clock_offset_ns("monotonic") - (int64_t)number_in(o, "monotonic_offset_ns");
    s->serial = number_in(o, "serial");
    s->adopted = true;
    for (size_t i = 0; i < json_object_array_length(programs); i++) {
        adopt_program(s, json_object_array_get_idx(programs, i), ours);
    }
}

void sup_state_adopt(struct sup *s)
{
    char *path = sup_printf("%s/state", s->dir);
    struct json_object *o = json_object_from_file(path);

    if (o != NULL) {
        adopt(s, o);
        json_object_put(o);
    }
    free(path);
}

/* A restart of a group that was under way goes on. Who comes after the one that it is at has been
 * stopped, and not started yet. */
static void restore_group(struct sup_group *g, struct json_object *o)
{
    enum sup_group_phase phase = (enum sup_group_phase)number_in(o, "phase");
    size_t first = number_in(o, "first"), at = number_in(o, "at");

    if (strcmp(text_in(o, "name"), g->name) != 0 || phase == SUP_GROUP_RUNNING ||
        phase > SUP_GROUP_STARTING || at >= g->count || first > at) {
        return;
    }
    g->phase = phase;
    g->first = first;
    g->at = at;
    for (size_t k = at + 1; k < g->count; k++) {
        g->members[k]->held = true;
    }
}

void sup_state_groups(struct sup *s)
{
    char *path = sup_printf("%s/state", s->dir);
    struct json_object *o = s->adopted ? json_object_from_file(path) : NULL, *groups;

    if (o != NULL && json_object_object_get_ex(o, "groups", &groups)) {
        for (size_t i = 0; i < s->group_count; i++) {
            for (size_t k = 0; k < json_object_array_length(groups); k++) {
                restore_group(&s->groups[i], json_object_array_get_idx(groups, k));
            }
        }
    }
    json_object_put(o);
    free(path);
}
