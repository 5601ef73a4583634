/* SPDX-License-Identifier: MIT */
/*
 * What may be said about a block, a channel, an owner by looking at its words: the basics of all
 * that looks.
 */
#include "inspect/inspect.h"

#include "layout/name.h"

#define LOOK_TRIES 8u

bool sb_block_snapshot(const struct sb_blocks *blocks, uint32_t block,
                       struct sb_block_snapshot *ret)
{
    const struct sb_block *b = sb_block_at(blocks, block);
    for (unsigned i = 0; i < LOOK_TRIES; i++) {
        ret->hdr = sb_load_acquire(&b->hdr);
        ret->loc = sb_load_acquire(&b->loc[sb_hdr_gen(ret->hdr) & 1u]);
        ret->meta = sb_load_acquire(&b->meta);
        ret->stamp_ns = sb_load_acquire(&b->stamp_ns);
        ret->correlation_id = sb_load_acquire(&b->correlation_id);
        ret->holder = sb_load_acquire(&b->holder);
        if (sb_load_acquire(&b->hdr) == ret->hdr) {
            return true;
        }
    }
    return false;
}

bool sb_is_letter(const struct sb_view *view, const struct sb_block_snapshot *look)
{
    uint32_t channel = sb_loc_channel(look->loc);

    switch (sb_hdr_state(look->hdr)) {
    case SB_BLOCK_DEAD_LETTER:
        return true;
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_FORWARDED:
    case SB_BLOCK_ORPHAN:
        return sb_meta_aside(look->meta) > 0 && channel < view->channel_count &&
               view->channels[channel].takes_letters;
    default:
        return false;
    }
}

void sb_block_counts_add(struct sb_block_counts *census, const struct sb_view *view,
                         const struct sb_block_snapshot *look)
{
    if (sb_is_letter(view, look)) {
        census->dead_letters++;
        return;
    }
    switch (sb_hdr_state(look->hdr)) {
    case SB_BLOCK_FREE:
        census->free++;
        break;
    case SB_BLOCK_FILLING:
        census->held += look->holder != 0;
        census->stock += look->holder == 0;
        break;
    case SB_BLOCK_RECEIVED:
    case SB_BLOCK_EXCHANGED:
        census->held++;
        break;
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_FORWARDED:
        census->queued++;
        break;
    case SB_BLOCK_ORPHAN:
        census->redeliverable++;
        break;
    default:
        break;
    }
}

uint32_t sb_waits_for(const struct sb_view *view, const struct sb_block_snapshot *look)
{
    uint32_t channel = sb_loc_channel(look->loc);
    if (channel >= view->channel_count) {
        return SB_NONE;
    }
    if (sb_hdr_state(look->hdr) == SB_BLOCK_DEAD_LETTER &&
        view->channels[channel].dead_letter < view->channel_count) {
        return view->channels[channel].dead_letter;
    }
    return channel;
}

bool sb_channel_name(const struct sb_channel_view *channel, char ret_name[SHMBUS_NAME_BYTES])
{
    uint64_t dir = sb_load_acquire(&channel->shared->dir);
    if (sb_dir_state(dir) != SB_DIR_READY) {
        return false;
    }
    sb_name_load(channel->shared->name, ret_name);
    return true;
}

bool sb_owner_is_listed(const struct sb_view *view, uint32_t owner)
{
    uint32_t slot = sb_owner_slot(owner);
    uint64_t w;
    if (slot >= view->process_count) {
        return false;
    }
    w = sb_load_acquire(&view->processes[slot].w);
    return sb_proc_state(w) == SB_PROC_ACTIVE && sb_owner_make(slot, sb_proc_epoch(w)) == owner;
}

bool sb_owner64_is_listed(const struct sb_view *view, uint64_t owner64)
{
    return sb_owner64_word(view, owner64) != 0;
}

bool sb_block_is_in_slot(const struct sb_view *view, const struct sb_block_snapshot *look,
                         uint32_t block)
{
    uint32_t channel = sb_loc_channel(look->loc);
    uint64_t ticket = sb_loc_ticket(look->loc);
    const struct sb_channel_view *ch;
    if (channel >= view->channel_count || view->channels[channel].slots == NULL) {
        return false;
    }
    ch = &view->channels[channel];
    return sb_load_acquire(&ch->slots[sb_slot_index(ticket, ch->depth_shift)]) ==
           sb_slot_make(sb_lap_of(ticket, ch->depth_shift), block);
}
