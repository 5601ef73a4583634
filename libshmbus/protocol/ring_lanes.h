/* SPDX-License-Identifier: MIT */
/*
 * A queue with order per producer: a lane of cells for each producer, many receivers.
 * The protocol and its proof are at the top of ring_lanes.c.
 */
#ifndef SB_RING_LANES_H
#define SB_RING_LANES_H

#include "base/branch.h"
#include "base/prefetch.h"
#include "layout/bounds.h"
#include "layout/view.h"
#include "protocol/returned.h"
#include "protocol/ring.h"

#define SB_LANE_QUANTUM 64u         /* messages from one lane before the next one has its turn */
#define SB_LANE_CATCH_UP_MASK 0xffu /* of how many empty looks one looks at more */
#define SB_LANE_FETCH 4u            /* messages ahead to prefetch: about one cache miss */

/* A producer's private part. One thread. */
struct sb_lane_tx {
    struct sb_lane *lane;
    uint8_t *cells; /* of the lane */
    uint64_t cell_bytes;
    uint64_t next; /* the ticket to use */
    uint64_t mask; /* depth - 1 */
    uint32_t shift;
    uint64_t depth_max;
    sb_word *depth_mark; /* where others read the mark; may be NULL */
};

/* Where to look for messages given back. */
struct sb_lane_scan {
    const struct sb_view *view;
    uint32_t channel;            /* for whose receivers */
    uint32_t owner;              /* this process, as in block headers */
    uint64_t seen;               /* orphan_seq whose orphans have all been used up */
    uint64_t passed;             /* others taken while messages wait that yield to them */
    uint64_t died_with;          /* of the last message delivered again: holder as it was found */
    bool late;                   /* nothing else waits: those that yield, too */
    struct sb_returned returned; /* what that look found */
};

/* A receiver's private part. One thread. */
struct sb_lane_rx {
    const struct sb_channel_view *channel;
    uint8_t *cells;
    uint64_t cell_bytes;
    uint64_t mask;
    uint32_t shift;
    uint32_t owner;
    uint32_t lane; /* the one to look at first */
    uint32_t run;  /* messages taken from it in a row */
    uint32_t empty_looks;
    uint32_t full_turns; /* quanta used up; back_off_when_empty() resets it */
    uint32_t tries;      /* of the present call in the present lane, up to bound */
    uint32_t bound;
    struct sb_lane_scan scan;
    uint64_t cursor[SB_LANES_MAX]; /* of each lane: every ticket below is settled */
};

/* A message taken: RECEIVED(owner). */
struct sb_lane_msg {
    struct sb_cell *cell;
    uint64_t hdr;
    uint64_t ticket;
    uint32_t channel; /* whose cell it is */
    uint32_t number;  /* of the cell in that channel */
};

static SB_INLINE uint64_t sb_lane_lap(uint64_t ticket, uint32_t shift)
{
    return sb_gen_next(ticket >> shift); /* from 1: a fresh cell is one lap behind */
}

/* How many laps a word is ahead of the lap of @ticket; laps are circular numbers. */
static SB_INLINE int64_t sb_lane_ahead(uint64_t w, uint64_t ticket, uint32_t shift)
{
    return (int64_t)((sb_hdr_gen(w) - sb_lane_lap(ticket, shift)) << 24) >> 24;
}

/* The ticket that word @w of the lane's cell @number is of, the lane having come to @next. */
static SB_INLINE uint64_t sb_lane_ticket(uint64_t w, uint64_t number, uint64_t next, uint32_t shift)
{
    uint64_t mask = (1ull << shift) - 1u;
    uint64_t t = (next & ~mask) | (number & mask);

    return t + ((uint64_t)sb_lane_ahead(w, t, shift) << shift);
}

static SB_INLINE uint64_t sb_lane_published(uint64_t lap)
{
    return sb_hdr_make(lap, 0, SB_BLOCK_QUEUED, 0);
}

static SB_INLINE struct sb_cell *sb_lane_cell(uint8_t *cells, uint64_t cell_bytes, uint64_t i)
{
    return (struct sb_cell *)(void *)(cells + i * cell_bytes);
}

/* Takes a lane for @owner64. SB_RING_OK; SB_RING_FULL: all are taken; SB_RING_CORRUPT. */
enum sb_ring_result sb_lane_open(struct sb_lane_tx *tx, const struct sb_channel_view *channel,
                                 uint64_t owner64);
