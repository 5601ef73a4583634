/* SPDX-License-Identifier: MIT */
/*
 * A stream: records in a ring of bytes, written in place by one sender, read in place by one
 * receiver. No locked instruction, no loop that waits for the other side.
 *
 * A position counts bytes since creation and never wraps; it lies at offset position mod capacity.
 * Everything is a multiple of 8. A record is
 *
 *     header word   size:32 | low bits of its sequence number:16 | type:8 | flags:8
 *     time stamp    8 bytes, if the channel has time stamps
 *     payload       rounded up to 8
 *
 * and lies in one piece. If it does not fit before the end of the ring, a padding record (header
 * with PAD) takes what is left and the record starts at offset 0. The word at the tail, where the
 * next header will be, is a marker: VALID clear, the rest says how many messages were committed.
 *
 * Who writes
 *   sender     the bytes [tail, acked + capacity): headers, payload, marker; tail_seq, tail_hint
 *   receiver   acked, acked_seq, attempt (its line); room (a copy of acked now and then, in a line
 *              of its own, so that the sender need not take the receiver's line)
 *
 *   sender                                      receiver
 *   A  load_acquire room; acked before FULL     E  load_acquire header at next; marker -> EMPTY
 *      time stamp, payload                      F  store attempt
 *   B  store marker behind the record              hand out, read in place
 *   C  store_release header at tail = COMMIT    G  store_release acked = ACKNOWLEDGE; acked_seq
 *   D  store tail_seq, tail_hint, now and then  H  store_release room, now and then, or if empty
 *
 * C->E: who sees the header sees time stamp, payload and the marker behind the record, so the
 *   receiver never takes old bytes for a header: at next there is a marker or a committed header.
 * G->A, H->A: the sender writes over a record only after it was released; the reads are done.
 * B needs no order of its own: C orders it. F needs none: it is read by a successor, who comes
 *   after the death, and by observers, for whom it is a hint. One F will do for all that a call
 *   hands out. D and acked_seq are releases only so
 *   that no compiler moves them in front of C and G: a successor relies on their lagging.
 * A record with padding: its header at offset 0 is stored before C; C is then the padding's
 *   header. A batch: all headers but the first are stored before C; C is the first one's.
 *
 * Invariant I: at every instant the word at the true tail T is a marker with the exact number of
 *   messages committed. It holds in zeroed memory. No store but C touches that word: the stores
 *   between two commits lie above T. C makes T the new T', and the marker at T' was stored by B.
 *   Hence what a killed sender leaves above T is never looked at, and nothing must be cleaned.
 * Invariant R: T - acked <= capacity - 8, so T is never ambiguous and walking records from any
 *   boundary in [acked, T] ends at T. [acked, T] is not overwritten while it is so.
 *
 * Sender killed before C: nothing was sent; a successor starts at the same T. After C: sent.
 *   Before D: the hints lag, as they usually do; the successor walks from max(acked, tail_hint)
 *   to the marker.
 * Receiver killed before F: as if it had not looked. Between F and G: the message is first in line
 *   for the successor, who sees from attempt that it was handed out before. After G: released;
 *   before acked_seq: it lags by at most the messages held, and the 16 bits in the header (or the
 *   marker) at acked tell the rest. Before H: the sender looks at acked itself before it says FULL.
 * attempt (position:56 | count:8): the end of the furthest record ever handed out, and how often
 *   records below it were. A receiver that takes over raises the count before it hands out the
 *   first of them. Exact for one message at a time; with several in hand over several deaths it may
 *   be too high for some of them, never too low.
 *
 * Nothing read from the segment is used unchecked: the header once from a local copy against the
 * capacity, the distance to the end and its sequence number; positions against the sender's or
 * receiver's own. Offsets are masked, walks are bounded by the capacity.
 * Records are walked and checked in spsc_records.c; observers look at them in spsc_inspect.c.
 * Checked by: test/unit/test_ring_spsc.c, test_ring_spsc_steps.c
 */
#include "protocol/ring_spsc.h"

