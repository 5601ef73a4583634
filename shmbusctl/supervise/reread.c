/* SPDX-License-Identifier: MIT */
/* FILE read again: what is new is started, what is gone is stopped, the rest gets a generation. */
#include <string.h>

#include "../ctl.h"
#include "sockets.h"
#include "sup.h"

static int refuse(struct sup *s, struct sup_spec *file, int code)
{
    sup_spec_drop(file);
    sup_event_of(s, NULL, "reload-refused", true,
                 "%s is not accepted, nothing has changed; `shmbusctl supervise --check %s` says "
                 "why",
                 s->path, s->path);
    return code;
}

/* Those of the file first, in its order; then those that go. */
static void sort_programs(struct sup *s)
{
    size_t at = 0;

    for (size_t i = 0; i < s->file->program_count; i++) {
        for (size_t k = at; k < s->program_count; k++) {
            struct sup_program *p = s->programs[k];

            if (strcmp(p->name, s->file->programs[i].name) == 0) {
                memmove(&s->programs[at + 1], &s->programs[at], (k - at) * sizeof(void *));
                s->programs[at++] = p;
                break;
            }
        }
    }
}

static void apply(struct sup *s)
{
    for (size_t i = 0; i < s->program_count; i++) {
        struct sup_program *p = s->programs[i];
        bool there = sup_spec_program(s->file, p->name) != NULL;

        if (there && p->removed) {
            p->wanted = true;
        }
        p->removed = !there;
        if (there) {
            sup_rollout_ask(p, s->file, SUP_RELOAD);
        } else {
            p->wanted = false;
        }
    }
    for (size_t i = 0; i < s->file->program_count; i++) {
        if (sup_program_find(s, s->file->programs[i].name) == NULL) {
            sup_program_add(s, s->file, s->file->programs[i].name);
        }
    }
    sort_programs(s);
    sup_groups_make(s);
}

int sup_reread(struct sup *s, struct sup_program *const *only, size_t only_count)
{
    int code;
    struct sup_spec *file;

    if (s->stopping) {
        return ctl_fail(CTL_IN_USE, "everything is being stopped");
    }
    file = sup_spec_read(s->path, &code);
    if (file == NULL) {
        return refuse(s, NULL, code);
    }
    if (strcmp(file->bus, s->file->bus) != 0) {
        ctl_note("%s: `bus: %s` cannot become `%s` while it runs; start another supervisor",
                 s->path, s->file->bus, file->bus);
        return refuse(s, file, CTL_USAGE);
    }
    code = sup_spec_check(file);
    if (code == CTL_DONE) {
        code = sup_sockets_open(s, file);
    }
    if (code == CTL_DONE) {
        code = sup_log_open(s, file);
    }
    if (code != CTL_DONE) {
        return refuse(s, file, code);
    }
    sup_spec_drop(s->file);
    s->file = file;
    sup_up_say(s, "RELOADING=1");
    s->said_ready = false; /* READY=1 follows when it is over, whatever there is to be done */
    sup_event_of(s, NULL, "reread", false, "%s was read again", s->path);
    for (size_t i = 0; i < only_count; i++) {
        if (sup_spec_program(file, only[i]->name) != NULL) {
            sup_rollout_ask(only[i], file, SUP_RELOAD);
        }
    }
    if (only == NULL) {
        apply(s);
    }
    s->again = s->dirty = true;
    return CTL_DONE;
}
