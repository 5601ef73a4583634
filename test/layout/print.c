/* SPDX-License-Identifier: MIT */
/*
 * Prints the layout of a segment as the compiler sees it: each struct of layout.h with its members,
 * each word of bits by what the functions make that write it, each number that is stored. check.sh
 * compares that with what is written down.
 *
 * Nothing can be left out: members must follow each other without a gap to the end of their struct,
 * and the bits of a word must not overlap.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "layout/layout.h"

static int wrong;

/* ------------------------------------------------------------------------------------- structs */

static const char *of;
static size_t next_offset, of_bytes;

static void begin(const char *name, size_t bytes)
{
    of = name;
    next_offset = 0;
    of_bytes = bytes;
    printf("%s, %zu bytes\n", name, bytes);
}

static void member(const char *name, size_t offset, size_t bytes)
{
    if (offset != next_offset) {
        fprintf(stderr, "print.c: %s: a member is missing before %s, at %zu\n", of, name,
                next_offset);
        wrong = 1;
    }
    next_offset = offset + bytes;
    if (strncmp(name, "pad", 3) != 0) {
        printf("  %5zu %4zu  %s\n", offset, bytes, name);
    }
}

static void end(void)
{
    if (next_offset != of_bytes) {
        fprintf(stderr, "print.c: %s: a member is missing at %zu\n", of, next_offset);
        wrong = 1;
    }
}