#include "base/branch.h"
#include "base/copy.h"
#include "base/prefetch.h"
#include "protocol/spsc_records.h"

#define BATCH_BYTES 4096u   /* publish at least so often within a batch */
#define ROOMS 16u           /* room is stored so often a lap */
#define HINTS 16u           /* tail_hint is stored so often a lap */
#define AHEAD (2 * SB_LINE) /* how far in front of the tail a line is asked for */
#define AHEAD_RX 256u       /* how far in front of a record in a run the receiver asks for a line */
#define RUN_LONG 4u         /* messages without a gap: a stream, not question and answer */
#ifdef SB_EXPLORE
#define FULL_PAUSES 1u /* each is a step to explore */
#define DEPTH_STEPS 1u /* else no record of those tiny rings would be easy */
#else
#define FULL_PAUSES 16u /* 75 to 650 ns */
#define DEPTH_STEPS                                                                                \
    SB_SPSC_DEPTH_STEPS /* the high-water mark is known to such a part of the capacity */
#endif
#define PAUSES 32u /* 150 to 1300 ns, depending on the processor */

/* ------------------------------------------------------------------------------------ sender */

/* A line of the ring will be written soon: taken from the receiver while nobody waits for it. */
static inline void prefetch_ahead(const struct sb_spsc_tx *tx)
{
    sb_prefetch_to_write(sb_spsc_word(tx->ring, tx->bytes, tx->tail + AHEAD));
}

/* The limit is what is surely free, but at most a sixteenth of the capacity above the high-water
 * mark, so that the mark is brought up to date without ever looking at acked for its sake alone
 * in a ring that stays shallow. */
static void set_room(struct sb_spsc_tx *tx, uint64_t released)
{
    uint64_t soft = tx->depth_max + tx->bytes / DEPTH_STEPS;
    tx->room = released;
    tx->limit = released + (soft < tx->bytes ? soft : tx->bytes);
}

/* See struct sb_spsc_tx. */
static void set_easy_tx(struct sb_spsc_tx *tx)
{
    uint64_t lap = tx->tail + sb_spsc_to_end(tx->bytes, tx->tail) + SB_SPSC_WORD;

    tx->fast_limit = tx->limit < lap ? tx->limit : lap;
}

/* The slow half of a reservation: the record would end above the limit. @end: where its marker
 * ends. */
SB_NOINLINE static enum sb_ring_result make_room(struct sb_spsc_tx *tx, uint64_t end)
{
    uint64_t released;
    /* acked lies in the line that the receiver writes with every release. Taking it for one message
     * costs both sides more than the message; room will do if it comes soon. */
    for (uint32_t i = 0; i < FULL_PAUSES; i++) {
        released = sb_load_acquire(&tx->shared->room); /* A */
        if ((int64_t)(released - tx->room) > 0) {      /* else it lags what acked said */
            if (released - tx->room > tx->tail - tx->room) {
                return SB_RING_CORRUPT;
            }
            set_room(tx, released);
            if (end <= tx->limit) {
                return SB_RING_OK;
            }
        }
        sb_pause();
    }
    released = sb_load_acquire(&tx->shared->acked); /* A */
    if (released - tx->room > tx->tail - tx->room) {
        return SB_RING_CORRUPT;
    }
    if (end - SB_SPSC_WORD - released > tx->depth_max && end - released <= tx->bytes) {
        tx->depth_max = end - SB_SPSC_WORD - released;
        if (tx->depth_mark != NULL) {
            sb_store_relaxed(tx->depth_mark, tx->depth_max);
        }
    }
    set_room(tx, released);
    return end - released <= tx->bytes ? SB_RING_OK : SB_RING_FULL;
}

