/* SPDX-License-Identifier: MIT */
/* The verbs, in the order in which help shows them, and who is meant by a word close to one. */
#include <string.h>

#include "../libshmbus/plan/spelling.h"
#include "ctl.h"

const struct ctl_verb *const ctl_verbs[] = {
    &verb_create,  &verb_list,   &verb_stats,   &verb_ps,      &verb_send,       &verb_recv,
    &verb_peek,    &verb_doctor, &verb_reclaim, &verb_rm,      &verb_gc,         &verb_supervise,
    &verb_status,  &verb_start,  &verb_stop,    &verb_restart, &verb_reload,     &verb_scale,
    &verb_rollout, &verb_logs,   &verb_version, &verb_help,    &verb_completion, NULL};

const struct ctl_verb *ctl_verb_find(const char *name)
{
    for (size_t i = 0; ctl_verbs[i]; i++)
        if (strcmp(ctl_verbs[i]->name, name) == 0)
            return ctl_verbs[i];
    return NULL;
}

const char *ctl_nearest(const char *word, const char *const *names)
{
    size_t count = 0;

    while (names[count])
        count++;
    return sb_nearest_word(word, names, count);
}
