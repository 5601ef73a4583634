/* SPDX-License-Identifier: MIT */
/* The plan that --check prints: what would run, and how. */
#include <string.h>

#include "../ctl.h"
#include "../text.h"
#include "spec.h"

static void print_command(char *const *command)
{
    for (; *command != NULL; command++) {
        printf(" %s", *command);
    }
    printf("\n");
}

static const char *age(int64_t ns, char out[TEXT_NUMBER_BYTES])
{
    text_age(ns, out, TEXT_NUMBER_BYTES);
    return out;
}

static void print_ready(const struct sup_program_spec *p)
{
    char after[TEXT_NUMBER_BYTES], deadline[TEXT_NUMBER_BYTES];
    const struct sup_ready_spec *r = &p->ready;

    printf("  ready      ");
    switch (r->by) {
    case SUP_READY_ANY:
        printf("heartbeat row, READY=1 or %s of life", age(r->after_ns, after));
        break;
    case SUP_READY_BEAT:
        printf("heartbeat row on the bus");
        break;
    case SUP_READY_NOTIFY:
        printf("READY=1");
        break;
    case SUP_READY_COMMAND:
        printf("exit status 0 of %s, every %s", r->command[0], age(r->interval_ns, after));
        break;
    case SUP_READY_HTTP:
        printf("%s answers 2xx, asked every %s", r->url, age(r->interval_ns, after));
        break;
    case SUP_READY_ALIVE:
        printf("%s of life", age(r->after_ns, after));
        break;
    }
    printf("; within %s\n", age(r->deadline_ns, deadline));
}

static void print_restart(const struct sup_restart_spec *r)
{
    char first[TEXT_NUMBER_BYTES], last[TEXT_NUMBER_BYTES], within[TEXT_NUMBER_BYTES];

    printf("  restart    %s", sup_policy_names[r->policy]);
    if (r->policy != SUP_NEVER) {
        printf(", after %s growing to %s", age(r->backoff_ns, first), age(r->backoff_max_ns, last));
        if (r->starts > 0) {
            printf("; given up beyond %u starts in %s", r->starts, age(r->within_ns, within));
        }
    }
    printf("\n");
}

static void print_replace(const struct sup_program_spec *p)
{
    char batch[16] = "all", grace[TEXT_NUMBER_BYTES];

    if (p->reload_batch > 0) {
        snprintf(batch, sizeof batch, "%u", p->reload_batch);
    }
    if (p->max_unavailable == 0) {
        printf("  reload     %s at once, the new ones ready before the old ones go\n", batch);
    } else {
        printf("  reload     %s at once, at most %u away", batch, p->max_unavailable);
        if (p->reload_signal != 0) {
            printf("; SIG%s first, SIG%s after %s", sigabbrev_np(p->reload_signal),
                   sigabbrev_np(p->stop_signal), age(p->reload_grace_ns, grace));
        }
        printf("\n");
    }
}

static void print_recycle(const struct sup_program_spec *p)
{
    const struct sup_recycle_spec *r = &p->recycle;
    char text[TEXT_NUMBER_BYTES];

    if (r->age_ns > 0) {
        printf("  recycle    after %s\n", age(r->age_ns, text));
    }
    if (r->cron != NULL) {
        printf("  recycle    at %s%s%s", r->cron, r->timezone != NULL ? " in " : "",
               r->timezone != NULL ? r->timezone : "");
        if (r->spread_ns > 0) {
            printf(", up to %s later", age(r->spread_ns, text));
        }
        printf("\n");
    }
    if (r->messages > 0) {
        printf("  recycle    after %ju messages\n", (uintmax_t)r->messages);
    }
    if (r->memory_bytes > 0) {
        text_size(r->memory_bytes, false, text, sizeof text);
        printf("  recycle    above %s of %s\n", text, r->pss ? "PSS" : "private memory");
    }
    if (p->watchdog.after_ns > 0) {
        printf("  watchdog   stalled after %s%s\n", age(p->watchdog.after_ns, text),
               p->watchdog.abort ? ", then SIGABRT" : "");
    }
}

static void print_begin(const struct sup_program_spec *p)
{
    char older[TEXT_NUMBER_BYTES];

    if (p->pid_file != NULL) {
        printf("  pid file   %s: that process is taken over, if it lives\n", p->pid_file);
    }
    if (p->clean.directory != NULL) {
        printf("  clean      %s of files older than %s:", p->clean.directory,
               age(p->clean.older_ns, older));
        print_command(p->clean.patterns);
    }
}

static void print_program(const struct sup_program_spec *p)
{
    char grace[TEXT_NUMBER_BYTES];

    printf("\nprogram %s, %u %s%s\n", p->name, p->count, p->count == 1 ? "worker" : "workers",
           p->per_cpu ? " (one a CPU)" : "");
    printf("  command   ");
    print_command(p->command);
    if (p->user != NULL || p->group != NULL) {
        printf("  user       %s%s%s\n", p->user != NULL ? p->user : "-",
               p->group != NULL ? ":" : "", p->group != NULL ? p->group : "");
    }
    if (p->directory != NULL) {
        printf("  directory  %s\n", p->directory);
    }
    if (p->nice != 0) {
        printf("  nice       %d\n", p->nice);
    }
    if (p->cpus != NULL) {
        printf("  cpus       %s\n", p->cpus);
    }
    if (p->sockets != NULL) {
        printf("  sockets   ");
        print_command(p->sockets);
    }
    print_begin(p);
    print_ready(p);
    print_restart(&p->restart);
    printf("  stop       SIG%s%s, SIGKILL after %s\n", sigabbrev_np(p->stop_signal),
           p->stop_group ? " to its process group" : "", age(p->stop_grace_ns, grace));
    print_replace(p);
    print_recycle(p);
}

void sup_spec_print(const struct sup_spec *spec)
{
    printf("bus %s, %zu %s\n", spec->bus, spec->program_count,
           spec->program_count == 1 ? "program" : "programs");
    for (size_t i = 0; i < spec->socket_count; i++) {
        const struct sup_socket_spec *s = &spec->sockets[i];

        printf("socket %s: %s %s\n", s->name, sup_net_names[s->net], s->address);
    }
    for (size_t i = 0; i < spec->group_count; i++) {
        printf("group %s, %s:", spec->groups[i].name, sup_strategy_names[spec->groups[i].strategy]);
        print_command(spec->groups[i].programs);
    }
    for (size_t i = 0; i < spec->program_count; i++) {
        print_program(&spec->programs[i]);
    }
}
