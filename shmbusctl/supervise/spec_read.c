/* SPDX-License-Identifier: MIT */
/* FILE.yaml to struct sup_spec: its keys, their defaults, and what cannot go together. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ctl.h"
#include "clean.h"
#include "memory.h"
#include "spec.h"
#include "yaml.h"

#define SECOND ((int64_t)1000000000)
#define DEFAULT_EVENTS "supervisor.events"

#define AT(type, member) offsetof(struct type, member)
#define PROGRAM(member) AT(sup_program_spec, member)
#define LAST                                                                                       \
    {                                                                                              \
        NULL, NULL, 0, 0, 0, NULL                                                                  \
    }

static bool read_count_or_cpus(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    struct sup_program_spec *p = target;
    char *text = sup_yaml_text(y, key->name), *end;
    unsigned long count;

    if (text == NULL) {
        return false;
    }
    p->per_cpu = strcmp(text, "per-cpu") == 0;
    count = p->per_cpu ? 1 : strtoul(text, &end, 10); /* sup_spec_check() knows the CPUs */
    if (!p->per_cpu &&
        (strspn(text, "0123456789") != strlen(text) || count < key->min || count > key->max)) {
        sup_yaml_fail(y, "`%s: %s`: expected a number from %ju to %ju, or per-cpu", key->name, text,
                      (uintmax_t)key->min, (uintmax_t)key->max);
        free(text);
        return false;
    }
    p->count = (uint32_t)(count < key->max ? count : key->max);
    free(text);
    return true;
}

/* A number, or "all". */
static bool read_batch(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    struct sup_program_spec *p = target;
    char *text = sup_yaml_text(y, key->name);
    bool good;

    if (text == NULL) {
        return false;
    }
    p->reload_batch = (uint32_t)strtoul(text, NULL, 10);
    good = strcmp(text, "all") == 0 ||
           (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 4 && p->reload_batch > 0);
    if (!good) {
        sup_yaml_fail(y, "`%s: %s`: expected a number above zero, or all", key->name, text);
    }
    free(text);
    return good;
}

static const struct sup_key ready_keys[] = {
    {"by", sup_read_choice, PROGRAM(ready.by), 0, 0, sup_ready_names},
    {"after", sup_read_duration, PROGRAM(ready.after_ns), 1, 0, NULL},
    {"command", sup_read_list, PROGRAM(ready.command), 1, 0, NULL},
    {"url", sup_read_text, PROGRAM(ready.url), 0, 0, NULL},
    {"interval", sup_read_duration, PROGRAM(ready.interval_ns), 1, 0, NULL},
    {"deadline", sup_read_duration, PROGRAM(ready.deadline_ns), 1, 0, NULL},
    LAST};

static const struct sup_key restart_keys[] = {
    {"policy", sup_read_choice, PROGRAM(restart.policy), 0, 0, sup_policy_names},
    {"success_codes", sup_read_codes, PROGRAM(restart.success), 0, 0, NULL},
    {"permanent_failure_codes", sup_read_codes, PROGRAM(restart.permanent), 0, 0, NULL},
    {"backoff", sup_read_duration, PROGRAM(restart.backoff_ns), 1, 0, NULL},
    {"backoff_max", sup_read_duration, PROGRAM(restart.backoff_max_ns), 1, 0, NULL},
    {"stable_after", sup_read_duration, PROGRAM(restart.stable_ns), 1, 0, NULL},
    {"starts", sup_read_count, PROGRAM(restart.starts), 0, 32, NULL},
    {"within", sup_read_duration, PROGRAM(restart.within_ns), 1, 0, NULL},
    LAST};

static const struct sup_key stop_keys[] = {
    {"signal", sup_read_signal, PROGRAM(stop_signal), 0, 0, NULL},
    {"grace", sup_read_duration, PROGRAM(stop_grace_ns), 0, 0, NULL},
    {"whole_group", sup_read_bool, PROGRAM(stop_group), 0, 0, NULL},
    LAST};