void sb_lane_close(struct sb_lane_tx *tx, uint64_t owner64);

/* The place for the next message when the first cell is not free; NULL if the lane is full. */
struct sb_cell *sb_lane_other_place(struct sb_lane_tx *tx);

/* Throws away the oldest message of this lane that nobody has taken; false if there is none. */
bool sb_lane_drop_oldest(struct sb_lane_tx *tx);

/* Throws away the oldest dead letter that lies where the next message could; false if there is none
 * or there is a place. */
bool sb_lane_drop_letter(struct sb_lane_tx *tx);

/* Whether the message @ahead places behind the oldest one has been taken. */
static inline bool sb_lane_is_read(const struct sb_lane_tx *tx, uint64_t ahead)
{
    const struct sb_cell *cell =
        sb_lane_cell(tx->cells, tx->cell_bytes, (tx->next + ahead) & tx->mask);
    return sb_hdr_state(sb_load_relaxed(&cell->w)) != SB_BLOCK_QUEUED;
}

/* High-water mark, in steps of 1/16 of the depth. */
void sb_lane_note_depth(struct sb_lane_tx *tx, uint64_t ticket);

/* P0: the place for the next message. Nobody else touches it until sb_lane_publish(). */
static SB_INLINE struct sb_cell *sb_lane_place(struct sb_lane_tx *tx)
{
    struct sb_cell *cell = sb_lane_cell(tx->cells, tx->cell_bytes, tx->next & tx->mask);

    if (sb_likely(sb_hdr_state(sb_load_acquire(&cell->w)) == SB_BLOCK_FREE)) {
        return cell;
    }
    return sb_lane_other_place(tx);
}

/* What sb_lane_place() returned last, without another look at its word. */
static SB_INLINE struct sb_cell *sb_lane_reserved(const struct sb_lane_tx *tx)
{
    return sb_lane_cell(tx->cells, tx->cell_bytes, tx->next & tx->mask);
}

/* P2 and P3 on what sb_lane_place() returned last, filled. */
static SB_INLINE void sb_lane_publish(struct sb_lane_tx *tx, struct sb_cell *cell)
{
    uint64_t t = tx->next;

    sb_store_release(&cell->w, sb_lane_published(sb_lane_lap(t, tx->shift))); /* P2 */
    tx->next = t + 1u;
    sb_store_relaxed(&tx->lane->next, t + 1u); /* P3 */
    if (sb_unlikely((t & (tx->mask >> 4)) == 0)) {
        sb_lane_note_depth(tx, t);
    }
}

void sb_lane_rx_init(struct sb_lane_rx *rx, const struct sb_view *view, uint32_t channel,
                     uint32_t owner);

/* Whether the message @ahead places behind the next one of the present lane was published. */
static inline bool sb_lane_is_published(const struct sb_lane_rx *rx, uint64_t ahead)
{
    uint64_t t = rx->cursor[rx->lane] + ahead;
    uint64_t number = ((uint64_t)rx->lane << rx->shift) | (t & rx->mask);
    const struct sb_cell *cell = sb_lane_cell(rx->cells, rx->cell_bytes, number);
    return sb_hdr_gen(sb_load_relaxed(&cell->w)) == sb_lane_lap(t, rx->shift);
}

/* The next lane has its turn. */
void sb_lane_turn(struct sb_lane_rx *rx);

/* C0 and C1 on the message at the cursor of @lane; false if it is not there. */
static SB_INLINE bool sb_lane_claim(struct sb_lane_rx *rx, uint32_t lane,
                                    struct sb_lane_msg *ret_msg)
{
    uint64_t c = rx->cursor[lane];
    uint64_t lap = sb_lane_lap(c, rx->shift);
    uint64_t first = (uint64_t)lane << rx->shift;
    uint64_t mine = sb_hdr_make(lap, 1, SB_BLOCK_RECEIVED, rx->owner);
    struct sb_cell *cell = sb_lane_cell(rx->cells, rx->cell_bytes, first | (c & rx->mask));

