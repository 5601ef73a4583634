/* SPDX-License-Identifier: MIT */
/* The verbs, in the order in which help shows them, and who is meant by a word close to one. */
#include <string.h>

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

#define WORD_MAX 48

/* Edits (insert, delete, replace) that turn one word into the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], a_bytes = strlen(a), b_bytes = strlen(b);

    if (a_bytes > WORD_MAX || b_bytes > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_bytes; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_bytes];
}

const char *ctl_nearest(const char *word, const char *const *names)
{
    size_t best_distance = 1 + strlen(word) / 3;
    const char *best = NULL;

    for (size_t i = 0; names[i]; i++) {
        size_t edits = distance(word, names[i]);

        if (word[0] && strncmp(word, names[i], strlen(word)) == 0)
            edits = 1; /* the beginning of a name is a good guess */
        if (edits < best_distance || (edits == best_distance && !best)) {
            best_distance = edits;
            best = names[i];
        }
    }
    return best_distance < strlen(word) ? best : NULL;
}
