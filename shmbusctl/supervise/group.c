/* SPDX-License-Identifier: MIT */
/* Groups: started one program after the other, stopped in reverse, restarted together. */
#include <stdlib.h>

#include "memory.h"
#include "sup.h"

void sup_groups_make(struct sup *s)
{
    bool first = s->groups == NULL && !s->adopted; /* those taken over run already */

    for (size_t i = 0; s->groups != NULL && i < s->group_count; i++) {
        for (size_t k = 0; k < s->groups[i].count; k++) {
            s->groups[i].members[k]->held = false;
        }
        free(s->groups[i].members);
    }
    s->group_count = s->file->group_count;
    s->groups = sup_realloc(s->groups, s->group_count, sizeof *s->groups);
    for (size_t i = 0; i < s->group_count; i++) {
        const struct sup_group_spec *spec = &s->file->groups[i];
        struct sup_group *g = &s->groups[i];

        *g = (struct sup_group){.name = spec->name, .strategy = spec->strategy};
        g->members = sup_realloc(NULL, sup_list_count(spec->programs), sizeof(void *));
        for (char **name = spec->programs; *name != NULL; name++) {
            struct sup_program *p = sup_program_find(s, *name);

            if (p != NULL) {
                p->held = first; /* until its turn */
                g->members[g->count++] = p;
            }
        }
        g->phase = first ? SUP_GROUP_STARTING : SUP_GROUP_RUNNING;
    }
}

static struct sup_group *group_of(const struct sup_program *p, size_t *ret_place)
{
    struct sup *s = p->s;

    for (size_t i = 0; i < s->group_count; i++) {
        for (size_t k = 0; k < s->groups[i].count; k++) {
            if (s->groups[i].members[k] == p) {
                *ret_place = k;
                return &s->groups[i];
            }
        }
    }
    return NULL;
}

struct sup_group *sup_group_of(const struct sup_program *p)
{
    size_t place;

    return group_of(p, &place);
}

bool sup_group_restart(struct sup_program *p)
{
    size_t place;
    struct sup_group *g = group_of(p, &place);

    if (g == NULL || g->strategy == SUP_ONE_FOR_ONE || p->s->stopping) {
        return false;
    }
    if (g->phase == SUP_GROUP_STOPPING) {
        return true;
    }
    if (g->phase == SUP_GROUP_STARTING && g->at == place) {
        return false; /* the others wait for it anyway */
    }
    g->first = g->strategy == SUP_ALL_FOR_ONE ? 0 : place;
    if (g->first + 1 == g->count) {
        return false; /* nobody comes after it */
    }
    g->phase = SUP_GROUP_STOPPING;
    g->at = g->count - 1;
    p->held = true;
    sup_event_of(p->s, p, "group-restart", false, "group %s: %s died, %s is started again", g->name,
                 p->name, g->first == 0 ? "all of it" : "what comes after it");
    return true;
}

void sup_group_give_up(struct sup_program *p)
{
    size_t place;
    struct sup_group *g = group_of(p, &place);

    if (g == NULL || g->strategy == SUP_ONE_FOR_ONE) {
        return;
    }
    for (size_t k = g->strategy == SUP_ALL_FOR_ONE ? 0 : place + 1; k < g->count; k++) {
        if (g->members[k] != p && g->members[k]->wanted) {
            g->members[k]->wanted = false;
            sup_event_of(p->s, g->members[k], "group-stop", true,
                         "%s is stopped: %s of its group %s is given up", g->members[k]->name,
                         p->name, g->name);
        }
    }
}

static void step_stopping(struct sup *s, struct sup_group *g)
{
    struct sup_program *p = g->members[g->at];

    p->held = true;
    if (p->workers != NULL) {
        return;
    }
    s->again = true;
    if (g->at > g->first) {
        g->at--;
    } else {
        g->phase = SUP_GROUP_STARTING;
    }
}

static void step_starting(struct sup *s, struct sup_group *g)
{
    while (g->at < g->count) {
        struct sup_program *p = g->members[g->at];

        if (p->held) {
            p->held = false;
            s->again = true;
        }
        if (p->wanted && !sup_program_settled(p)) {
            return;
        }
        g->at++;
        s->again = true;
    }
    g->phase = SUP_GROUP_RUNNING;
}

void sup_groups_step(struct sup *s)
{
    for (size_t i = 0; i < s->group_count; i++) {
        struct sup_group *g = &s->groups[i];

        if (g->phase == SUP_GROUP_STOPPING) {
            step_stopping(s, g);
        } else if (g->phase == SUP_GROUP_STARTING) {
            step_starting(s, g);
        }
    }
}
