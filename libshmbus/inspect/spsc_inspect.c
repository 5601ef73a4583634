/* SPDX-License-Identifier: MIT */
#include "inspect/spsc_inspect.h"

#include "protocol/spsc_records.h"

#define DEPTH_TRIES 8u

/* Walks from the hint to the marker like a new sender. Where the walk began may be overwritten
 * meanwhile, but only after acked has passed it. */
uint64_t sb_spsc_depth(const struct sb_channel_view *channel)
{
    uint64_t acked = 0, hint = 0, tail = 0, seq;
    for (unsigned n = 0; n < DEPTH_TRIES; n++) {
        bool found;
        acked = sb_load_acquire(&channel->shared->acked) & ~7ull;
        hint = sb_load_acquire(&channel->shared->tail_hint) & ~7ull;
        if ((int64_t)(hint - acked) < 0) {
            hint = acked;
        }
        found = hint - acked <= channel->ring_bytes - SB_SPSC_WORD &&
                sb_spsc_find_tail(channel, acked, hint, &tail, &seq);
        sb_fence(); /* the walk is done before acked is read again */
        if (found && (int64_t)(sb_load_acquire(&channel->shared->acked) - hint) <= 0) {
            return tail - acked;
        }
    }
    return hint - acked < channel->ring_bytes ? hint - acked : channel->ring_bytes;
}

void sb_spsc_peek_init(struct sb_spsc_peek *peek, const struct sb_channel_view *channel)
{
    peek->channel = channel;
    peek->next = sb_load_acquire(&channel->shared->acked) & ~7ull;
    peek->seq = 0;
    peek->steps = 2 * channel->ring_bytes / SB_SPSC_WORD + 1024;
}

/* Copies what the sender may be writing over at this moment; the caller finds out afterwards. */
static void copy_racy(uint64_t *to, uint8_t *ring, uint64_t bytes, uint64_t at, uint64_t size_bytes)
{
    for (uint64_t i = 0; i < sb_spsc_round_up(size_bytes); i += SB_SPSC_WORD) {
        to[i / SB_SPSC_WORD] = sb_load_relaxed(sb_spsc_word(ring, bytes, at + i));
    }
}

enum sb_ring_result sb_spsc_peek(struct sb_spsc_peek *peek, void *buffer, struct shmbus_msg *ret)
{
    const struct sb_channel_view *ch = peek->channel;
    uint32_t head_bytes = sb_spsc_head_bytes(ch);
    while (peek->steps-- > 0) {
        struct sb_spsc_record record;
        uint64_t hint = sb_load_relaxed(&ch->shared->acked_seq), acked;
        uint64_t attempt = sb_load_relaxed(&ch->shared->attempt);
        uint64_t header = sb_load_acquire(sb_spsc_word(ch->ring, ch->ring_bytes, peek->next));
        uint64_t seq =
            peek->seq != 0 ? peek->seq : sb_spsc_seq_before(ch, peek->next, header, hint) + 1;
        uint64_t stamp_ns = 0;
        bool good =
            (header & SB_RECORD_VALID) != 0 &&
            sb_spsc_record_check(ch->ring, ch->ring_bytes, head_bytes, peek->next, header, seq,
                                 peek->next + ch->ring_bytes - SB_SPSC_WORD, &record) &&
            sb_record_size(record.header) <=
                sb_spsc_size_max(ch->ring_bytes, head_bytes > SB_SPSC_WORD);
        if (good) {
            copy_racy(buffer, ch->ring, ch->ring_bytes, record.at + head_bytes,
                      sb_record_size(record.header));
            stamp_ns = head_bytes > SB_SPSC_WORD
                           ? sb_load_relaxed(
                                 sb_spsc_word(ch->ring, ch->ring_bytes, record.at + SB_SPSC_WORD))
                           : 0;
        }
        sb_fence(); /* the copy is done before acked is read */
        acked = sb_load_acquire(&ch->shared->acked) & ~7ull;
        if ((int64_t)(acked - peek->next) > 0) {
            peek->next = acked; /* taken meanwhile: what was read may be anything */
            peek->seq = 0;
            continue;
        }
        if (!good) {
            return (header & SB_RECORD_VALID) != 0 ? SB_RING_CORRUPT : SB_RING_EMPTY;
        }
        peek->next = record.end;
        peek->seq = seq + 1;
        *ret = (struct shmbus_msg){.data = buffer};
        ret->size_bytes = sb_record_size(record.header);
        ret->type = sb_record_type(record.header);
        ret->sequence = seq;
        ret->time_ns = (int64_t)stamp_ns;
        ret->delivery_count = 1;
        if ((int64_t)(sb_attempt_make(record.end, 0) - (attempt & ~0xffull)) <= 0) {
            ret->delivery_count = sb_spsc_next_attempt(sb_attempt_count(attempt));
        }
        return SB_RING_OK;
    }
    return SB_RING_EMPTY;
}
