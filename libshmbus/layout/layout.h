/* SPDX-License-Identifier: MIT */
/*
 * Every byte of a segment. Offsets, never pointers; fixed-width words; one writer a line where the
 * line is hot. doc/layout.md draws it, the assertions below pin it.
 *
 * Order in the file:
 *   superblock | processes | classes | channels | regions | bitmaps | per channel: endpoints, ring
 *   | per region: data, undo | per class: headers, payloads
 *
 * A change of any struct here is a new SB_LAYOUT_MAJOR (or a feature bit).
 */
#ifndef SB_LAYOUT_H
#define SB_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

#include "base/atomic.h"

#define SB_LINE 64u  /* cache line */
#define SB_PAIR 128u /* lines come in pairs: writers of different words keep this far apart */
#define SB_LAYOUT_MAJOR 4u
#define SB_LAYOUT_MINOR 0u
#define SB_MAGIC "shmbus\r\n" /* 8 bytes; shows text-mode damage */
#define SB_NAME_WORDS (SHMBUS_NAME_BYTES / 8)
#define SB_NONE UINT32_MAX
#define SB_SWEEPERS 4u /* one and its deputies */

/* ------------------------------------------------------------------------------ owner words
 *
 * owner   slot+1:10 | epoch:4 in block headers (14 bits, 0 nobody), written by that process only
 * owner64 epoch:46 | how:2 | slot+1:16 in endpoint rows, lanes, stream ends, region locks (0
 *         nobody); how is 0, but for a stream end that was left
 */
#define SB_OWNER_BITS 14u
#ifndef SB_OWNER_EPOCH_BITS /* a model is built with none, so that names come back at once */
#define SB_OWNER_EPOCH_BITS 4u
#endif

/* The epoch that a header shows: its last bits. */
static inline uint32_t sb_owner_epoch(uint64_t epoch)
{
    return (uint32_t)epoch & ((1u << SB_OWNER_EPOCH_BITS) - 1u);
}

static inline uint32_t sb_owner_make(uint32_t slot, uint64_t epoch)
{
    return ((slot + 1u) << SB_OWNER_EPOCH_BITS) | sb_owner_epoch(epoch);
}

/* The slot of an owner, SB_NONE for nobody; the caller range-checks it. */
static inline uint32_t sb_owner_slot(uint32_t owner)
{
    return (owner >> SB_OWNER_EPOCH_BITS) - 1u;
}

static inline uint64_t sb_owner64_make(uint32_t slot, uint64_t epoch)
{
    return (epoch << 18) | (slot + 1u);
}

/* The slot of an owner64, SB_NONE for nobody; the caller range-checks it. */
static inline uint32_t sb_owner64_slot(uint64_t owner64)
{
    return (uint32_t)(owner64 & 0xffffu) - 1u;
}

/* The end of a stream is an owner64 that says by `how` whether it is held, or how its last owner
 * left it: see stream_end.h. */
enum sb_end_how { SB_END_HELD = 0, SB_END_CLOSED = 1, SB_END_DEAD = 2 };

static inline enum sb_end_how sb_end_how(uint64_t role)
{
    return (enum sb_end_how)((role >> 16) & 3u);
}

static inline bool sb_end_is_held(uint64_t role)
{
    return (role & 0xffffu) != 0 && sb_end_how(role) == SB_END_HELD;
}

static inline uint64_t sb_end_left(uint64_t owner64, enum sb_end_how how)
{
    return owner64 | ((uint64_t)how << 16);
}

/* ------------------------------------------------------------------------- block header word
 *
 * gen:40 | deliveries:6 | state:4 | owner:14
 */