/* Room at @position for a payload of so many bytes. */
static SB_INLINE enum sb_ring_result place_record(struct sb_spsc_tx *tx, uint64_t position,
                                                  uint64_t size_bytes, uint64_t *ret_pad,
                                                  uint64_t *ret_need)
{
    uint64_t need = tx->head_bytes + sb_spsc_round_up(size_bytes);
    uint64_t rest = sb_spsc_to_end(tx->bytes, position);
    uint64_t pad = need > rest ? rest : 0;
    uint64_t end = position + pad + need + SB_SPSC_WORD;
    *ret_pad = pad;
    *ret_need = need;
    if (sb_unlikely(end > tx->limit)) {
        return need > tx->bytes ? SB_RING_FULL : make_room(tx, end);
    }
    return SB_RING_OK;
}

/* Header and time stamp of message @seq at position @at, with the padding in front of it; returns
 * the header that commits it, still to be stored at the position the padding (or, without, the
 * record) starts. */
static SB_INLINE uint64_t write_head(struct sb_spsc_tx *tx, uint64_t at, uint64_t pad,
                                     uint64_t header, uint64_t stamp_ns)
{
    if (tx->head_bytes > SB_SPSC_WORD) {
        sb_store_relaxed(sb_spsc_word(tx->ring, tx->bytes, at + SB_SPSC_WORD), stamp_ns);
    }
    if (sb_unlikely(pad != 0)) {
        sb_store_relaxed(sb_spsc_word(tx->ring, tx->bytes, at), header);
        header = sb_record_make(pad, 0, 0, SB_RECORD_VALID | SB_RECORD_PAD);
    }
    return header;
}

/* D. Not at every commit: observers look at this line, and a successor can do with less. Releases:
 * not before C, by no compiler. */
SB_NOINLINE static void store_hints(struct sb_spsc_tx *tx)
{
    sb_store_release(&tx->shared->tail_seq, tx->seq);
    sb_store_release(&tx->shared->tail_hint, tx->tail);
    tx->hint_due = tx->tail + tx->bytes / HINTS;
}

/* B, C and D for what lies between tx->tail and @end, whose first header is @header. */
static SB_INLINE void publish(struct sb_spsc_tx *tx, uint64_t end, uint64_t header, uint64_t seq)
{
    sb_word *behind = sb_spsc_word(tx->ring, tx->bytes, end);

    sb_store_relaxed(behind, sb_marker_make(seq));                         /* B: C orders it */
    sb_store_release(sb_spsc_word(tx->ring, tx->bytes, tx->tail), header); /* C */
    tx->tail = end;
    tx->seq = seq;
    if (sb_unlikely(end >= tx->hint_due)) {
        store_hints(tx);
    }
    prefetch_ahead(tx);
}

enum sb_ring_result sb_spsc_reserve(struct sb_spsc_tx *tx, uint64_t size_bytes, void **ret_data)
{
    uint64_t pad, need;
    enum sb_ring_result result = place_record(tx, tx->tail, size_bytes, &pad, &need);
    if (result != SB_RING_OK) {
        return result;
    }
    tx->reserved = need;
    tx->pad = pad;
    tx->serial++;
    *ret_data = (uint8_t *)sb_spsc_word(tx->ring, tx->bytes, tx->tail + pad) + tx->head_bytes;
    return SB_RING_OK;
}

void sb_spsc_commit(struct sb_spsc_tx *tx, uint64_t size_bytes, uint32_t type, uint64_t stamp_ns)
{
    uint64_t at = tx->tail + tx->pad;
    uint64_t need = tx->head_bytes + sb_spsc_round_up(size_bytes);
    uint64_t header = sb_record_make(size_bytes, tx->seq + 1, type, SB_RECORD_VALID);
    if (need > tx->reserved) {
        return; /* no open reservation, or larger than it */
    }
    header = write_head(tx, at, tx->pad, header, stamp_ns);
    publish(tx, at + need, header, tx->seq + 1);
    tx->reserved = 0;
}

/* Whatever is special: no room known, the end of the ring. */
SB_NOINLINE static enum sb_ring_result send_slow(struct sb_spsc_tx *tx, const void *data,
                                                 uint64_t size_bytes, uint32_t type,
                                                 uint64_t stamp_ns)
{
    void *place;
    enum sb_ring_result result = sb_spsc_reserve(tx, size_bytes, &place);

    if (result == SB_RING_OK) {
        sb_copy(place, data, size_bytes);
        sb_spsc_commit(tx, size_bytes, type, stamp_ns);
        set_easy_tx(tx);
    }
    return result;
}