static const struct sup_key reload_keys[] = {{"batch", read_batch, 0, 0, 0, NULL},
                                             {"max_unavailable", sup_read_count,
                                              PROGRAM(max_unavailable), 0, SUP_COUNT_MAX, NULL},
                                             LAST};

static bool read_cron(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    struct sup_recycle_spec *r = &((struct sup_program_spec *)target)->recycle;
    const char *why;

    if (!sup_read_text(y, key, target)) {
        return false;
    }
    why = sup_cron_parse(r->cron, &r->cron_set);
    return why == NULL || sup_yaml_fail(y, "`cron: %s`: %s", r->cron, why);
}

static const struct sup_key recycle_keys[] = {
    {"age", sup_read_duration, PROGRAM(recycle.age_ns), 1, 0, NULL},
    {"cron", read_cron, PROGRAM(recycle.cron), 0, 0, NULL},
    {"timezone", sup_read_text, PROGRAM(recycle.timezone), 0, 0, NULL},
    {"spread", sup_read_duration, PROGRAM(recycle.spread_ns), 0, 0, NULL},
    {"messages", sup_read_number, PROGRAM(recycle.messages), 1, UINT64_MAX, NULL},
    {"memory", sup_read_size, PROGRAM(recycle.memory_bytes), 1, 0, NULL},
    {"pss", sup_read_bool, PROGRAM(recycle.pss), 0, 0, NULL},
    {"jitter", sup_read_count, PROGRAM(recycle.jitter), 0, 50, NULL},
    {"load", sup_read_count, PROGRAM(recycle.load), 1, 10000, NULL},
    {"queue", sup_read_text, PROGRAM(recycle.queue), 0, 0, NULL},
    {"queue_depth", sup_read_count, PROGRAM(recycle.queue_depth), 0, UINT32_MAX, NULL},
    {"put_off", sup_read_duration, PROGRAM(recycle.put_off_ns), 1, 0, NULL},
    LAST};

static const struct sup_key watchdog_keys[] = {
    {"after", sup_read_duration, PROGRAM(watchdog.after_ns), 1, 0, NULL},
    {"abort", sup_read_bool, PROGRAM(watchdog.abort), 0, 0, NULL},
    {"even_paused", sup_read_bool, PROGRAM(watchdog.even_paused), 0, 0, NULL},
    LAST};

static const struct sup_key clean_keys[] = {
    {"directory", sup_read_text, PROGRAM(clean.directory), 0, 0, NULL},
    {"patterns", sup_read_list, PROGRAM(clean.patterns), 1, 0, NULL},
    {"older_than", sup_read_duration, PROGRAM(clean.older_ns), 0, 0, NULL},
    LAST};

static const struct sup_key program_keys[] = {
    {"command", sup_read_list, PROGRAM(command), 1, 0, NULL},
    {"count", read_count_or_cpus, 0, 1, SUP_COUNT_MAX, NULL},
    {"environment", sup_read_pairs, PROGRAM(environment), 0, 0, NULL},
    {"user", sup_read_text, PROGRAM(user), 0, 0, NULL},
    {"group", sup_read_text, PROGRAM(group), 0, 0, NULL},
    {"directory", sup_read_text, PROGRAM(directory), 0, 0, NULL},
    {"nice", sup_read_integer, PROGRAM(nice), 0, 20, NULL},
    {"cpus", sup_read_text, PROGRAM(cpus), 0, 0, NULL},
    {"sockets", sup_read_list, PROGRAM(sockets), 1, 0, NULL},
    {"ready", sup_read_map, 0, 0, 0, ready_keys},
    {"restart", sup_read_map, 0, 0, 0, restart_keys},
    {"stop", sup_read_map, 0, 0, 0, stop_keys},
    {"reload", sup_read_map, 0, 0, 0, reload_keys},
    {"reload_signal", sup_read_signal, PROGRAM(reload_signal), 0, 0, NULL},
    {"reload_grace", sup_read_duration, PROGRAM(reload_grace_ns), 0, 0, NULL},
    {"recycle", sup_read_map, 0, 0, 0, recycle_keys},
    {"watchdog", sup_read_map, 0, 0, 0, watchdog_keys},
    {"clean", sup_read_map, 0, 0, 0, clean_keys},
    {"pid_file", sup_read_text, PROGRAM(pid_file), 0, 0, NULL},
    LAST};