enum sb_block_state {
    SB_BLOCK_FREE = 0,      /* nobody's */
    SB_BLOCK_FILLING = 1,   /* held to be filled: in a stock or in the application's hands */
    SB_BLOCK_RECEIVED = 2,  /* received, not acknowledged */
    SB_BLOCK_QUEUED = 3,    /* being sent or sent: the slot named by loc decides */
    SB_BLOCK_FORWARDED = 4, /* the same, but it was a received message (forwarding) */
    SB_BLOCK_ORPHAN = 5,    /* to be delivered again, by any receiver of loc's channel */
    SB_BLOCK_DEAD_LETTER =
        6, /* set aside and not yet moved to the dead-letter queue of loc's channel: for a
                    * receiver of either to move it, or of the latter to take it */
    SB_BLOCK_EXCHANGED = 7 /* received, and goes on in the block that twin names: see exchange.c */
};

static inline uint64_t sb_hdr_make(uint64_t gen, uint32_t deliveries, enum sb_block_state state,
                                   uint32_t owner)
{
    return (gen << 24) | ((uint64_t)deliveries << 18) | ((uint64_t)state << 14) | owner;
}

static inline uint64_t sb_hdr_gen(uint64_t hdr)
{
    return hdr >> 24;
}

static inline uint32_t sb_hdr_deliveries(uint64_t hdr)
{
    return (uint32_t)(hdr >> 18) & 63u;
}

#ifndef SB_DELIVERIES_STOP /* where counts stop; a model is built with 1 */
#define SB_DELIVERIES_STOP SHMBUS_DELIVERIES_MAX
#endif

static inline uint32_t sb_deliveries_next(uint32_t deliveries)
{
    return deliveries < SB_DELIVERIES_STOP ? deliveries + 1u : deliveries;
}

static inline enum sb_block_state sb_hdr_state(uint64_t hdr)
{
    return (enum sb_block_state)((hdr >> 14) & 15u);
}

static inline uint32_t sb_hdr_owner(uint64_t hdr)
{
    return (uint32_t)hdr & 0x3fffu;
}

/* gen is 40 bits wide: shifting left by 24 drops what overflows */
static inline uint64_t sb_gen_next(uint64_t gen)
{
    return (gen + 1u) & ((1ull << 40) - 1u);
}

static inline uint64_t sb_gen_prev(uint64_t gen)
{
    return (gen - 1u) & ((1ull << 40) - 1u);
}

/* location: channel:16 | ticket:48 */
static inline uint64_t sb_loc_make(uint32_t channel, uint64_t ticket)
{
    return ((uint64_t)channel << 48) | (ticket & ((1ull << 48) - 1u));
}

static inline uint32_t sb_loc_channel(uint64_t loc)
{
    return (uint32_t)(loc >> 48);
}

static inline uint64_t sb_loc_ticket(uint64_t loc)
{
    return loc & ((1ull << 48) - 1u);
}

/* meta: size:32 | sender slot:16 | type:8 | aside:8. aside: in a dead-letter queue, how
 * often the message was delivered before it came there, 0 for any other; elsewhere nothing */
static inline uint64_t sb_meta_make(uint32_t size_bytes, uint32_t sender, uint32_t type)
{
    return ((uint64_t)size_bytes << 32) | ((uint64_t)(sender & 0xffffu) << 16) |
           ((uint64_t)(type & 0xffu) << 8);
}

static inline uint32_t sb_meta_size(uint64_t meta)
{
    return (uint32_t)(meta >> 32);
}

static inline uint16_t sb_meta_sender(uint64_t meta)
{
    return (uint16_t)(meta >> 16);
}

static inline uint8_t sb_meta_type(uint64_t meta)
{
    return (uint8_t)(meta >> 8);
}

static inline uint8_t sb_meta_aside(uint64_t meta)
{
    return (uint8_t)meta;
}

static inline uint64_t sb_meta_set_aside(uint64_t meta, uint32_t deliveries)
{
    return (meta & ~0xffull) | deliveries;
}

/* holder: yields:1 | again:1 | place:16 | owner:14 | channel + 1:16 | row + 1:16, 0 nobody: the
 * handle that gave the message to the application, by its row in the channel's table. With the
 * owner in it, what a dead process left is nobody's.
 * again: the one who had it before died with it, too; yields: and the one before that. place: with
 * yields, the end of the queue when it was received then, in units of at most 1/2^14 of all that
 * may wait. See ring_mpmc.c, Y1. */
