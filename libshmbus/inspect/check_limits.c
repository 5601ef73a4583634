/* SPDX-License-Identifier: MIT */
/*
 * The health check of what is fixed at creation and used up: the next one who asks is refused, and
 * better knows before.
 */
#include "inspect/check_limits.h"

#include <inttypes.h>

#include "inspect/inspect.h"

static void check_processes(struct check *check)
{
    const struct sb_view *view = &check->bus->view;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < view->process_count; i++) {
        taken += sb_proc_state(sb_load_acquire(&view->processes[i].w)) == SB_PROC_ACTIVE;
    }
    if (taken == view->process_count) {
        cure(check, "create the bus with more (`processes`); shmbusctl ps %s shows who has them",
             bus_name(check));
        found(check, SHMBUS_SEVERITY_WARNING,
              "all %" PRIu32 " places for processes are taken: the next one cannot attach", taken);
    }
}

static void check_handles(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        open += sb_load_acquire(&ch->endpoints[i].w) != 0;
    }
    if (open == ch->endpoint_count) {
        cure(check, "close handles that are not used, or create the bus with more `endpoints`");
        found(check, SHMBUS_SEVERITY_WARNING,
              "channel %s: all %" PRIu32 " handles are open: the next one cannot open it", name,
              open);
    }
}

static void check_producers(struct check *check, const struct sb_channel_view *ch, const char *name)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < ch->lane_count; i++) {
        taken += sb_load_acquire(&ch->lanes[i].owner) != 0;
    }
    if (ch->lane_count > 0 && taken == ch->lane_count) {
        cure(check, "close senders that are not used, or create the bus with more `producers`");
        found(check, SHMBUS_SEVERITY_WARNING,
              "queue %s: all %" PRIu32 " lanes have a sender: the next one cannot open it", name,
              taken);
    }
}

void sb_check_limits(struct check *check)
{
    const struct sb_view *view = &check->bus->view;
    char name[SHMBUS_NAME_BYTES];

    check_processes(check);
    for (uint32_t i = 0; i < view->channel_count; i++) {
        const struct sb_channel_view *ch = &view->channels[i];
        if (sb_channel_name(ch, name)) {
            check_handles(check, ch, name);
            check_producers(check, ch, name);
        }
    }
}