#define UNSET UINT32_MAX /* its default depends on other keys: see settle_reload() */

static const struct sup_program_spec program_defaults = {
    .count = 1,
    .ready = {.by = SUP_READY_ANY,
              .after_ns = SECOND,
              .interval_ns = SECOND,
              .deadline_ns = 30 * SECOND},
    .restart = {.policy = SUP_ALWAYS,
                .success = {.count = 1, .values = {0}},
                .backoff_ns = SECOND / 10,
                .backoff_max_ns = 30 * SECOND,
                .stable_ns = 10 * SECOND,
                .starts = 10,
                .within_ns = 60 * SECOND},
    .stop_signal = SIGTERM,
    .stop_grace_ns = 30 * SECOND,
    .max_unavailable = UNSET,
    .reload_grace_ns = -1,
    .recycle = {.jitter = 10, .put_off_ns = 3600 * SECOND},
    .clean = {.older_ns = -1},
};

static bool check_ready(struct sup_yaml *y, const struct sup_program_spec *p)
{
    const struct sup_ready_spec *r = &p->ready;

    if ((r->by == SUP_READY_COMMAND) != (r->command != NULL)) {
        return sup_yaml_fail(y,
                             "\"%s\": `ready: {by: command}` and `ready: {command: [...]}` go "
                             "together",
                             p->name);
    }
    if ((r->by == SUP_READY_HTTP) != (r->url != NULL)) {
        return sup_yaml_fail(y, "\"%s\": `ready: {by: http}` and `ready: {url: ...}` go together",
                             p->name);
    }
    if ((r->by == SUP_READY_ANY || r->by == SUP_READY_ALIVE) && r->deadline_ns <= r->after_ns) {
        return sup_yaml_fail(y, "\"%s\": it cannot be ready `after` its `deadline`", p->name);
    }
    return true;
}

/* A path that means the same to everybody, and not the root of all. */
static bool is_plain_path(const char *path)
{
    size_t bytes = strlen(path);

    return path[0] == '/' && path[1] != 0 && strstr(path, "/../") == NULL &&
           (bytes < 3 || strcmp(path + bytes - 3, "/..") != 0);
}

static bool check_clean(struct sup_yaml *y, const struct sup_program_spec *p)
{
    const struct sup_clean_spec *c = &p->clean;

    if (c->directory == NULL && c->patterns == NULL && c->older_ns < 0) {
        return true;
    }
    if (c->directory == NULL || c->patterns == NULL || c->older_ns < 0) {
        return sup_yaml_fail(y, "\"%s\": `clean` needs `directory`, `patterns` and `older_than`",
                             p->name);
    }
    if (!is_plain_path(c->directory)) {
        return sup_yaml_fail(y,
                             "\"%s\": `clean: {directory: %s}`: expected an absolute path without "
                             "`..`, and not /",
                             p->name, c->directory);
    }
    for (char **pattern = c->patterns; *pattern != NULL; pattern++) {
        const char *why = sup_clean_pattern_check(*pattern);

        if (why != NULL) {
            return sup_yaml_fail(y, "\"%s\": `clean`: pattern \"%s\": %s", p->name, *pattern, why);
        }
    }
    return true;
}