static inline uint64_t sb_holder_make(uint32_t owner, uint32_t channel, uint32_t row)
{
    return ((uint64_t)owner << 32) | ((channel + 1u) << 16) | (row + 1u);
}

static inline uint32_t sb_holder_owner(uint64_t holder)
{
    return (uint32_t)(holder >> 32) & 0x3fffu;
}

/* SB_NONE for nobody; the caller range-checks it, as the row. */
static inline uint32_t sb_holder_channel(uint64_t holder)
{
    return ((uint32_t)(holder >> 16) & 0xffffu) - 1u;
}

static inline uint32_t sb_holder_row(uint64_t holder)
{
    return ((uint32_t)holder & 0xffffu) - 1u;
}

/* Without what it says of the message. */
static inline uint64_t sb_holder_of(uint64_t holder)
{
    return holder & ((1ull << 46) - 1u);
}

static inline bool sb_holder_yields(uint64_t holder)
{
    return holder >> 63 != 0;
}

/* The word of a handle @holder that receives what the one of word @before died with; @place as
 * above. */
static inline uint64_t sb_holder_after(uint64_t holder, uint64_t before, uint64_t place,
                                       uint32_t unit_shift)
{
    if (before >> 62 == 0) {
        return holder | (1ull << 62);
    }
    return holder | (3ull << 62) | (((place >> unit_shift) & 0xffffu) << 46);
}

/* How far that place is ahead of @at; none or less: it has been reached. */
static inline int64_t sb_holder_ahead(uint64_t holder, uint64_t at, uint32_t unit_shift)
{
    uint64_t ahead = ((holder >> 46) - (at >> unit_shift)) << 48;
    return ((int64_t)ahead >> 48) * (int64_t)(1ull << unit_shift);
}

/* The header of a block: one line.
 *   hdr          the truth about the block. Writers: see ring_mpmc.c; each change names the owner.
 *   loc[gen & 1] where generation gen was sent; written by whoever holds hdr in QUEUED or
 *                FORWARDED, after storing hdr and before filling the slot. The other one is the
 *                previous place, needed as long as a forward may still be undone.
 *   holder       FILLING, RECEIVED: the handle that gave it to the application; 0: in a stock.
 *                Cleared by the owner before passing it on, so that in an orphan it is 0, or names
 *                the handle that died with it
 *   twin         EXCHANGED: the block, and its generation, that takes the message on; otherwise
 *                anything. See exchange.c
 *   the rest     about the message; written by the owner while FILLING, read-only afterwards; but
 *                aside in meta by the holder before it sets the message aside, and size, type and
 *                correlation_id by a holder that forwards it. */
struct sb_block {
    sb_word hdr;
    sb_word loc[2];
    sb_word meta;
    sb_word stamp_ns;
    sb_word correlation_id;
    sb_word holder;
    sb_word twin;
};

/* ----------------------------------------------------------------------------- ring slot word
 *
 * lap:40 | block:24, block 0xffffff: EMPTY(lap). Ticket t belongs to lap t / depth; its slot is
 * sb_slot_index(t).
 */
#define SB_SLOT_EMPTY 0xffffffu
#define SB_BLOCKS_MAX 0xffff00u

static inline uint64_t sb_slot_make(uint64_t lap, uint32_t block)
{
    return (lap << 24) | block;
}

static inline uint64_t sb_slot_lap(uint64_t slot)
{
    return slot >> 24;
}

static inline uint32_t sb_slot_block(uint64_t slot)
{
    return (uint32_t)slot & 0xffffffu;
}

/* generation:40 | block:24. What the word `twin` names: a block and one of its generations. */
static inline uint64_t sb_twin_make(uint32_t block, uint64_t gen)
{
    return sb_slot_make(gen, block);
}

static inline uint32_t sb_twin_block(uint64_t twin)
{
    return sb_slot_block(twin);
}

static inline uint64_t sb_twin_gen(uint64_t twin)
{
    return sb_slot_lap(twin);
}