/* Payload, time stamp and marker of a record that lies in one piece at @at; what remains is its
 * header. */
static SB_INLINE void write_plain(uint8_t *ring, uint64_t mask, uint32_t head_bytes, uint64_t at,
                                  uint64_t end, const void *data, uint64_t size_bytes,
                                  uint64_t stamp_ns, uint64_t seq)
{
    uint8_t *record = ring + (at & mask);

    sb_copy(record + head_bytes, data, size_bytes);
    if (head_bytes > SB_SPSC_WORD) {
        sb_store_relaxed((sb_word *)(void *)(record + SB_SPSC_WORD), stamp_ns);
    }
    sb_store_relaxed(sb_spsc_word(ring, mask + 1, end), sb_marker_make(seq)); /* B: C orders it */
}

enum sb_ring_result sb_spsc_send(struct sb_spsc_tx *tx, const void *data, uint64_t size_bytes,
                                 uint32_t type, uint64_t stamp_ns)
{
    uint8_t *const ring = tx->ring;
    const uint64_t mask = tx->bytes - 1, tail = tx->tail, seq = tx->seq + 1;
    const uint32_t head_bytes = tx->head_bytes;
    const uint64_t end = tail + head_bytes + sb_spsc_round_up(size_bytes);

    if (sb_unlikely(end + SB_SPSC_WORD > tx->fast_limit)) {
        return send_slow(tx, data, size_bytes, type, stamp_ns);
    }
    write_plain(ring, mask, head_bytes, tail, end, data, size_bytes, stamp_ns, seq);
    sb_store_release(sb_spsc_word(ring, mask + 1, tail), /* C */
                     sb_record_make(size_bytes, seq, type, SB_RECORD_VALID));
    tx->tail = end;
    tx->seq = seq;
    tx->reserved = 0;
    if (sb_unlikely(end >= tx->hint_due)) {
        store_hints(tx);
    }
    if (end + AHEAD <= tx->fast_limit) { /* else the receiver may be reading there */
        sb_prefetch_to_write(ring + ((end + AHEAD) & mask));
    }
    return SB_RING_OK;
}

/* One commit of a batch: as many of the items as need no care, or as make up BATCH_BYTES. */
static size_t send_some(struct sb_spsc_tx *tx, const struct iovec *items, size_t count,
                        uint64_t stamp_ns)
{
    uint8_t *const ring = tx->ring;
    const uint64_t mask = tx->bytes - 1, tail = tx->tail, seq = tx->seq,
                   fast_limit = tx->fast_limit;
    const uint32_t head_bytes = tx->head_bytes;
    uint64_t at = tail;
    size_t n;

    for (n = 0; n < count && at - tail < BATCH_BYTES; n++) {
        uint64_t size_bytes = items[n].iov_len;
        uint64_t end = at + head_bytes + sb_spsc_round_up(size_bytes);

        if (sb_unlikely(end + SB_SPSC_WORD > fast_limit)) {
            break;
        }
        if (end + AHEAD <= fast_limit) {
            sb_prefetch_to_write(ring + ((end + AHEAD) & mask));
        }
        write_plain(ring, mask, head_bytes, at, end, items[n].iov_base, size_bytes, stamp_ns,
                    seq + n + 1);
        if (n > 0) {
            sb_store_relaxed(sb_spsc_word(ring, mask + 1, at),
                             sb_record_make(size_bytes, seq + n + 1, SHMBUS_TYPE_DATA,
                                            SB_RECORD_VALID));
        }
        at = end;
    }
    if (n > 0) {
        sb_store_release(sb_spsc_word(ring, mask + 1, tail), /* C */
                         sb_record_make(items[0].iov_len, seq + 1, SHMBUS_TYPE_DATA,
                                        SB_RECORD_VALID));
        tx->tail = at;
        tx->seq = seq + n;
        if (sb_unlikely(at >= tx->hint_due)) {
            store_hints(tx);
        }
    }
    return n;
}