static bool check_pid_file(struct sup_yaml *y, const struct sup_program_spec *p)
{
    if (p->pid_file != NULL && p->pid_file[0] != '/') {
        return sup_yaml_fail(y, "\"%s\": `pid_file: %s`: expected an absolute path", p->name,
                             p->pid_file);
    }
    if (p->pid_file != NULL && (p->count != 1 || p->per_cpu)) {
        return sup_yaml_fail(y, "\"%s\": a `pid_file` names one process; set its `count` to 1",
                             p->name);
    }
    return true;
}

/* Who gets a signal to be replaced goes before its successor comes: one may be away by default. */
static bool settle_reload(struct sup_yaml *y, struct sup_program_spec *p)
{
    if (p->reload_signal == 0 && p->reload_grace_ns >= 0) {
        return sup_yaml_fail(y, "\"%s\": `reload_grace` needs a `reload_signal`", p->name);
    }
    if (p->reload_signal != 0 && p->max_unavailable == 0) {
        return sup_yaml_fail(y,
                             "\"%s\": with a `reload_signal` a worker goes before its successor "
                             "comes; set `max_unavailable` to 1 or more",
                             p->name);
    }
    if (p->max_unavailable == UNSET) {
        p->max_unavailable = p->reload_signal != 0 ? 1 : 0;
    }
    if (p->reload_grace_ns < 0) {
        p->reload_grace_ns = SECOND;
    }
    if (p->max_unavailable > p->count && !p->per_cpu) {
        return sup_yaml_fail(y, "\"%s\": `max_unavailable: %u` is more than its `count` of %u",
                             p->name, p->max_unavailable, p->count);
    }
    return true;
}

static bool check_program(struct sup_yaml *y, struct sup_program_spec *p)
{
    if (p->command == NULL) {
        return sup_yaml_fail(y, "program \"%s\" has no `command`", p->name);
    }
    if (p->command[0][0] == 0) {
        return sup_yaml_fail(y, "the command of \"%s\" begins with an empty word", p->name);
    }
    if (!settle_reload(y, p)) {
        return false;
    }
    if (p->restart.backoff_max_ns < p->restart.backoff_ns) {
        return sup_yaml_fail(y, "\"%s\": `backoff_max` is shorter than `backoff`", p->name);
    }
    if (p->recycle.timezone != NULL && p->recycle.cron == NULL) {
        return sup_yaml_fail(y, "\"%s\": `recycle: {timezone: ...}` needs a `cron`", p->name);
    }
    if (p->recycle.spread_ns > 0 && p->recycle.cron == NULL) {
        return sup_yaml_fail(y, "\"%s\": `recycle: {spread: ...}` needs a `cron`", p->name);
    }
    if ((p->watchdog.abort || p->watchdog.even_paused) && p->watchdog.after_ns == 0) {
        return sup_yaml_fail(y, "\"%s\": `watchdog:` needs `after`", p->name);
    }
    return check_ready(y, p) && check_clean(y, p) && check_pid_file(y, p);
}

static bool read_program(struct sup_yaml *y, const char *name, void *target)
{
    struct sup_spec *spec = target;
    struct sup_program_spec *p;

    if (sup_spec_program(spec, name) != NULL) {
        return sup_yaml_fail(y, "program \"%s\" is there twice", name);
    }
    spec->programs = sup_realloc(spec->programs, spec->program_count + 1, sizeof *p);
    p = &spec->programs[spec->program_count++];
    *p = program_defaults;
    p->name = sup_strdup(name);
    p->line = sup_yaml_line(y);
    return sup_yaml_map(y, name, program_keys, p) && check_program(y, p);
}

static bool read_programs(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    return sup_yaml_names(y, key->name, read_program, target);
}

/* -------------------------------------------------------------------------------------- sockets */

static bool read_address(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    struct sup_socket_spec *s = target;

    if (s->address != NULL) {
        return sup_yaml_fail(y, "a socket has one of `tcp`, `udp` and `unix`, not two");
    }
    s->net = (enum sup_net)key->min;
    return sup_read_text(
        y, &(const struct sup_key){.name = key->name, .offset = AT(sup_socket_spec, address)},
        target);
}