/* Bits of lap in use: a ticket must fit the 48 bits of a location. */
static inline uint32_t sb_lap_bits(uint32_t depth_shift)
{
    return depth_shift <= 8 ? 40u : 48u - depth_shift;
}

static inline uint64_t sb_lap_of(uint64_t ticket, uint32_t depth_shift)
{
    return (ticket >> depth_shift) & ((1ull << sb_lap_bits(depth_shift)) - 1u);
}

static inline uint64_t sb_lap_next(uint64_t lap, uint32_t depth_shift)
{
    return (lap + 1u) & ((1ull << sb_lap_bits(depth_shift)) - 1u);
}

/* Where a ticket's slot is: neighbours in time are not neighbours in memory, so that who sends and
 * who receives in a queue that is nearly empty do not fight for one line. */
static inline uint64_t sb_slot_index(uint64_t ticket, uint32_t depth_shift)
{
    uint64_t i = ticket & ((1ull << depth_shift) - 1u);
    if (depth_shift < 6) {
        return i;
    }
    return ((i << 3) | (i >> (depth_shift - 3u))) & ((1ull << depth_shift) - 1u);
}

/* Laps are circular numbers. */
static inline int64_t sb_lap_distance(uint64_t lap, uint64_t reference, uint32_t depth_shift)
{
    uint32_t unused = 64u - sb_lap_bits(depth_shift);
    return (int64_t)((lap - reference) << unused) >> unused;
}

/* -------------------------------------------------------------------------------- the tables */

/* seq:29 | trusted:1 | fenced:1 | sleeping:1; a futex word. Protocol: event.c. */
struct sb_event {
    sb_word32 word;
};

#define SB_EVENT_SLEEPING 1u
#define SB_EVENT_FENCED 2u  /* wakers fence before they look */
#define SB_EVENT_TRUSTED 4u /* and have done so for long enough that sleepers need not */
#define SB_EVENT_SEQ 8u

#define SB_FEATURE_CORE 1ull /* goes into core dumps of its users */

struct sb_super {
    /* Constant after creation. */
    char magic[8];
    uint32_t layout_major;
    uint32_t layout_minor;
    uint32_t fingerprint; /* word size, byte order, cache line: see sb_fingerprint() */
    uint32_t super_bytes;
    uint64_t incompatible_features; /* unknown bit: do not attach */
    uint64_t read_only_features;    /* unknown bit: observe only */
    uint64_t compatible_features;   /* SB_FEATURE_: who does not know a bit ignores it */
    uint64_t segment_bytes;
    uint8_t uuid[16];
    uint8_t boot_id[16];
    int64_t created_realtime_ns;
    int64_t heartbeat_interval_ns;
    int64_t heartbeat_timeout_ns;
    uint32_t processes;
    uint32_t classes;
    uint32_t channels;
    uint32_t regions;
    uint64_t constants_hash; /* over everything constant but this field; see format.c */
    uint8_t reserved[512 - 136];
    /* Dynamic, each a hint or a statistic. */
    sb_word shutdown;             /* 0 or 1; any process */
    sb_word attach_seq;           /* raised by each attach */
    sb_word recoveries;           /* dead incarnations cleaned up after */
    struct sb_event blocks_freed; /* senders that found no block sleep here */
    uint8_t pad0[SB_PAIR - 28];
    /* Who looks for the dead, see sweep.c. */
    sb_word sweepers[SB_SWEEPERS]; /* owner64; by CAS: whoever takes the place of one who is gone */
    sb_word sweep_seq;             /* raised by whoever has swept */
    uint8_t reserved_dynamic[4096 - 640 - 40];
};

/* w: epoch:56 | state:8. ACTIVE from joining until detach or recovery ends the incarnation. */
enum sb_proc_state { SB_PROC_FREE = 0, SB_PROC_ACTIVE = 1 };

static inline uint64_t sb_proc_word(uint64_t epoch, enum sb_proc_state state)
{
    return (epoch << 8) | (uint64_t)state;
}

