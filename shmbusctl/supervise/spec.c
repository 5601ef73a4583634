/* SPDX-License-Identifier: MIT */
/* References to what FILE says, and finding things in it. */
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "spec.h"

const char *const sup_policy_names[] = {"never", "on-failure", "on-abnormal", "always", NULL};
const char *const sup_ready_names[] = {"any",  "heartbeat", "notify", "command",
                                       "http", "alive",     NULL};
const char *const sup_strategy_names[] = {"one-for-one", "all-for-one", "rest-for-one", NULL};
const char *const sup_net_names[] = {"tcp", "udp", "unix", NULL};

struct sup_spec *sup_spec_take(struct sup_spec *spec)
{
    spec->references++;
    return spec;
}

static void free_program(struct sup_program_spec *p)
{
    free(p->name);
    sup_list_free(p->command);
    sup_list_free(p->environment);
    sup_list_free(p->sockets);
    sup_list_free(p->ready.command);
    free(p->ready.url);
    free(p->user);
    free(p->group);
    free(p->directory);
    free(p->cpus);
    free(p->recycle.cron);
    free(p->recycle.timezone);
    free(p->recycle.queue);
    free(p->clean.directory);
    sup_list_free(p->clean.patterns);
    free(p->pid_file);
}

static void free_spec(struct sup_spec *spec)
{
    for (size_t i = 0; i < spec->program_count; i++) {
        free_program(&spec->programs[i]);
    }
    for (size_t i = 0; i < spec->socket_count; i++) {
        free(spec->sockets[i].name);
        free(spec->sockets[i].address);
    }
    for (size_t i = 0; i < spec->group_count; i++) {
        free(spec->groups[i].name);
        sup_list_free(spec->groups[i].programs);
    }
    sup_list_free(spec->environment);
    sup_list_free(spec->alert_command);
    free(spec->programs);
    free(spec->sockets);
    free(spec->groups);
    free(spec->path);
    free(spec->bus);
    free(spec->plan);
    free(spec->events);
    free(spec->log_file);
    free(spec);
}

void sup_spec_drop(struct sup_spec *spec)
{
    if (spec != NULL && --spec->references == 0) {
        free_spec(spec);
    }
}

const struct sup_program_spec *sup_spec_program(const struct sup_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->program_count; i++) {
        if (strcmp(spec->programs[i].name, name) == 0) {
            return &spec->programs[i];
        }
    }
    return NULL;
}

const struct sup_socket_spec *sup_spec_socket(const struct sup_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->socket_count; i++) {
        if (strcmp(spec->sockets[i].name, name) == 0) {
            return &spec->sockets[i];
        }
    }
    return NULL;
}

const struct sup_group_spec *sup_spec_group_of(const struct sup_spec *spec, const char *program)
{
    for (size_t i = 0; i < spec->group_count; i++) {
        for (char **name = spec->groups[i].programs; name != NULL && *name != NULL; name++) {
            if (strcmp(*name, program) == 0) {
                return &spec->groups[i];
            }
        }
    }
    return NULL;
}

bool sup_codes_have(const struct sup_codes *codes, uint32_t code)
{
    for (uint32_t i = 0; i < codes->count; i++) {
        if (codes->values[i] == code) {
            return true;
        }
    }
    return false;
}

int sup_signal_number(const char *name)
{
    if (isdigit((unsigned char)name[0])) {
        char *end;
        long number = strtol(name, &end, 10);

        return *end == 0 && number > 0 && number < NSIG ? (int)number : 0;
    }
    if (strncmp(name, "SIG", 3) == 0) {
        name += 3;
    }
    for (int i = 1; i < NSIG; i++) {
        const char *abbreviation = sigabbrev_np(i);

        if (abbreviation != NULL && strcmp(abbreviation, name) == 0) {
            return i;
        }
    }
    return 0;
}