static const struct sup_key socket_keys[] = {
    {"tcp", read_address, 0, SUP_TCP, 0, NULL},
    {"udp", read_address, 0, SUP_UDP, 0, NULL},
    {"unix", read_address, 0, SUP_UNIX, 0, NULL},
    {"backlog", sup_read_count, AT(sup_socket_spec, backlog), 1, 65535, NULL},
    {"mode", sup_read_mode, AT(sup_socket_spec, mode), 0, 0, NULL},
    LAST};

static bool read_socket(struct sup_yaml *y, const char *name, void *target)
{
    struct sup_spec *spec = target;
    struct sup_socket_spec *s;

    if (sup_spec_socket(spec, name) != NULL) {
        return sup_yaml_fail(y, "socket \"%s\" is there twice", name);
    }
    if (spec->socket_count == SUP_SOCKETS_MAX) {
        return sup_yaml_fail(y, "more than %d sockets", SUP_SOCKETS_MAX);
    }
    spec->sockets = sup_realloc(spec->sockets, spec->socket_count + 1, sizeof *s);
    s = &spec->sockets[spec->socket_count++];
    *s = (struct sup_socket_spec){.name = sup_strdup(name), .backlog = 4096, .mode = 0600};
    if (!sup_yaml_map(y, name, socket_keys, s)) {
        return false;
    }
    if (s->address == NULL) {
        return sup_yaml_fail(y, "socket \"%s\" needs one of `tcp`, `udp` and `unix`", name);
    }
    return true;
}

static bool read_sockets(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    return sup_yaml_names(y, key->name, read_socket, target);
}

/* --------------------------------------------------------------------------------------- groups */

static const struct sup_key group_keys[] = {
    {"programs", sup_read_list, AT(sup_group_spec, programs), 1, 0, NULL},
    {"strategy", sup_read_choice, AT(sup_group_spec, strategy), 0, 0, sup_strategy_names},
    LAST};

static bool read_group(struct sup_yaml *y, const char *name, void *target)
{
    struct sup_spec *spec = target;
    struct sup_group_spec *g;

    for (size_t i = 0; i < spec->group_count; i++) {
        if (strcmp(spec->groups[i].name, name) == 0) {
            return sup_yaml_fail(y, "group \"%s\" is there twice", name);
        }
    }
    spec->groups = sup_realloc(spec->groups, spec->group_count + 1, sizeof *g);
    g = &spec->groups[spec->group_count++];
    *g = (struct sup_group_spec){.name = sup_strdup(name)};
    if (!sup_yaml_map(y, name, group_keys, g)) {
        return false;
    }
    return g->programs != NULL || sup_yaml_fail(y, "group \"%s\" has no `programs`", name);
}

static bool read_groups(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    return sup_yaml_names(y, key->name, read_group, target);
}

/* ------------------------------------------------------------------------------------- the file */

static const char *const log_formats[] = {"text", "json", NULL};

static bool read_log_format(struct sup_yaml *y, const struct sup_key *key, void *target)
{
    int format = 0;
    bool good = sup_read_choice(y, &(const struct sup_key){.name = key->name, .more = log_formats},
                                &format);

    ((struct sup_spec *)target)->log_json = format == 1;
    return good;
}

static const struct sup_key log_keys[] = {{"file", sup_read_text, AT(sup_spec, log_file), 0, 0,
                                           NULL},
                                          {"format", read_log_format, 0, 0, 0, NULL},
                                          LAST};

static const struct sup_key alert_keys[] = {
    {"command", sup_read_list, AT(sup_spec, alert_command), 1, 0, NULL},
    {"timeout", sup_read_duration, AT(sup_spec, alert_timeout_ns), 1, 0, NULL},
    LAST};

