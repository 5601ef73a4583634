/* SPDX-License-Identifier: MIT */
#include "protocol/spsc_records.h"

uint64_t sb_spsc_size_max(uint64_t bytes, bool timestamps)
{
    uint64_t head = timestamps ? 2 * SB_SPSC_WORD : SB_SPSC_WORD;
    uint64_t most = bytes / 2 > head ? bytes / 2 - head : 0;
    return most < UINT32_MAX - 7u ? most : UINT32_MAX - 7u;
}

bool sb_spsc_find_tail(const struct sb_channel_view *ch, uint64_t acked, uint64_t position,
                       uint64_t *ret_tail, uint64_t *ret_seq)
{
    uint32_t head_bytes = sb_spsc_head_bytes(ch);
    uint64_t limit = acked + ch->ring_bytes - SB_SPSC_WORD;
    uint64_t header = sb_load_acquire(sb_spsc_word(ch->ring, ch->ring_bytes, position));
    uint64_t seq = sb_record_seq(header);
    bool first = true;
    while ((header & SB_RECORD_VALID) !=
           0) { /* each round moves position up by 8 or more, to limit at most */
        struct sb_spsc_record record;
        if (first && (header & SB_RECORD_PAD) != 0) { /* has no number: that of its record */
            uint64_t behind = position + sb_spsc_to_end(ch->ring_bytes, position);
            seq = sb_record_seq(sb_load_relaxed(sb_spsc_word(ch->ring, ch->ring_bytes, behind)));
        }
        if (!sb_spsc_record_check(ch->ring, ch->ring_bytes, head_bytes, position, header, seq,
                                  limit, &record)) {
            return false;
        }
        first = false;
        seq++;
        position = record.end;
        header = sb_load_acquire(sb_spsc_word(ch->ring, ch->ring_bytes, position));
    }
    *ret_tail = position;
    *ret_seq = sb_marker_seq(header);
    return first || (uint16_t)(seq - 1) == (uint16_t)sb_marker_seq(header);
}

uint64_t sb_spsc_seq_before(const struct sb_channel_view *ch, uint64_t position, uint64_t header,
                            uint64_t hint)
{
    if ((header & SB_RECORD_VALID) == 0) {
        return sb_marker_seq(header);
    }
    if ((header & SB_RECORD_PAD) != 0) {
        position += sb_spsc_to_end(ch->ring_bytes, position);
        header = sb_load_relaxed(sb_spsc_word(ch->ring, ch->ring_bytes, position));
    }
    return hint + (uint16_t)(sb_record_seq(header) - 1u - hint);
}
