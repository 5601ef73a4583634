/* SPDX-License-Identifier: MIT */
/*
 * The health check of what is fixed at creation and used up: the next one who asks is refused, and
 * better knows before.
 */
#include "inspect/check_limits.h"

#include <inttypes.h>

#include "inspect/inspect.h"

#define SAYS_BYTES 48u

/* "all 16", "15 of 16" */
static bool is_used_up(const struct check *check, uint32_t used, uint32_t all,
                       char ret_text[SAYS_BYTES])
{
    if (used == all) {
        snprintf(ret_text, SAYS_BYTES, "all %" PRIu32, all);
    } else {
        snprintf(ret_text, SAYS_BYTES, "%" PRIu32 " of %" PRIu32, used, all);
    }
    return is_at_limit(check->limits.used_percent, used, all);
}

static void check_processes(struct check *check)
{
    const struct sb_view *view = &check->bus->view;
    uint32_t taken = 0;
    char all[SAYS_BYTES];

    for (uint32_t i = 0; i < view->process_count; i++) {
        taken += sb_proc_state(sb_load_acquire(&view->processes[i].w)) == SB_PROC_ACTIVE;
    }
    if (is_used_up(check, taken, view->process_count, all)) {
        cure(check, "create the bus with more (`processes`); shmbusctl ps %s shows who has them",
             bus_name(check));
        found(check, SHMBUS_SEVERITY_WARNING, "%s places for processes are taken%s", all,
              taken == view->process_count ? ": the next one cannot attach" : "");
    }
}

static void check_handles(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint32_t open = 0;
    char all[SAYS_BYTES];

    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        open += sb_load_acquire(&ch->endpoints[i].w) != 0;
    }
    if (is_used_up(check, open, ch->endpoint_count, all)) {
        cure(check, "close handles that are not used, or create the bus with more `endpoints`");
        found(check, SHMBUS_SEVERITY_WARNING, "channel \"%s\": %s handles are open%s", name, all,
              open == ch->endpoint_count ? ": the next one cannot open it" : "");
    }
}

static void check_producers(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint32_t taken = 0;
    char all[SAYS_BYTES];

    for (uint32_t i = 0; i < ch->lane_count; i++) {
        taken += sb_load_acquire(&ch->lanes[i].owner) != 0;
    }
    if (is_used_up(check, taken, ch->lane_count, all)) {
        cure(check, "close senders that are not used, or create the bus with more `producers`");
        found(check, SHMBUS_SEVERITY_WARNING, "queue \"%s\": %s lanes have a sender%s", name, all,
              taken == ch->lane_count ? ": the next one cannot open it" : "");
    }
}

/* A bus without any is meant to have none. */
static void check_spare(struct check *check)
{
    const struct sb_view *view = &check->bus->view;
    uint32_t spare = 0, named = 0;
    char name[SHMBUS_NAME_BYTES], all[SAYS_BYTES];

    for (uint32_t i = 0; i < view->channel_count; i++) {
        bool is_spare = (view->channels[i].flags & SB_CHANNEL_SPARE) != 0;
        spare += is_spare;
        named += is_spare && sb_channel_name(&view->channels[i], name);
    }
    if (is_used_up(check, named, spare, all)) {
        cure(check,
             "declare queues in the plan, or create the bus with more `spare` channels; "
             "a misspelt name takes one, too: shmbusctl stats %s",
             bus_name(check));
        found(check, SHMBUS_SEVERITY_WARNING, "%s spare queues have a name%s", all,
              named == spare ? ": the next new name is refused" : "");
    }
}

void sb_check_limits(struct check *check)
{
    const struct sb_view *view = &check->bus->view;
    char name[SHMBUS_NAME_BYTES];

    check_processes(check);
    check_spare(check);
    for (uint32_t i = 0; i < view->channel_count; i++) {
        const struct sb_channel_view *ch = &view->channels[i];
        if (sb_channel_name(ch, name)) {
            check_handles(check, ch, name);
            check_producers(check, ch, name);
        }
    }
}
