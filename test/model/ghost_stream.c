/* SPDX-License-Identifier: MIT */
/*
 * The ghost of the stream: which bytes are committed, to the message, and how far they are
 * released. It finds the commit by itself: the store that turns the marker at the true tail into a
 * header.
 */
#include "world.h"

#include <inttypes.h>

static const sb_word *word_at(uint64_t position)
{
    return (const sb_word *)(const void *)(w_segment.ring +
                                           (position & (w_plan->channels[0].ring_bytes - 1u)));
}

static uint64_t head_bytes(void)
{
    return w_plan->timestamps ? 16 : 8;
}

static bool check_words(const uint64_t *words, uint32_t size_bytes, uint32_t id)
{
    for (uint32_t i = 0; i < size_bytes / 8; i++) {
        if (words[i] != (((uint64_t)id << 32) | (i + 1u))) {
            x_fail("stream: message %u does not hold its own bytes (word %u: %#" PRIx64 ")", id, i,
                   words[i]);
            return false;
        }
    }
    return true;
}

/* One record at the tail; false if there is none. */
static bool commit_one(uint32_t index)
{
    struct w_stream *s = &w_ghost.stream;
    uint64_t bytes = w_plan->channels[0].ring_bytes;
    uint64_t at = s->tail;
    uint64_t header = word_at(at)->v;

    if ((header & SB_RECORD_VALID) == 0) {
        return false;
    }
    if ((header & SB_RECORD_PAD) != 0) {
        at += bytes - (at & (bytes - 1u));
        header = word_at(at)->v;
    }
    if (index >= s->pending_count || header >> 32 != s->pending_size[index]) {
        x_fail("stream: a message appears that nobody is sending");
        return false;
    }
    if (!check_words(&word_at(at + head_bytes())->v, (uint32_t)(header >> 32), s->pending[index])) {
        return false;
    }
    s->tail = at + head_bytes() + (header >> 32);
    if (s->tail + 8u - s->acked > bytes) {
        x_fail("stream: more is committed than there is room for");
        return false;
    }
    s->ids[s->committed] = s->pending[index];
    s->ends[s->committed] = s->tail;
    s->committed++;
    return true;
}

static void ring_changed(const void *address, uint64_t now)
{
    struct w_stream *s = &w_ghost.stream;
    uint64_t bytes = w_plan->channels[0].ring_bytes;
    uint64_t offset = (uint64_t)((const uint8_t *)address - w_segment.ring);
    uint64_t distance = (offset - s->acked) & (bytes - 1u);

    if (offset >= bytes) {
        x_fail("stream: a store behind the ring");
    } else if (distance < s->tail - s->acked) {
        x_fail("stream: bytes are overwritten that are committed and not released");
    } else if (distance == s->tail - s->acked && (now & SB_RECORD_VALID) != 0) {
        while (commit_one(s->pending_done)) {
            s->pending_done++;
        }
        if (!x_failed() && word_at(s->tail)->v != (uint64_t)s->committed << 8) {
            x_fail("stream: behind the last message there is no marker with its number");
        }
    }
}

static void released(uint64_t now)
{
    struct w_stream *s = &w_ghost.stream;
    if ((int64_t)(now - s->acked) < 0 || (int64_t)(s->tail - now) < 0) {
        x_fail("stream: acked moves to %" PRIu64 ", which is not in [%" PRIu64 ", %" PRIu64 "]",
               now, s->acked, s->tail);
        return;
    }
    while (s->released < s->committed && s->ends[s->released] <= now) {
        if (s->handed[s->released] == 0) {
            x_fail("stream: message %u is released, but was never handed out", s->ids[s->released]);
            return;
        }
        s->released++;
    }
    s->acked = now;
    if (s->released > 0 && s->ends[s->released - 1u] != now) {
        x_fail("stream: acked is in the middle of a message");
    }
}

static void wake_end(bool sender, uint64_t role)
{
    (void)sender;
    if (role == 0 || (role & 0xffffu) >= 0xfffeu) {
        for (uint32_t i = 0; i < x_actors(); i++) {
            if (w_sleeps[i].what == W_WAIT_END) {
                x_wake(i);
            }
        }
    }
}

void w_stream_access(const void *address, uint64_t old, uint64_t now)
{
    const struct w_stream *s = &w_ghost.stream;
    const struct sb_channel *ch = &w_segment.channels[0];

    (void)old;
    if (w_plan->channels[0].kind != SHMBUS_KIND_STREAM) {
        return;
    }
    if ((const uint8_t *)address >= w_segment.ring &&
        (const uint8_t *)address < w_segment.ring + sizeof w_segment.ring) {
        ring_changed(address, now);
    } else if (address == &ch->acked) {
        released(now);
    } else if (address == &ch->room && (int64_t)(now - s->acked) > 0) {
        x_fail("stream: the room word leads");
    } else if (address == &ch->tail_hint && (int64_t)(now - s->tail) > 0) {
        x_fail("stream: the tail hint leads");
    } else if (address == &ch->tail_seq && now > s->committed) {
        x_fail("stream: tail_seq leads");
    } else if (address == &ch->acked_seq && now > s->released) {
        x_fail("stream: acked_seq leads");
    } else if (address == &ch->sender || address == &ch->receiver) {
        wake_end(address == &ch->sender, now);
    }
}

void w_stream_received(const struct shmbus_msg *msg)
{
    struct w_stream *s = &w_ghost.stream;
    uint32_t index;

    if (s->receiver_changed) {
        s->receiver_changed = false;
        s->next = s->released;
    }
    index = s->next++;
    if (index >= s->committed) {
        x_fail("stream: a message is received that was not sent");
        return;
    }
    if (msg->sequence != index + 1u) {
        x_fail("stream: sequence %" PRIu64 " is received, %u is next", msg->sequence, index + 1u);
        return;
    }
    s->handed[index]++;
    x_note("received message %u, delivery %u", s->ids[index], msg->delivery_count);
    if (msg->delivery_count < s->handed[index] ||
        msg->delivery_count > s->handed[index] + w_ghost.crashes) {
        x_fail("stream: delivery %u is called %u", s->handed[index], msg->delivery_count);
        return;
    }
    check_words(msg->data, (uint32_t)msg->size_bytes, s->ids[index]);
}

bool w_stream_room(uint32_t size_bytes)
{
    const struct w_stream *s = &w_ghost.stream;
    uint64_t bytes = w_plan->channels[0].ring_bytes;
    uint64_t need = head_bytes() + size_bytes;
    uint64_t rest = bytes - (s->tail & (bytes - 1u));
    uint64_t pad = need > rest ? rest : 0;
    return s->tail + pad + need + 8u - s->acked <= bytes;
}