size_t sb_spsc_send_batch(struct sb_spsc_tx *tx, const struct iovec *items, size_t count,
                          uint64_t stamp_ns)
{
    size_t sent = 0;
    tx->reserved = 0;
    while (sent < count) {
        size_t n = send_some(tx, items + sent, count - sent, stamp_ns);
        if (n == 0 && send_slow(tx, items[sent].iov_base, items[sent].iov_len, SHMBUS_TYPE_DATA,
                                stamp_ns) != SB_RING_OK) {
            break;
        }
        sent += n > 0 ? n : 1;
    }
    return sent;
}

enum sb_ring_result sb_spsc_tx_init(struct sb_spsc_tx *tx, const struct sb_channel_view *ch)
{
    uint64_t acked = sb_load_acquire(&ch->shared->acked);
    uint64_t hint = sb_load_relaxed(&ch->shared->tail_hint);
    uint64_t tail, seq;
    if ((int64_t)(hint - acked) < 0) {
        hint = acked; /* released before the hint was written */
    }
    if (((acked | hint) & 7u) != 0 || hint - acked > ch->ring_bytes - SB_SPSC_WORD ||
        !sb_spsc_find_tail(ch, acked, hint, &tail, &seq)) {
        return SB_RING_CORRUPT;
    }
    *tx = (struct sb_spsc_tx){.shared = ch->shared,
                              .ring = ch->ring,
                              .bytes = ch->ring_bytes,
                              .tail = tail,
                              .seq = seq,
                              .depth_max = tail - acked,
                              .head_bytes = sb_spsc_head_bytes(ch)};
    set_room(tx, acked);
    set_easy_tx(tx);
    store_hints(tx);
    return SB_RING_OK;
}

/* ---------------------------------------------------------------------------------- receiver */

static inline void publish_room(struct sb_spsc_rx *rx)
{
    sb_store_release(&rx->shared->room, rx->acked); /* H */
    rx->published = rx->acked;
}

/* Nothing of what the predecessor had in hand is unreleased: nothing can come a second time. */
static inline bool is_settled(const struct sb_spsc_rx *rx)
{
    return (int64_t)(rx->acked - rx->inherited) >= 0;
}

/* See struct sb_spsc_rx. */
static void set_easy_rx(struct sb_spsc_rx *rx)
{
    uint64_t left = rx->acked + rx->bytes - SB_SPSC_WORD - rx->next,
             rest = sb_spsc_to_end(rx->bytes, rx->next);

    rx->fast_limit = rx->next;
    if (is_settled(rx)) {
        rx->fast_limit += left < rest ? left : rest;
    }
}

enum sb_ring_result sb_spsc_rx_init(struct sb_spsc_rx *rx, const struct sb_channel_view *ch)
{
    uint64_t acked = sb_load_acquire(&ch->shared->acked);
    uint64_t room = sb_load_acquire(&ch->shared->room);
    uint64_t attempt = sb_load_relaxed(&ch->shared->attempt);
    uint64_t hint = sb_load_relaxed(&ch->shared->acked_seq);
    int64_t ahead = (int64_t)(attempt - sb_attempt_make(acked, 0)) >> 8; /* circular, 56 bits */
    uint64_t header;
    if ((acked & 7u) != 0 || acked - room > ch->ring_bytes || ahead > (int64_t)ch->ring_bytes) {
        return SB_RING_CORRUPT;
    }
    header = sb_load_acquire(sb_spsc_word(ch->ring, ch->ring_bytes, acked));
    memset(rx, 0, sizeof *rx);
    rx->shared = ch->shared;
    rx->ring = ch->ring;
    rx->bytes = ch->ring_bytes;
    rx->next = acked;
    rx->acked = acked;
    rx->seq = sb_spsc_seq_before(ch, acked, header, hint);
    rx->acked_seq = rx->seq;
    rx->gap = rx->seq;
    rx->head_bytes = sb_spsc_head_bytes(ch);
    rx->inherited = ahead > 0 ? acked + (uint64_t)ahead : acked;
    rx->attempts = ahead > 0 ? sb_attempt_count(attempt) : 0;
    set_easy_rx(rx);
    publish_room(rx);
    return SB_RING_OK;
}