static inline uint64_t sb_proc_epoch(uint64_t w)
{
    return w >> 8;
}

static inline enum sb_proc_state sb_proc_state(uint64_t w)
{
    return (enum sb_proc_state)(w & 0xffu);
}

/* A slot of the process table.
 *   w          joiner (holding the slot's lock byte): FREE(e) -> ACTIVE(e); the process itself or
 *              whoever recovered it: ACTIVE(e) -> FREE(e+1)
 *   identity   written by the joiner before ACTIVE; for people only
 *   heartbeat, progress, region_waits: the process alone */
struct sb_proc {
    sb_word w;
    uint8_t pad0[SB_PAIR - 8];
    sb_word pid;
    sb_word pid_namespace;
    sb_word start_time_ticks;
    sb_word uid;
    sb_word attached_ns; /* CLOCK_MONOTONIC, as this process sees it */
    sb_word name[SB_NAME_WORDS];
    sb_word time_namespace;  /* inode, 0: unknown */
    sb_word clock_offset_ns; /* what its CLOCK_MONOTONIC is ahead of the machine's; see here.h */
    uint8_t pad1[SB_PAIR - 104];
    sb_word heartbeat_ns; /* CLOCK_MONOTONIC, as this process sees it */
    sb_word progress;
    sb_word region_waits; /* its threads that sleep until a region is unlocked */
    uint8_t pad2[SB_PAIR - 24];
};

struct sb_class {
    uint64_t size_bytes; /* multiple of 64; constant */
    uint64_t count;      /* constant */
    uint8_t pad[SB_LINE - 16];
};

/* Channel directory word: hash:56 | state:8. SPARE -> NAMING(hash) -> READY(hash), never back.
 * Whoever finds NAMING(hash of its own name) finishes it: all write the same bytes. */
enum sb_dir_state { SB_DIR_SPARE = 0, SB_DIR_NAMING = 1, SB_DIR_READY = 2 };

static inline uint64_t sb_dir_make(uint64_t hash, enum sb_dir_state state)
{
    return (hash << 8) | (uint64_t)state;
}

static inline uint64_t sb_dir_hash(uint64_t dir)
{
    return dir >> 8;
}

static inline enum sb_dir_state sb_dir_state(uint64_t dir)
{
    return (enum sb_dir_state)(dir & 0xffu);
}

/* Flags of a channel. */
#define SB_CHANNEL_TIMESTAMPS 1u
#define SB_CHANNEL_SPARE 2u /* made without a name, for whoever comes with one */

/* Control block of a channel; the ring itself lies elsewhere. */
struct sb_channel {
    /* Constant after creation, but for the name of a spare one. */
    sb_word dir;
    sb_word name[SB_NAME_WORDS];
    uint32_t kind;
    uint32_t on_full;
    uint32_t depth;          /* queue: power of two */
    uint32_t max_deliveries; /* 0: no limit */
    uint32_t dead_letter;    /* channel index or SB_NONE */
    uint32_t endpoints;
    uint32_t flags;
    uint32_t lanes; /* queue with order per producer: how many producers; otherwise 0 */
    uint64_t bytes; /* stream: capacity, power of two; lanes: a cell with its header; other queues:
                     * largest message, 0: what the largest block holds */
    uint32_t share; /* blocks that only this queue's messages may use; see geometry.c */
    uint8_t pad0[SB_PAIR - 100];
    /* Read mostly: looked at by every call, written when somebody sleeps, something was recovered,
     * or an end of a stream was taken or left. */
    struct sb_event readable; /* receivers sleep here */
    struct sb_event writable; /* senders sleep here */
    sb_word orphan_seq;    /* raised after a block became ORPHAN or DEAD_LETTER for this channel */
    sb_word dead_lettered; /* statistic: blocks that became DEAD_LETTER */
    sb_word sender;        /* stream: owner64 or a departure */
    sb_word receiver;      /* likewise */
    sb_word lanes_used;    /* lanes: that many were ever taken; only goes up, by any opener */
    sb_word letters_dropped; /* statistic: dead letters thrown away for newer ones */
    uint8_t pad1[SB_PAIR - 56];
    /* Queue: hints, each may lag, never leads. Any sender / any receiver. */
    sb_word tail;
    uint8_t pad2[SB_PAIR - 8];
    sb_word head;
    uint8_t pad3[SB_PAIR - 8];
    /* Stream: sender's line, receiver's line, and the line where the receiver returns room. See
     * ring_spsc.c. */
    sb_word tail_hint; /* bytes committed; lags by up to 1/16 of the capacity */
    sb_word tail_seq;  /* messages committed, same lag */
    uint8_t pad4[SB_PAIR - 16];
    sb_word acked;     /* bytes released: the acknowledgement itself */
    sb_word acked_seq; /* messages released; may be one commit behind acked */
    sb_word attempt;   /* end of the furthest message handed out:56 | how often:8 */
    uint8_t pad5[SB_PAIR - 24];
    sb_word room; /* bytes released, published now and then for the sender */
    uint8_t pad6[SB_PAIR - 8];
    uint8_t pad7[SB_PAIR];
};

