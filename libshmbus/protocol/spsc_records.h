/* SPDX-License-Identifier: MIT */
/*
 * Records in the ring of a stream: where their words are, and whether what stands there can be
 * true. For the two ends (ring_spsc.c) and for observers (spsc_inspect.c). Reads only.
 */
#ifndef SB_SPSC_RECORDS_H
#define SB_SPSC_RECORDS_H

#include "layout/view.h"

#define SB_SPSC_WORD 8u

/* Largest message of a ring of @bytes: fits an empty ring wherever the ring stands. */
uint64_t sb_spsc_size_max(uint64_t bytes, bool timestamps);

static inline uint64_t sb_spsc_round_up(uint64_t bytes)
{
    return (bytes + 7u) & ~7ull;
}

/* The word at a position; @ring has a multiple of 8 bytes, @position is one. */
static inline sb_word *sb_spsc_word(uint8_t *ring, uint64_t bytes, uint64_t position)
{
    return (sb_word *)(void *)(ring + (position & (bytes - 1)));
}

static inline uint64_t sb_spsc_to_end(uint64_t bytes, uint64_t position)
{
    return bytes - (position & (bytes - 1));
}

static inline uint32_t sb_spsc_head_bytes(const struct sb_channel_view *ch)
{
    return (ch->flags & SB_CHANNEL_TIMESTAMPS) != 0 ? 2 * SB_SPSC_WORD : SB_SPSC_WORD;
}

/* A record as found, every field checked. */
struct sb_spsc_record {
    uint64_t at;  /* position of its header, behind a padding */
    uint64_t end; /* position behind it */
    uint64_t header;
};

/* Checks the record whose header (or whose padding's header) was read at @position. @seq: its
 * sequence number or any with the same low 16 bits; @limit: where it must end at the latest. */
static inline bool sb_spsc_record_check(uint8_t *ring, uint64_t bytes, uint32_t head_bytes,
                                        uint64_t position, uint64_t header, uint64_t seq,
                                        uint64_t limit, struct sb_spsc_record *ret)
{
    uint64_t need;
    if ((header & SB_RECORD_PAD) != 0) {
        uint64_t rest = sb_spsc_to_end(bytes, position);
        if (sb_record_size(header) != rest) {
            return false;
        }
        position += rest;
        header = sb_load_acquire(sb_spsc_word(ring, bytes, position));
    }
    need = head_bytes + sb_spsc_round_up(sb_record_size(header));
    ret->at = position;
    ret->end = position + need;
    ret->header = header;
    return (header & (SB_RECORD_VALID | SB_RECORD_PAD)) == SB_RECORD_VALID &&
           sb_record_seq(header) == (uint16_t)seq && need <= sb_spsc_to_end(bytes, position) &&
           limit - position <= bytes && need <= limit - position;
}

static inline uint32_t sb_spsc_next_attempt(uint32_t attempts)
{
    return attempts < SHMBUS_DELIVERIES_MAX ? attempts + 1 : SHMBUS_DELIVERIES_MAX;
}

/* Walks the committed records from @position to the marker; false if they cannot be true. */
bool sb_spsc_find_tail(const struct sb_channel_view *ch, uint64_t acked, uint64_t position,
                       uint64_t *ret_tail, uint64_t *ret_seq);

/* Sequence number of the last message before @position, where @header was read; @hint lags by less
 * than 2^16. */
uint64_t sb_spsc_seq_before(const struct sb_channel_view *ch, uint64_t position, uint64_t header,
                            uint64_t hint);

#endif