static inline void store_attempt(struct sb_spsc_rx *rx, uint64_t handed, uint32_t attempts)
{
    sb_store_relaxed(&rx->shared->attempt, sb_attempt_make(handed, attempts)); /* F */
}

/* Notes that the record ending at @end is handed out; returns its delivery count. */
static uint32_t note_attempt(struct sb_spsc_rx *rx, uint64_t end)
{
    if (is_settled(rx)) {
        store_attempt(rx, end, 1);
        return 1;
    }
    if ((int64_t)(end - rx->inherited) > 0) {
        store_attempt(rx, end, rx->attempts); /* older ones are in hand */
        return 1;
    }
    if (!rx->raised) { /* handed out before, by a receiver that died */
        rx->raised = true;
        rx->attempts = sb_spsc_next_attempt(rx->attempts);
        store_attempt(rx, rx->inherited, rx->attempts);
    }
    return rx->attempts;
}

/* Nothing there. A receiver that keeps up with the sender takes each line away while it is being
 * filled, which slows both down; after a run of messages it lets the next ones gather. A shorter
 * run may be question and answer, where somebody waits for us: no pause then. */
static enum sb_ring_result on_empty(struct sb_spsc_rx *rx)
{
    if (rx->published != rx->acked) {
        publish_room(rx);
    }
    if (rx->seq - rx->gap >= RUN_LONG) {
        for (uint32_t i = 0; i < PAUSES; i++) {
            sb_pause();
        }
    }
    rx->gap = rx->seq;
    return SB_RING_EMPTY;
}

static SB_INLINE void fill_in(const struct sb_spsc_rx *rx, struct shmbus_channel *channel,
                              uint16_t sender, uint8_t *record, uint64_t header, uint64_t seq,
                              uint32_t delivery_count, struct shmbus_msg *ret)
{
    ret->data = record + rx->head_bytes;
    ret->size_bytes = sb_record_size(header);
    ret->channel = channel;
    ret->sequence = seq;
    ret->time_ns = rx->head_bytes > SB_SPSC_WORD
                       ? (int64_t)sb_load_relaxed((sb_word *)(void *)(record + SB_SPSC_WORD))
                       : 0;
    ret->correlation_id = 0;
    ret->delivery_count = delivery_count;
    ret->sender = sender;
    ret->type = sb_record_type(header);
    sb_msg_no_more(ret);
    ret->opaque_[0] = seq;
    ret->opaque_[1] = rx->tag;
    ret->opaque_[2] = 0;
}

/* One message, whatever is special about it: padding in front, the end of the ring, handed out
 * before. Says why there is none. */
SB_NOINLINE static enum sb_ring_result take_slow(struct sb_spsc_rx *rx,
                                                 struct shmbus_channel *channel, uint16_t sender,
                                                 struct shmbus_msg *ret)
{
    uint64_t header = sb_load_acquire(sb_spsc_word(rx->ring, rx->bytes, rx->next)); /* E */
    struct sb_spsc_record record;

    if ((header & SB_RECORD_VALID) == 0) {
        return on_empty(rx);
    }
    if (rx->seq - rx->acked_seq == SB_SPSC_HELD_MAX) {
        return SB_RING_BUSY;
    }
    if (!sb_spsc_record_check(rx->ring, rx->bytes, rx->head_bytes, rx->next, header, rx->seq + 1,
                              rx->acked + rx->bytes - SB_SPSC_WORD, &record)) {
        return SB_RING_CORRUPT;
    }
    rx->next = record.end;
    rx->ends[++rx->seq % SB_SPSC_HELD_MAX] = record.end;
    fill_in(rx, channel, sender, (uint8_t *)sb_spsc_word(rx->ring, rx->bytes, record.at),
            record.header, rx->seq, note_attempt(rx, record.end), ret);
    set_easy_rx(rx);
    return SB_RING_OK;
}

