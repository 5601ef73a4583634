/* SPDX-License-Identifier: MIT */
/*
 * Handles whose thread has ended, and what they hold: shown, and nothing more. threads.c says why.
 */
#include "inspect/left.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/here.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/life.h"
#include "protocol/ring_lanes.h"

/* The threads of one process, seen from any process of its pid namespace. */
struct threads {
    const struct sb_view *view;
    pid_t pid;
    uint32_t owner;
    uint64_t owner64;
    uint64_t last; /* asked about last, and the answer */
    bool last_is_gone;
};

static bool is_gone(struct threads *threads, uint64_t thread)
{
    char path[64];

    if (thread == 0) {
        return false;
    }
    if (thread != threads->last) {
        snprintf(path, sizeof path, "/proc/%d/task/%llu", (int)threads->pid,
                 (unsigned long long)thread);
        threads->last = thread;
        threads->last_is_gone = access(path, F_OK) < 0 && errno == ENOENT;
    }
    return threads->last_is_gone;
}

/* @holder: the mark of the handle that gave a message to the application, see open.c. */
static bool is_left(struct threads *threads, uint64_t holder)
{
    uint32_t channel = sb_holder_channel(holder);
    uint32_t row = sb_holder_row(holder);
    const struct sb_endpoint *endpoint;

    if (sb_holder_owner(holder) != threads->owner || channel >= threads->view->channel_count ||
        row >= threads->view->channels[channel].endpoint_count) {
        return false;
    }
    endpoint = &threads->view->channels[channel].endpoints[row];
    return sb_load_acquire(&endpoint->w) == threads->owner64 &&
           is_gone(threads, sb_load_relaxed(&endpoint->thread));
}

static uint64_t left_in_blocks(struct threads *threads)
{
    const struct sb_blocks *blocks = &threads->view->blocks;
    uint64_t n = 0;

    for (uint32_t b = 0; b < blocks->count; b++) {
        struct sb_block_snapshot look;
        uint64_t hdr = sb_load_relaxed(&sb_block_at(blocks, b)->hdr);
        if (sb_hdr_owner(hdr) != threads->owner || !sb_block_snapshot(blocks, b, &look) ||
            sb_hdr_owner(look.hdr) != threads->owner) {
            continue;
        }
        n += (sb_hdr_state(look.hdr) == SB_BLOCK_RECEIVED ||
              sb_hdr_state(look.hdr) == SB_BLOCK_FILLING) &&
             is_left(threads, look.holder);
    }
    return n;
}

static uint64_t left_in_cells(struct threads *threads, const struct sb_channel_view *ch)
{
    uint64_t end = sb_look_cells(ch), n = 0;

    for (uint64_t i = 0; i < end; i++) {
        const struct sb_cell *cell = sb_cell_at(ch, i);
        uint64_t w = sb_load_acquire(&cell->w);
        n += sb_hdr_state(w) == SB_BLOCK_RECEIVED && sb_hdr_owner(w) == threads->owner &&
             is_left(threads, sb_load_acquire(&cell->holder));
    }
    return n;
}

/* Handles, and what a stream gave through them. */
static void left_in_rows(struct threads *threads, const struct sb_channel_view *ch,
                         struct shmbus_process_stat *stat)
{
    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        const struct sb_endpoint *row = &ch->endpoints[i];
        if (sb_load_acquire(&row->w) != threads->owner64 ||
            !is_gone(threads, sb_load_relaxed(&row->thread))) {
            continue;
        }
        stat->handles_left++;
        stat->held_left += (uint32_t)sb_in_hand_of_stream(ch, row);
    }
}

void sb_left_behind(const struct sb_view *view, uint64_t w, struct shmbus_process_stat *stat)
{
    struct threads threads = {
        .view = view,
        .pid = stat->pid,
        .owner = sb_owner_make(stat->slot, sb_proc_epoch(w)),
        .owner64 = sb_owner64_make(stat->slot, sb_proc_epoch(w)),
    };

    if (!stat->same_pid_namespace || sb_process_state(stat->pid, stat->start_time_ticks) == 0) {
        return;
    }
    for (uint32_t c = 0; c < view->channel_count; c++) {
        left_in_rows(&threads, &view->channels[c], stat);
    }
    if (stat->handles_left == 0) {
        return;
    }
    stat->held_left += (uint32_t)left_in_blocks(&threads);
    for (uint32_t c = 0; c < view->channel_count; c++) {
        stat->held_left += (uint32_t)left_in_cells(&threads, &view->channels[c]);
    }
}