/* A lane: one producer's part of a queue with order per producer. See ring_lanes.c.
 *   owner  owner64; 0 -> me by CAS; me -> 0 by the owner, or by recovery after its death
 *   next   the ticket behind the last one published; the owner alone; may lag by one
 *   skip   tickets below are settled: published, or passed over because somebody held the cell.
 *          The owner alone, before it publishes beyond the cells it passed over */
struct sb_lane {
    sb_word owner;
    sb_word next;
    uint8_t pad0[SB_PAIR - 16];
    sb_word skip;
    uint8_t pad1[SB_PAIR - 8];
};

/* A place in a lane: header and payload, side by side.
 *   w        as a block header: gen is the lap; FREE, QUEUED, RECEIVED, ORPHAN, DEAD_LETTER.
 *            FREE -> QUEUED: the lane's owner, by a store. From QUEUED, ORPHAN, DEAD_LETTER:
 *            anybody, by CAS. RECEIVED -> any: its holder, by a store, or recovery after its
 *            death, together with turn
 *   turn     how often recovery has changed w, ever; nobody else writes it. See reclaim.c
 *   holder   as in a block; 0 when published
 *   others   the lane's owner while FREE, read-only afterwards
 * The ticket is what lap and place say, completed by next of the lane. */
struct sb_cell {
    union {
        sb_turned turned;
        struct {
            sb_word w;
            sb_word turn;
        };
    };
    sb_word meta;
    sb_word stamp_ns;
    sb_word correlation_id;
    sb_word holder;
};

/* One open handle. Bound to its channel forever, so its counters only ever grow and the sum over
 * the rows is exact without folding anything when a process goes.
 *   w        owner64; 0 -> me by CAS; me -> 0 by the owner, or by recovery after its death
 *   others   the owner alone */
enum sb_waits { SB_WAITS_NOT = 0, SB_WAITS_MESSAGE = 1, SB_WAITS_ROOM = 2, SB_WAITS_BLOCK = 3 };

struct sb_endpoint {
    sb_word w;
    sb_word mode;
    sb_word depth_max; /* high-water mark seen by this handle */
    sb_word thread;    /* who opened it, or used it last when it beat: a number of gettid() */
    sb_word waits;     /* enum sb_waits: asleep in a call, and for what; for people only */
    uint8_t pad0[SB_LINE - 40];
    sb_word counters[SHMBUS_COUNTERS_MAX];
    sb_word at_open[SHMBUS_COUNTERS_MAX]; /* counters when the present owner opened it */
};

/* A region: lock and version here, data and undo area elsewhere. See region_lock.c. */
struct sb_region {
    sb_word name[SB_NAME_WORDS];
    uint64_t bytes;
    uint8_t pad0[SB_PAIR - 56];
    sb_word lock;    /* owner64 of the writer, 0 none */
    sb_word version; /* odd while the data is being changed */
    sb_word undo;    /* what the undo area holds, valid while version is odd */
    sb_word writes;
    sb_word rollbacks;
    struct sb_event unlocked;
    uint8_t pad1[SB_PAIR - 44];
};