    if (sb_load_acquire(&cell->w) != sb_lane_published(lap) || /* C0 */
        !sb_cas(&cell->w, sb_lane_published(lap), mine)) {     /* C1 */
        return false;
    }
    ret_msg->cell = cell;
    ret_msg->hdr = mine;
    ret_msg->ticket = c;
    ret_msg->channel = rx->scan.channel;
    ret_msg->number = (uint32_t)(first | (c & rx->mask));
    rx->cursor[lane] = c + 1u;
    /* While this message is worked on one of the next is fetched. */
    cell = sb_lane_cell(rx->cells, rx->cell_bytes, first | ((c + SB_LANE_FETCH) & rx->mask));
    sb_prefetch_to_write(cell);
    sb_prefetch((const char *)cell + SB_LINE);
    if (sb_unlikely(++rx->run >= SB_LANE_QUANTUM)) {
        rx->full_turns++;
        sb_lane_turn(rx);
    }
    return true;
}

/* Lanes that were ever in use, at most those there are. */
static inline uint32_t sb_lane_used(const struct sb_channel_view *channel)
{
    uint64_t used = sb_load_acquire(&channel->shared->lanes_used);
    return used < channel->lane_count ? (uint32_t)used : channel->lane_count;
}

/* The message at the cursor could not be taken. SB_RING_EMPTY: none is there; SB_RING_BUSY: look
 * again. */
enum sb_ring_result sb_lane_pass(struct sb_lane_rx *rx, uint32_t lane);

/* A handle that was not used for half of all laps takes newer laps for older ones. So a receiver
 * that finds nothing looks now and then at next, which has all bits: what is more than a lap behind
 * it is settled. */
void sb_lane_catch_up(struct sb_lane_rx *rx, uint32_t used);

/* The next message of any lane, not those given back: see sb_lane_take(). SB_RING_OK,
 * SB_RING_EMPTY; SB_RING_BUSY: others were faster too often. */
static SB_INLINE enum sb_ring_result sb_lane_take_published(struct sb_lane_rx *rx,
                                                            struct sb_lane_msg *ret)
{
    uint32_t used = sb_lane_used(rx->channel);
    uint32_t empty = 0;

    for (rx->tries = 0; empty < used && rx->tries < rx->bound; rx->tries++) {
        if (sb_lane_claim(rx, rx->lane, ret)) {
            return SB_RING_OK;
        }
        if (sb_lane_pass(rx, rx->lane) == SB_RING_EMPTY) {
            empty++;
            rx->tries = 0; /* each lane has its own */
            sb_lane_turn(rx);
            used = sb_lane_used(rx->channel); /* a new one has its turn, too, before the others */
        }
    }
    if (empty < used) {
        return SB_RING_BUSY;
    }
    if ((++rx->empty_looks & SB_LANE_CATCH_UP_MASK) == 0) {
        sb_lane_catch_up(rx, used);
    }
    return SB_RING_EMPTY;
}

/* Whether a receive would find something or has something to look at. Changes nothing. */
bool sb_lane_readable(const struct sb_lane_rx *rx);

/* For the receivers of @channel: its own cells, and those of which it is the dead-letter queue. */
void sb_lane_scan_init(struct sb_lane_scan *scan, const struct sb_view *view, uint32_t channel,
                       uint32_t owner);
/* The cell that the caller still holds by @hdr; NULL if the caller does not hold it any more. */
struct sb_cell *sb_lane_held(const struct sb_view *view, uint32_t channel, uint32_t cell,
                             uint64_t hdr, uint32_t owner);

/* A1: done with it. */
static SB_INLINE void sb_lane_release(struct sb_cell *cell, uint64_t hdr)
{
    sb_store_release(&cell->w, sb_hdr_make(sb_hdr_gen(hdr), 0, SB_BLOCK_FREE, 0)); /* A1 */
}

/* The ticket of a message that waits or is held in cell @number of a channel, by its word. */
static inline uint64_t sb_cell_ticket(const struct sb_channel_view *channel, uint64_t number,
                                      uint64_t w)
{
    const struct sb_lane *lane = &channel->lanes[number >> channel->depth_shift];
    return sb_lane_ticket(w, number, sb_load_acquire(&lane->next), channel->depth_shift);
}

/* Messages waiting, from the cells themselves. Reads only. */
uint64_t sb_lane_depth(const struct sb_channel_view *channel);

/* Their cells: how many of a channel may ever have been used. */
static inline uint64_t sb_cells_used(const struct sb_channel_view *channel)
{
    return (uint64_t)sb_lane_used(channel) << channel->depth_shift;
}

#endif