/* Whether a header is that of message @seq and its record, which ends at @end, needs no care. */
static SB_INLINE bool is_plain(uint64_t header, uint64_t seq, uint64_t end, uint64_t fast_limit)
{
    return ((header ^ sb_record_make(0, seq, 0, SB_RECORD_VALID)) & SB_RECORD_CHECKED) == 0 &&
           (int64_t)(end - fast_limit) <= 0;
}

enum sb_ring_result sb_spsc_recv(struct sb_spsc_rx *rx, struct shmbus_channel *channel,
                                 uint16_t sender, struct shmbus_msg *ret)
{
    uint8_t *const ring = rx->ring;
    const uint64_t mask = rx->bytes - 1, next = rx->next, seq = rx->seq + 1;
    uint8_t *record = ring + (next & mask);
    uint64_t header = sb_load_acquire((sb_word *)(void *)record); /* E */
    uint64_t end = next + rx->head_bytes + sb_spsc_round_up(sb_record_size(header));

    if (sb_unlikely(!is_plain(header, seq, end, rx->fast_limit) ||
                    seq - rx->acked_seq > SB_SPSC_HELD_MAX)) {
        return take_slow(rx, channel, sender, ret);
    }
    if (seq - rx->gap > RUN_LONG) { /* else the sender may be filling that line */
        sb_prefetch(ring + ((next + AHEAD_RX) & mask));
    }
    fill_in(rx, channel, sender, record, header, seq, 1, ret);
    rx->ends[seq % SB_SPSC_HELD_MAX] = end;
    rx->next = end;
    rx->seq = seq;
    store_attempt(rx, end, 1);
    return SB_RING_OK;
}

size_t sb_spsc_recv_batch(struct sb_spsc_rx *rx, struct shmbus_channel *channel, uint16_t sender,
                          struct shmbus_msg *ret, size_t max)
{
    uint8_t *const ring = rx->ring;
    const uint64_t mask = rx->bytes - 1, fast_limit = rx->fast_limit;
    uint64_t next = rx->next, seq = rx->seq;
    uint64_t most = rx->acked_seq + SB_SPSC_HELD_MAX - seq;
    size_t n;

    for (n = 0; n < max && n < most; n++) {
        uint8_t *record = ring + (next & mask);
        uint64_t header = sb_load_acquire((sb_word *)(void *)record); /* E */
        uint64_t end = next + rx->head_bytes + sb_spsc_round_up(sb_record_size(header));

        if (sb_unlikely(!is_plain(header, seq + 1, end, fast_limit))) {
            break;
        }
        if (n > 0) { /* as in sb_spsc_recv(): not when there is but one */
            sb_prefetch(ring + ((next + AHEAD_RX) & mask));
        }
        next = end;
        rx->ends[++seq % SB_SPSC_HELD_MAX] = end;
        fill_in(rx, channel, sender, record, header, seq, 1, &ret[n]);
    }
    if (n > 0) {
        rx->seq = seq;
        rx->next = next;
        store_attempt(rx, next, 1);
    }
    return n;
}

/* Ends are multiples of 8; this bit marks one that was released before the one in front of it. */
#define RELEASED 1u

static inline uint64_t *end_of(struct sb_spsc_rx *rx, uint64_t seq)
{
    return &rx->ends[seq % SB_SPSC_HELD_MAX];
}

static inline bool is_held(struct sb_spsc_rx *rx, uint64_t seq)
{
    return seq - rx->acked_seq - 1 < rx->seq - rx->acked_seq && (*end_of(rx, seq) & RELEASED) == 0;
}