/* undo of a region: first word:32 | words:32, of 8 bytes. */
static inline uint64_t sb_undo_make(uint64_t first, uint64_t count)
{
    return (first << 32) | count;
}

static inline uint64_t sb_undo_first(uint64_t undo)
{
    return undo >> 32;
}

static inline uint64_t sb_undo_count(uint64_t undo)
{
    return undo & UINT32_MAX;
}

/* --------------------------------------------------------------------------- words of a stream
 *
 * The header of a record: size:32 | low bits of its sequence number:16 | type:8 | flags:8. After it
 * come the time stamp, if the channel has them, and the payload, rounded up to 8 bytes. The word
 * after the last record is a marker: sequence number:56 | 0:8. See ring_spsc.c.
 */
#define SB_RECORD_VALID 1u /* a record, not a marker */
#define SB_RECORD_PAD 2u   /* nothing but the way to the end of the ring */
#define SB_RECORD_CHECKED (0xffff0000u | SB_RECORD_VALID | SB_RECORD_PAD) /* sequence and flags */

static inline uint64_t sb_record_make(uint64_t size_bytes, uint64_t seq, uint32_t type,
                                      uint32_t flags)
{
    return (size_bytes << 32) | ((seq & 0xffffu) << 16) | ((uint64_t)(type & 0xffu) << 8) | flags;
}

static inline uint32_t sb_record_size(uint64_t header)
{
    return (uint32_t)(header >> 32);
}

static inline uint16_t sb_record_seq(uint64_t header)
{
    return (uint16_t)(header >> 16);
}

static inline uint8_t sb_record_type(uint64_t header)
{
    return (uint8_t)(header >> 8);
}

static inline uint64_t sb_marker_make(uint64_t seq)
{
    return seq << 8;
}

static inline uint64_t sb_marker_seq(uint64_t marker)
{
    return marker >> 8;
}

/* attempt: position:56 | count:8. Positions are circular numbers, and are compared as they lie. */
static inline uint64_t sb_attempt_make(uint64_t position, uint32_t count)
{
    return (position << 8) | count;
}

static inline uint32_t sb_attempt_count(uint64_t attempt)
{
    return (uint32_t)(attempt & 0xffu);
}

/* ---------------------------------------------------------------------------------------- sizes */

#define SB_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
SB_ASSERT_SIZE(struct sb_block, 64);
SB_ASSERT_SIZE(struct sb_super, 4096);
SB_ASSERT_SIZE(struct sb_proc, 3 * 128);
SB_ASSERT_SIZE(struct sb_class, 64);
SB_ASSERT_SIZE(struct sb_channel, 8 * 128);
SB_ASSERT_SIZE(struct sb_lane, 2 * 128);
SB_ASSERT_SIZE(struct sb_cell, 48); /* and its payload 16-byte aligned */
SB_ASSERT_SIZE(struct sb_endpoint, 64 + 2 * 256);
_Static_assert(SHMBUS_COUNTER_COUNT <= SHMBUS_COUNTERS_MAX, "each counter has its word");
SB_ASSERT_SIZE(struct sb_region, 2 * 128);
_Static_assert(offsetof(struct sb_cell, turn) == 8, "w and turn change at once");
_Static_assert(offsetof(struct sb_super, shutdown) == 512, "dynamic part of the superblock");
_Static_assert(offsetof(struct sb_super, sweepers) == 640, "those who look for the dead");
_Static_assert(offsetof(struct sb_channel, tail) == 256, "tail line");
_Static_assert(offsetof(struct sb_channel, head) == 384, "head line");
_Static_assert(offsetof(struct sb_channel, tail_hint) == 512, "stream sender line");
_Static_assert(offsetof(struct sb_channel, acked) == 640, "stream receiver line");
_Static_assert(offsetof(struct sb_channel, room) == 768, "stream room line");

#endif