#define BEGIN(type) begin(#type, sizeof(struct type))
#define MEMBER(type, name)                                                                         \
    member(#name, offsetof(struct type, name), sizeof(((struct type *)NULL)->name))

static void print_super(void)
{
    BEGIN(sb_super);
    MEMBER(sb_super, magic);
    MEMBER(sb_super, layout_major);
    MEMBER(sb_super, layout_minor);
    MEMBER(sb_super, fingerprint);
    MEMBER(sb_super, super_bytes);
    MEMBER(sb_super, incompatible_features);
    MEMBER(sb_super, read_only_features);
    MEMBER(sb_super, compatible_features);
    MEMBER(sb_super, segment_bytes);
    MEMBER(sb_super, uuid);
    MEMBER(sb_super, boot_id);
    MEMBER(sb_super, created_realtime_ns);
    MEMBER(sb_super, heartbeat_interval_ns);
    MEMBER(sb_super, heartbeat_timeout_ns);
    MEMBER(sb_super, processes);
    MEMBER(sb_super, classes);
    MEMBER(sb_super, channels);
    MEMBER(sb_super, regions);
    MEMBER(sb_super, constants_hash);
    MEMBER(sb_super, reserved);
    MEMBER(sb_super, shutdown);
    MEMBER(sb_super, attach_seq);
    MEMBER(sb_super, recoveries);
    MEMBER(sb_super, blocks_freed);
    MEMBER(sb_super, pad0);
    MEMBER(sb_super, sweepers);
    MEMBER(sb_super, sweep_seq);
    MEMBER(sb_super, reserved_dynamic);
    end();
}

static void print_proc(void)
{
    BEGIN(sb_proc);
    MEMBER(sb_proc, w);
    MEMBER(sb_proc, pad0);
    MEMBER(sb_proc, pid);
    MEMBER(sb_proc, pid_namespace);
    MEMBER(sb_proc, start_time_ticks);
    MEMBER(sb_proc, uid);
    MEMBER(sb_proc, attached_ns);
    MEMBER(sb_proc, name);
    MEMBER(sb_proc, time_namespace);
    MEMBER(sb_proc, clock_offset_ns);
    MEMBER(sb_proc, pad1);
    MEMBER(sb_proc, heartbeat_ns);
    MEMBER(sb_proc, progress);
    MEMBER(sb_proc, region_waits);
    MEMBER(sb_proc, pad2);
    end();
}

static void print_class(void)
{
    BEGIN(sb_class);
    MEMBER(sb_class, size_bytes);
    MEMBER(sb_class, count);
    MEMBER(sb_class, pad);
    end();
}

static void print_channel(void)
{
    BEGIN(sb_channel);
    MEMBER(sb_channel, dir);
    MEMBER(sb_channel, name);
    MEMBER(sb_channel, kind);
    MEMBER(sb_channel, on_full);
    MEMBER(sb_channel, depth);
    MEMBER(sb_channel, max_deliveries);
    MEMBER(sb_channel, dead_letter);
    MEMBER(sb_channel, endpoints);
    MEMBER(sb_channel, flags);
    MEMBER(sb_channel, lanes);
    MEMBER(sb_channel, bytes);
    MEMBER(sb_channel, share);
    MEMBER(sb_channel, pad0);
    MEMBER(sb_channel, readable);
    MEMBER(sb_channel, writable);
    MEMBER(sb_channel, orphan_seq);
    MEMBER(sb_channel, dead_lettered);
    MEMBER(sb_channel, sender);
    MEMBER(sb_channel, receiver);
    MEMBER(sb_channel, lanes_used);
    MEMBER(sb_channel, letters_dropped);
    MEMBER(sb_channel, pad1);
    MEMBER(sb_channel, tail);
    MEMBER(sb_channel, pad2);
    MEMBER(sb_channel, head);
    MEMBER(sb_channel, pad3);
    MEMBER(sb_channel, tail_hint);
    MEMBER(sb_channel, tail_seq);
    MEMBER(sb_channel, pad4);
    MEMBER(sb_channel, acked);
    MEMBER(sb_channel, acked_seq);
    MEMBER(sb_channel, attempt);
    MEMBER(sb_channel, pad5);
    MEMBER(sb_channel, room);
    MEMBER(sb_channel, pad6);
    MEMBER(sb_channel, pad7);
    end();
}

static void print_small(void)
{
    BEGIN(sb_endpoint);
    MEMBER(sb_endpoint, w);
    MEMBER(sb_endpoint, mode);
    MEMBER(sb_endpoint, depth_max);
    MEMBER(sb_endpoint, thread);
    MEMBER(sb_endpoint, waits);
    MEMBER(sb_endpoint, pad0);
    MEMBER(sb_endpoint, counters);
    MEMBER(sb_endpoint, at_open);
    end();
    BEGIN(sb_lane);
    MEMBER(sb_lane, owner);
    MEMBER(sb_lane, next);
    MEMBER(sb_lane, pad0);
    MEMBER(sb_lane, skip);
    MEMBER(sb_lane, pad1);
    end();
    BEGIN(sb_cell);
    MEMBER(sb_cell, w);
    MEMBER(sb_cell, turn);
    MEMBER(sb_cell, meta);
    MEMBER(sb_cell, stamp_ns);
    MEMBER(sb_cell, correlation_id);
    MEMBER(sb_cell, holder);
    end();
    BEGIN(sb_block);
    MEMBER(sb_block, hdr);
    MEMBER(sb_block, loc);
    MEMBER(sb_block, meta);
    MEMBER(sb_block, stamp_ns);
    MEMBER(sb_block, correlation_id);
    MEMBER(sb_block, holder);
    MEMBER(sb_block, twin);
    end();
    BEGIN(sb_region);
    MEMBER(sb_region, name);
    MEMBER(sb_region, bytes);
    MEMBER(sb_region, pad0);
    MEMBER(sb_region, lock);
    MEMBER(sb_region, version);
    MEMBER(sb_region, undo);
    MEMBER(sb_region, writes);
    MEMBER(sb_region, rollbacks);
    MEMBER(sb_region, unlocked);
    MEMBER(sb_region, pad1);
    end();
}

/* ---------------------------------------------------------------------------------------- words */

#define ONES(bits) ((1ull << (bits)) - 1) /* fewer than 64 */

static uint64_t taken;

static void word(const char *name)
{
    printf("%s\n", name);
    taken = 0;
}

/* @bits: the word with ones in this field and zeroes elsewhere. */
static void field(const char *name, uint64_t bits)
{
    unsigned from = bits == 0 ? 0 : (unsigned)__builtin_ctzll(bits);
    unsigned width = (unsigned)__builtin_popcountll(bits);

    if (bits == 0 || (taken & bits) != 0 || (bits >> from) != ONES(width)) {
        fprintf(stderr, "print.c: the bits of %s are none, in two pieces or another's: %#" PRIx64,
                name, bits);
        fprintf(stderr, "\n");
        wrong = 1;
    }
    taken |= bits;
    printf("  %2u..%-2u  %s\n", from, from + width - 1, name);
}

static void print_words(void)
{
    const uint64_t again = sb_holder_after(0, 0, 0, 0);
    const uint64_t yields = sb_holder_after(0, again, 0, 0) ^ again;

    word("owner");
    field("epoch", sb_owner_make(UINT32_MAX, ONES(4)));
    field("slot + 1", sb_owner_make((uint32_t)ONES(10) - 1u, 0));
    word("owner64");
    field("slot + 1", sb_owner64_make((uint32_t)ONES(16) - 1u, 0));
    field("how", sb_end_left(0, (enum sb_end_how)3));
    field("epoch", sb_owner64_make(UINT32_MAX, ONES(46)));
    word("block header");
    field("owner", sb_hdr_make(0, 0, SB_BLOCK_FREE, (uint32_t)ONES(SB_OWNER_BITS)));
    field("state", sb_hdr_make(0, 0, (enum sb_block_state)15, 0));
    field("deliveries", sb_hdr_make(0, ONES(6), SB_BLOCK_FREE, 0));
    field("generation", sb_hdr_make(ONES(40), 0, SB_BLOCK_FREE, 0));
    word("location");
    field("ticket", sb_loc_make(0, UINT64_MAX));
    field("channel", sb_loc_make(ONES(16), 0));
    word("message");
    field("aside", sb_meta_set_aside(0, ONES(8)));
    field("type", sb_meta_make(0, 0, UINT32_MAX));
    field("sender", sb_meta_make(0, UINT32_MAX, 0));
    field("size", sb_meta_make(UINT32_MAX, 0, 0));
    word("holder");
    field("row + 1", sb_holder_make(0, UINT32_MAX, (uint32_t)ONES(16) - 1u));
    field("channel + 1", sb_holder_make(0, (uint32_t)ONES(16) - 1u, UINT32_MAX));
    field("owner", sb_holder_make((uint32_t)ONES(SB_OWNER_BITS), UINT32_MAX, UINT32_MAX));
    field("place", sb_holder_after(0, again, UINT64_MAX, 0) ^ again ^ yields);
    field("again", again);
    field("yields", yields);
    word("twin");
    field("block", sb_twin_make((uint32_t)ONES(24), 0));
    field("generation", sb_twin_make(0, ONES(40)));
    word("ring slot");
    field("block", sb_slot_make(0, SB_SLOT_EMPTY));
    field("lap", sb_slot_make(ONES(40), 0));
    word("process");
    field("state", sb_proc_word(0, (enum sb_proc_state)0xff));
    field("epoch", sb_proc_word(ONES(56), SB_PROC_FREE));
    word("directory");
    field("state", sb_dir_make(0, (enum sb_dir_state)0xff));
    field("hash", sb_dir_make(ONES(56), SB_DIR_SPARE));
    word("undo");
    field("words", sb_undo_make(0, UINT32_MAX));
    field("first", sb_undo_make(UINT32_MAX, 0));
    word("stream header");
    field("flags", sb_record_make(0, 0, 0, 0xff));
    field("type", sb_record_make(0, 0, UINT32_MAX, 0));
    field("sequence, low bits", sb_record_make(0, UINT64_MAX, 0, 0));
    field("size", sb_record_make(UINT32_MAX, 0, 0, 0));
    word("marker");
    field("sequence", sb_marker_make(ONES(56)));
    word("attempt");
    field("count", sb_attempt_make(0, 0xff));
    field("position", sb_attempt_make(ONES(56), 0));
    word("event");
    field("sleeping", SB_EVENT_SLEEPING);
    field("fenced", SB_EVENT_FENCED);
    field("trusted", SB_EVENT_TRUSTED);
    field("sequence", UINT32_MAX - SB_EVENT_SEQ + 1u);
}

/* -------------------------------------------------------------------------------------- numbers */

#define NUMBER(name) printf("  %s = %llu\n", #name, (unsigned long long)(name))

static void print_numbers(void)
{
    printf("numbers\n");
    NUMBER(SB_BLOCK_FREE);
    NUMBER(SB_BLOCK_FILLING);
    NUMBER(SB_BLOCK_RECEIVED);
    NUMBER(SB_BLOCK_QUEUED);
    NUMBER(SB_BLOCK_FORWARDED);
    NUMBER(SB_BLOCK_ORPHAN);
    NUMBER(SB_BLOCK_DEAD_LETTER);
    NUMBER(SB_BLOCK_EXCHANGED);
    NUMBER(SB_END_HELD);
    NUMBER(SB_END_CLOSED);
    NUMBER(SB_END_DEAD);
    NUMBER(SB_PROC_FREE);
    NUMBER(SB_PROC_ACTIVE);
    NUMBER(SB_DIR_SPARE);
    NUMBER(SB_DIR_NAMING);
    NUMBER(SB_DIR_READY);
    NUMBER(SB_WAITS_NOT);
    NUMBER(SB_WAITS_MESSAGE);
    NUMBER(SB_WAITS_ROOM);
    NUMBER(SB_WAITS_BLOCK);
    NUMBER(SB_RECORD_VALID);
    NUMBER(SB_RECORD_PAD);
    NUMBER(SB_SLOT_EMPTY);
    NUMBER(SB_CHANNEL_TIMESTAMPS);
    NUMBER(SB_FEATURE_CORE);
    NUMBER(SHMBUS_KIND_QUEUE);
    NUMBER(SHMBUS_KIND_STREAM);
    NUMBER(SHMBUS_FULL_BLOCK);
    NUMBER(SHMBUS_FULL_REJECT);
    NUMBER(SHMBUS_FULL_DROP_OLDEST);
    NUMBER(SHMBUS_COUNTER_COUNT);
}

int main(void)
{
    printf("layout %u.%u\n", SB_LAYOUT_MAJOR, SB_LAYOUT_MINOR);
    print_super();
    print_proc();
    print_class();
    print_channel();
    print_small();
    print_words();
    print_numbers();
    return wrong;
}