static const struct sup_key file_keys[] = {
    {"bus", sup_read_text, AT(sup_spec, bus), 0, 0, NULL},
    {"plan", sup_read_text, AT(sup_spec, plan), 0, 0, NULL},
    {"events", sup_read_text, AT(sup_spec, events), 0, 0, NULL},
    {"log", sup_read_map, 0, 0, 0, log_keys},
    {"alert", sup_read_map, 0, 0, 0, alert_keys},
    {"environment", sup_read_pairs, AT(sup_spec, environment), 0, 0, NULL},
    {"sockets", read_sockets, 0, 0, 0, NULL},
    {"programs", read_programs, 0, 0, 0, NULL},
    {"groups", read_groups, 0, 0, 0, NULL},
    LAST};

/* Names that programs and groups use. */
static bool check_names(const struct sup_spec *spec)
{
    for (size_t i = 0; i < spec->program_count; i++) {
        const struct sup_program_spec *p = &spec->programs[i];

        for (char **name = p->sockets; name != NULL && *name != NULL; name++) {
            if (sup_spec_socket(spec, *name) == NULL) {
                ctl_note("%s:%zu: program \"%s\" wants the socket \"%s\", which is not under "
                         "`sockets:`",
                         spec->path, p->line, p->name, *name);
                return false;
            }
        }
    }
    for (size_t i = 0; i < spec->group_count; i++) {
        const struct sup_group_spec *g = &spec->groups[i];

        for (char **name = g->programs; *name != NULL; name++) {
            if (sup_spec_program(spec, *name) == NULL) {
                ctl_note("%s: group \"%s\" has the program \"%s\", which is not under `programs:`",
                         spec->path, g->name, *name);
                return false;
            }
            if (sup_spec_group_of(spec, *name) != g) {
                ctl_note("%s: program \"%s\" is in two groups", spec->path, *name);
                return false;
            }
        }
    }
    return true;
}

static bool check_file(const struct sup_spec *spec)
{
    if (spec->bus == NULL) {
        ctl_note("%s: `bus: NAME` is missing", spec->path);
        return false;
    }
    if (spec->program_count == 0) {
        ctl_note("%s: `programs:` is missing; there is nothing to supervise", spec->path);
        return false;
    }
    if (spec->alert_timeout_ns != 10 * SECOND && spec->alert_command == NULL) {
        ctl_note("%s: `alert:` has a `timeout`, and no `command`", spec->path);
        return false;
    }
    return check_names(spec);
}

struct sup_spec *sup_spec_read(const char *path, int *ret_code)
{
    struct sup_yaml *y = sup_yaml_open(path, ret_code);
    struct sup_spec *spec;
    bool good;

    if (y == NULL) {
        return NULL;
    }
    spec = sup_zalloc(sizeof *spec);
    spec->references = 1;
    spec->path = sup_strdup(path);
    spec->alert_timeout_ns = 10 * SECOND;
    good = sup_yaml_document(y, file_keys, spec) && check_file(spec);
    sup_yaml_close(y);
    if (!good) {
        *ret_code = CTL_USAGE;
        sup_spec_drop(spec);
        return NULL;
    }
    if (spec->events == NULL) {
        spec->events = sup_strdup(DEFAULT_EVENTS);
    }
    return spec;
}

struct sup_spec *sup_spec_only(const char *path, const char *bus, const char *program)
{
    struct sup_spec *spec = sup_zalloc(sizeof *spec);
    struct sup_program_spec *p = sup_zalloc(sizeof *p);

    *p = program_defaults;
    p->max_unavailable = 0;
    p->reload_grace_ns = SECOND;
    p->name = sup_strdup(program);
    sup_list_add(&p->command, sup_strdup("/bin/false"));
    spec->references = 1;
    spec->path = sup_strdup(path);
    spec->bus = sup_strdup(bus);
    spec->events = sup_strdup(DEFAULT_EVENTS);
    spec->programs = p;
    spec->program_count = 1;
    return spec;
}
