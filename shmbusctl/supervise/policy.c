/* SPDX-License-Identifier: MIT */
/* How an end is judged, whether it is followed by a start, and when. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "sup.h"

#define NAME_OF(name, word) word,
const char *const sup_reason_names[SUP_REASON_COUNT + 1] = {SUP_REASONS(NAME_OF) NULL};
#undef NAME_OF

void sup_death_text(bool known, int wait_status, char *out, size_t out_bytes)
{
    if (!known) {
        snprintf(out, out_bytes, "end not known (no child of this supervisor)");
    } else if (WIFEXITED(wait_status)) {
        snprintf(out, out_bytes, "exit code %d", WEXITSTATUS(wait_status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(wait_status));

        if (name != NULL) {
            snprintf(out, out_bytes, "killed by SIG%s%s", name,
                     WCOREDUMP(wait_status) ? ", core dumped" : "");
        } else {
            snprintf(out, out_bytes, "killed by signal %d", WTERMSIG(wait_status));
        }
    }
}

/* Who never became ready has failed, whatever its exit code; of an adopted one nobody knows. */
enum sup_outcome sup_outcome_of(const struct sup_worker *w)
{
    const struct sup_restart_spec *r = &w->spec->restart;

    if (w->stop_asked && (w->stop_reason == SUP_NOT_READY || w->stop_reason == SUP_WATCHDOG)) {
        return SUP_ABNORMAL;
    }
    if (w->start_error != NULL || !w->ours) {
        return SUP_FAILED;
    }
    if (!WIFEXITED(w->wait_status)) {
        return SUP_ABNORMAL;
    }
    if (sup_codes_have(&r->permanent, (uint32_t)WEXITSTATUS(w->wait_status))) {
        return SUP_PERMANENT;
    }
    return sup_codes_have(&r->success, (uint32_t)WEXITSTATUS(w->wait_status)) ? SUP_ENDED_WELL
                                                                              : SUP_FAILED;
}

bool sup_policy_restarts(const struct sup_restart_spec *r, enum sup_outcome outcome)
{
    if (outcome == SUP_PERMANENT) {
        return false;
    }
    switch (r->policy) {
    case SUP_NEVER:
        return false;
    case SUP_ON_FAILURE:
        return outcome != SUP_ENDED_WELL;
    case SUP_ON_ABNORMAL:
        return outcome == SUP_ABNORMAL;
    case SUP_ALWAYS:
        return true;
    }
    return true;
}

/* Doubled with each failure up to the cap; between the half and all of that, so that many who fell
 * together do not come back together. The first restart of who had run stably is at once. */
int64_t sup_backoff_ns(const struct sup_restart_spec *r, uint32_t failures)
{
    int64_t most = r->backoff_ns;
    uint32_t random = 0;

    if (failures == 0) {
        return 0;
    }
    for (uint32_t i = 1; i < failures && most < r->backoff_max_ns; i++) {
        most *= 2;
    }
    if (most > r->backoff_max_ns) {
        most = r->backoff_max_ns;
    }
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random) {
        random = 0;
    }
    return most / 2 + most / 2 / 1000 * (random % 1000);
}

bool sup_too_many_starts(const struct sup_slot *slot, const struct sup_restart_spec *r,
                         int64_t now_ns)
{
    uint32_t recent = 0, kept = sizeof slot->starts / sizeof slot->starts[0];

    if (r->starts == 0) {
        return false;
    }
    for (uint32_t i = 0; i < kept && i < slot->start_count; i++) {
        recent += now_ns - slot->starts[i] < r->within_ns;
    }
    return recent >= r->starts;
}