/* Not the oldest: only noted, released with the one in front of it. */
SB_NOINLINE static bool release_later(struct sb_spsc_rx *rx, uint64_t seq)
{
    if (!is_held(rx, seq)) {
        return false;
    }
    *end_of(rx, seq) |= RELEASED;
    return true;
}

/* What was released before the one in front of it. Marks go, so that no entry that is not held has
 * one. */
SB_NOINLINE static void release_noted(struct sb_spsc_rx *rx)
{
    uint64_t *end = end_of(rx, rx->acked_seq + 1);
    do {
        *end &= ~(uint64_t)RELEASED;
        rx->acked = *end;
        rx->acked_seq++;
        end = end_of(rx, rx->acked_seq + 1);
    } while ((*end & RELEASED) != 0);
}

/* The private half of a release. */
static SB_INLINE bool note_release(struct sb_spsc_rx *rx, uint64_t seq)
{
    if (sb_unlikely(seq != rx->acked_seq + 1 || rx->acked_seq == rx->seq)) {
        return release_later(rx, seq);
    }
    rx->acked = *end_of(rx, seq);
    rx->acked_seq = seq;
    if (sb_unlikely((*end_of(rx, seq + 1) & RELEASED) != 0)) {
        release_noted(rx);
    }
    return true;
}

static SB_INLINE void publish_acked(struct sb_spsc_rx *rx)
{
    sb_store_release(&rx->shared->acked, rx->acked);         /* G */
    sb_store_release(&rx->shared->acked_seq, rx->acked_seq); /* a hint; not before G */
    if (sb_unlikely(rx->acked - rx->published >= rx->bytes / ROOMS)) {
        publish_room(rx);
    }
}

bool sb_spsc_release(struct sb_spsc_rx *rx, uint64_t seq)
{
    uint64_t before = rx->acked;

    if (sb_unlikely(!note_release(rx, seq))) {
        return false;
    }
    if (sb_likely(rx->acked != before)) {
        publish_acked(rx);
    }
    return true;
}

/* The same for the oldest ones in a row; returns how many there are. */
static SB_INLINE size_t note_releases(struct sb_spsc_rx *rx, const struct shmbus_msg *msgs,
                                      size_t count)
{
    uint64_t seq = rx->acked_seq;
    size_t n = 0;

    while (n < count && seq != rx->seq && msgs[n].opaque_[0] == seq + 1 &&
           (*end_of(rx, seq + 1) & RELEASED) == 0) {
        seq++;
        n++;
    }
    if (n > 0) {
        rx->acked = *end_of(rx, seq);
        rx->acked_seq = seq;
        if (sb_unlikely((*end_of(rx, seq + 1) & RELEASED) != 0)) {
            release_noted(rx);
        }
    }
    return n;
}

size_t sb_spsc_release_batch(struct sb_spsc_rx *rx, const struct shmbus_msg *msgs, size_t count)
{
    uint64_t before = rx->acked;
    size_t n = note_releases(rx, msgs, count);

    while (n < count && note_release(rx, msgs[n].opaque_[0])) {
        n++;
    }
    if (rx->acked != before) {
        publish_acked(rx);
    }
    return n;
}

bool sb_spsc_unrecv(struct sb_spsc_rx *rx, uint64_t seq)
{
    uint64_t end = *end_of(rx, seq);
    if (seq != rx->seq || !is_held(rx, seq)) {
        return false;
    }
    rx->seq--;
    rx->next = rx->seq == rx->acked_seq ? rx->acked : *end_of(rx, rx->seq) & ~(uint64_t)RELEASED;
    rx->fast_limit = rx->next; /* its size is checked once more: it may be another lap's end now */
    if ((int64_t)(end - rx->inherited) > 0) { /* as if it had never been handed out */
        store_attempt(rx, rx->next, is_settled(rx) ? 1 : rx->attempts);
    }
    return true;
}

bool sb_spsc_readable(const struct sb_spsc_rx *rx)
{
    return (sb_load_acquire(sb_spsc_word(rx->ring, rx->bytes, rx->next)) & SB_RECORD_VALID) != 0;
}
