/* SPDX-License-Identifier: MIT */
#include "channel/queue.h"

#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "channel/lanes.h"
#include "channel/outcome.h"
#include "channel/wait.h"
#include "protocol/block.h"
#include "protocol/event.h"
#include "protocol/exchange.h"
#include "protocol/mpmc_redelivery.h"

#define BUSY_TRIES 64u

/* A message on its way into the ring: a block that we hold by @hdr. */
struct outgoing {
    uint32_t block;
    uint64_t hdr;
    uint64_t bytes;
    struct sb_block *header;
    void *payload;
};

static struct sb_blocks *blocks_of(struct shmbus_channel *ch)
{
    return &ch->bus->view.blocks;
}

/* What the largest block holds. */
static uint64_t blocks_max(const struct shmbus_channel *ch)
{
    const struct sb_blocks *blocks = &ch->bus->view.blocks;
    return blocks->classes[blocks->class_count - 1].size_bytes;
}

/* ----------------------------------------------------------------------------------- the handle */

static bool collects_dead_cells(const struct sb_view *view, uint32_t channel)
{
    for (uint32_t i = 0; i < view->channel_count; i++) {
        if (view->channels[i].dead_letter == channel && view->channels[i].lane_count > 0) {
            return true;
        }
    }
    return false;
}

static size_t more_bytes(const struct sb_view *view, uint32_t channel)
{
    return collects_dead_cells(view, channel) ? sizeof(struct sb_lane_scan) : 0;
}

int sb_queue_open(struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;
    struct sb_queue *queue = sb_queue_of(ch);

    ch->collects_dead_cells = collects_dead_cells(view, ch->index);
    if (ch->collects_dead_cells) {
        sb_lane_scan_init(queue->dead_cells, view, ch->index, ch->owner);
    }
    sb_mpmc_init(&queue->ring, view, ch->index, ch->owner);
    queue->stock.own = ch->view->share;
    queue->full_pauses = SB_BACKOFF_FULL_PAUSES;
    queue->ring.depth_mark = &ch->row->depth_max;
    queue->ring.depth_max = sb_load_relaxed(&ch->row->depth_max);
    return 0;
}

static bool is_in_hand(const struct shmbus_channel *ch, const struct sb_block *b, uint64_t hdr)
{
    return sb_hdr_owner(hdr) == ch->owner &&
           sb_holder_of(sb_load_relaxed(&b->holder)) == ch->holder;
}

/* Frees the reservations of this handle and lists the messages that it received. */
static void look_at_held(struct shmbus_channel *ch, struct sb_returned *list)
{
    const struct sb_blocks *blocks = &ch->bus->view.blocks;

    sb_returned_clear(list);
    for (uint32_t block = 0; block < blocks->count; block++) {
        struct sb_block *b = sb_block_at(blocks, block);
        uint64_t hdr = sb_load_acquire(&b->hdr);
        uint64_t loc = sb_load_relaxed(&b->loc[sb_hdr_gen(hdr) & 1u]);
        if (!is_in_hand(ch, b, hdr)) {
            continue;
        }
        if (sb_hdr_state(hdr) == SB_BLOCK_RECEIVED) {
            struct sb_returned_item item = {sb_loc_channel(loc), sb_loc_ticket(loc), hdr, block};
            sb_returned_add(list, &item);
        } else if (sb_hdr_state(hdr) == SB_BLOCK_FILLING) {
            sb_block_free(blocks, &sb_queue_of(ch)->stock, block, ch->owner);
        }
    }
}

/* What this handle gave to the application and did not get back: received messages go back to
 * their queue, the older ones first (ring_mpmc.c); reservations are freed. Who has nothing looks
 * at no block. */
static void give_back_held(struct shmbus_channel *ch)
{
    uint32_t passes_left = ch->bus->view.blocks.count / SB_RETURNED_MAX + 1u;
    struct sb_returned list;

    do {
        const struct sb_returned_item *item;
        look_at_held(ch, &list);
        for (; (item = sb_returned_next(&list)) != NULL; list.at++) {
            uint32_t where =
                sb_mpmc_requeue(&sb_queue_of(ch)->ring, item->number, item->word, ch->gives_back);
            if (where != SB_NONE) {
                sb_event_wake(&ch->bus->view.channels[where].shared->readable);
            }
        }
    } while (list.more && passes_left-- > 0);
}

void sb_queue_close(struct shmbus_channel *ch)
{
    if (sb_queue_of(ch)->in_blocks > 0) {
        give_back_held(ch);
    }
    sb_lanes_give_back(ch);
    sb_stock_close(&ch->bus->view.blocks, &sb_queue_of(ch)->stock);
}

/* ------------------------------------------------------------------------------------- sending */

/* Throws away the oldest message; for a place the oldest that has one. */
SB_NOINLINE static bool drop_oldest(struct shmbus_channel *ch, bool for_place)
{
    uint32_t block = 0;
    uint64_t hdr = 0;
    uint64_t ticket = 0;
    enum sb_ring_result r = for_place
                                ? sb_mpmc_recv_placed(&sb_queue_of(ch)->ring, &block, &hdr, &ticket)
                                : sb_mpmc_recv(&sb_queue_of(ch)->ring, &block, &hdr, &ticket);

    if (r != SB_RING_OK) {
        return false;
    }
    sb_block_free(blocks_of(ch), &sb_queue_of(ch)->stock, block, ch->owner);
    sb_count(ch, SHMBUS_COUNT_dropped, 1);
    return true;
}

/* Puts the block into the ring. */
static int attempt_put(struct shmbus_channel *ch, void *job)
{
    const struct outgoing *out = job;
    uint64_t ticket = 0;

    for (uint32_t n = 0; n < BUSY_TRIES; n++) {
        switch (sb_mpmc_send(&sb_queue_of(ch)->ring, out->block, out->hdr, &ticket)) {
        case SB_RING_OK:
            return 0;
        case SB_RING_FULL:
            if (ch->view->on_full != SHMBUS_FULL_DROP_OLDEST) {
                return -EAGAIN;
            }
            drop_oldest(ch, true);
            break;
        case SB_RING_BUSY:
            break;
        case SB_RING_NOT_OWNER:
            return sb_fail(-SHMBUS_ERR_STALE, "queue \"%s\": the message is not held any more",
                           ch->name);
        default:
            return sb_corrupt(ch, "slots");
        }
    }
    return -EAGAIN;
}

/* The timeout that the policy of a full queue allows. With drop_oldest there is something to wait
 * for only while all messages, or all blocks, are in somebody's hands. */
static int64_t own_timeout_ns(const struct shmbus_channel *ch, int64_t timeout_ns)
{
    return ch->view->on_full == SHMBUS_FULL_REJECT ? 0 : timeout_ns;
}

/* A place that a stopped taker had not cleared was cleared for it, and not used: others may. */
static void wake_senders(struct shmbus_channel *ch)
{
    if (sb_queue_of(ch)->ring.freed_slot) {
        sb_queue_of(ch)->ring.freed_slot = false;
        sb_event_wake(&ch->shared->writable);
    }
}

/* There was no block, at once or within the timeout: says who has them. */
SB_COLD static int no_blocks(struct shmbus_channel *ch)
{
    const struct sb_view *view = &ch->bus->view;

    sb_count(ch, sb_queue_of(ch)->short_waited ? SHMBUS_COUNT_send_timeouts : SHMBUS_COUNT_rejected,
             1);
    if (sb_census_is_due(ch)) {
        sb_census_of_blocks(view, sb_class_for(&view->blocks, sb_queue_of(ch)->short_of), ch->index,
                            ch->census);
    }
    return sb_fail(-SHMBUS_ERR_NO_BLOCKS, "queue \"%s\": no free block for %zu bytes%s: %s",
                   ch->name, sb_queue_of(ch)->short_of,
                   sb_queue_of(ch)->short_waited ? " within the timeout" : "", ch->census);
}

/* Counts a send that did not happen and says why. */
SB_NOINLINE static int refused(struct shmbus_channel *ch, int result)
{
    wake_senders(ch);
    if (result == -SHMBUS_ERR_NO_BLOCKS) {
        return no_blocks(ch);
    }
    return sb_refused(ch, result, "queue is full");
}

/* Someone may be waiting for the message that has just been committed. */
static SB_INLINE void announce(struct shmbus_channel *ch)
{
    if (sb_event_wake(&ch->shared->readable)) {
        sb_count(ch, SHMBUS_COUNT_wakes, 1);
    }
}

static int put_block(struct shmbus_channel *ch, struct outgoing *out, int64_t timeout_ns)
{
    int r = attempt_put(ch, out);
    if (r == -EAGAIN && own_timeout_ns(ch, timeout_ns) != 0) {
        r = sb_wait(ch, &ch->shared->writable, timeout_ns, attempt_put, out);
    }
    if (r == 0) {
        sb_count(ch, SHMBUS_COUNT_sent, 1);
        sb_count(ch, SHMBUS_COUNT_sent_bytes, out->bytes);
    }
    return r;
}

struct wanted {
    uint32_t cls;
    uint32_t block;
};

static int attempt_alloc(struct shmbus_channel *ch, void *job)
{
    struct wanted *want = job;
    uint32_t drops_left = blocks_of(ch)->count; /* others may send as fast as we drop */
    do {
        want->block = sb_block_alloc(blocks_of(ch), &sb_queue_of(ch)->stock, want->cls, ch->owner);
        if (want->block != SB_NONE) {
            return 0;
        }
    } while (ch->view->on_full == SHMBUS_FULL_DROP_OLDEST && drops_left-- > 0 &&
             drop_oldest(ch, false));
    return -SHMBUS_ERR_NO_BLOCKS;
}

/* Waits for a block; *timeout_ns becomes what is left of it. That there was none is said also when
 * the time is over: a queue that is full has receivers too slow, this has others that keep them. */
static int wait_for_block(struct shmbus_channel *ch, struct wanted *want, int64_t *timeout_ns)
{
    int64_t start_ns = sb_now_ns();
    int r = sb_wait(ch, blocks_of(ch)->freed, *timeout_ns, attempt_alloc, want);
    if (*timeout_ns > 0) {
        *timeout_ns -= sb_now_ns() - start_ns;
        if (*timeout_ns <= 0) {
            *timeout_ns = 1; /* 0 would mean that nobody wanted to wait */
        }
    }
    sb_queue_of(ch)->short_waited = true;
    return r == -ETIMEDOUT ? -SHMBUS_ERR_NO_BLOCKS : r;
}

SB_COLD static int too_large(const struct shmbus_channel *ch, size_t size_bytes)
{
    bool declared = ch->size_max < blocks_max(ch);

    return sb_too_large(ch, size_bytes,
                        declared ? "its `message_bytes` are" : "its largest block has");
}

/* A block for @size_bytes, marked as given to the application by @holder. *timeout_ns becomes what
 * is left of it. */
static int take_block(struct shmbus_channel *ch, size_t size_bytes, uint64_t holder,
                      int64_t *timeout_ns, struct outgoing *ret)
{
    struct wanted want = {sb_class_for(blocks_of(ch), size_bytes), SB_NONE};
    const struct sb_class_view *cls;
    int r;

    if (want.cls == SB_NONE || size_bytes > ch->size_max) {
        too_large(ch, size_bytes);
        return -EMSGSIZE;
    }
    sb_queue_of(ch)->short_of = size_bytes;
    sb_queue_of(ch)->short_waited = false;
    r = attempt_alloc(ch, &want);
    if (r < 0 && own_timeout_ns(ch, *timeout_ns) != 0) {
        r = wait_for_block(ch, &want, timeout_ns);
    }
    if (r < 0) {
        return r;
    }
    cls = sb_class_of(blocks_of(ch), want.block);
    ret->block = want.block;
    ret->bytes = size_bytes;
    ret->header = sb_block_in(cls, want.block);
    ret->payload = sb_payload_in(cls, want.block);
    ret->hdr = sb_load_relaxed(&ret->header->hdr);
    if (holder != 0) {
        sb_store_relaxed(&ret->header->holder, holder);
    }
    return 0;
}

/* The message's header line, by its owner. */
static SB_INLINE void describe(struct shmbus_channel *ch, struct sb_block *b, uint64_t bytes,
                               unsigned type, uint64_t correlation_id)
{
    sb_store_relaxed(&b->meta, sb_meta_make((uint32_t)bytes, ch->slot, type));
    sb_store_relaxed(&b->stamp_ns, ch->timestamps ? (uint64_t)sb_now_ns() : 0);
    sb_store_relaxed(&b->correlation_id, correlation_id);
}

static int send_one(struct shmbus_channel *ch, const struct sb_send *send)
{
    struct outgoing out;
    int64_t timeout_ns = send->timeout_ns;
    int r = take_block(ch, send->size_bytes, 0, &timeout_ns, &out);

    if (r < 0) {
        return r;
    }
    describe(ch, out.header, out.bytes, send->type, send->correlation_id);
    sb_copy(out.payload, send->data, send->size_bytes);
    r = put_block(ch, &out, timeout_ns);
    if (r < 0) {
        sb_block_free(blocks_of(ch), &sb_queue_of(ch)->stock, out.block, ch->owner);
    }
    return r;
}

/* See backoff.h: the next place of a full ring is the slot that the receivers are at. */
static void back_off_when_full(struct shmbus_channel *ch)
{
    uint64_t ahead =
        sb_backoff_messages(1ull << sb_queue_of(ch)->ring.shift, SB_BACKOFF_FULL_MESSAGES);
    uint32_t n = 0;

    while (n < sb_queue_of(ch)->full_pauses && !sb_mpmc_is_cleared(&sb_queue_of(ch)->ring, ahead)) {
        n += sb_backoff_pause();
    }
    sb_queue_of(ch)->full_pauses = sb_mpmc_is_cleared(&sb_queue_of(ch)->ring, 0)
                                       ? SB_BACKOFF_FULL_PAUSES
                                       : sb_queue_of(ch)->full_pauses / 2;
}

/* A message for which there is no block, or no place in the ring. */
SB_NOINLINE static int send_slow(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                                 const void *data, size_t size_bytes, int64_t timeout_ns)
{
    struct sb_send send = {type, correlation_id, data, size_bytes, timeout_ns};

    if (ch->view->on_full != SHMBUS_FULL_DROP_OLDEST && own_timeout_ns(ch, timeout_ns) == 0 &&
        size_bytes <= ch->size_max && !sb_mpmc_has_place(&sb_queue_of(ch)->ring)) {
        back_off_when_full(ch);
        if (!sb_mpmc_writable(&sb_queue_of(ch)->ring)) {
            return -EAGAIN; /* before the work of filling a block in vain */
        }
    }
    return send_one(ch, &send);
}

SB_NOINLINE static int put_block_slow(struct shmbus_channel *ch, uint32_t block, size_t size_bytes,
                                      int64_t timeout_ns)
{
    struct outgoing out = {.block = block, .bytes = size_bytes};
    int r;

    out.hdr = sb_load_relaxed(&sb_block_at(blocks_of(ch), block)->hdr);
    r = put_block(ch, &out, timeout_ns);
    if (r < 0) {
        sb_block_free(blocks_of(ch), &sb_queue_of(ch)->stock, block, ch->owner);
    }
    return r;
}

/* One message, without waking anybody. */
static SB_INLINE int send_fast(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                               const void *data, size_t size_bytes, int64_t timeout_ns)
{
    const struct sb_class_view *cls;
    struct sb_block *b;
    uint32_t block = SB_NONE;
    uint64_t hdr;
    uint64_t ticket;

    if (sb_likely(size_bytes <= ch->size_max && sb_mpmc_has_place(&sb_queue_of(ch)->ring))) {
        block = sb_block_alloc(blocks_of(ch), &sb_queue_of(ch)->stock,
                               sb_class_for(blocks_of(ch), size_bytes), ch->owner);
    }
    if (sb_unlikely(block == SB_NONE)) {
        return send_slow(ch, type, correlation_id, data, size_bytes, timeout_ns);
    }
    cls = sb_class_of(blocks_of(ch), block);
    b = sb_block_in(cls, block);
    hdr = sb_load_relaxed(&b->hdr);
    describe(ch, b, size_bytes, type, correlation_id);
    sb_copy(sb_payload_in(cls, block), data, size_bytes);
    if (sb_unlikely(sb_mpmc_send(&sb_queue_of(ch)->ring, block, hdr, &ticket) != SB_RING_OK)) {
        return put_block_slow(ch, block, size_bytes, timeout_ns);
    }
    sb_count(ch, SHMBUS_COUNT_sent, 1);
    sb_count(ch, SHMBUS_COUNT_sent_bytes, size_bytes);
    return 0;
}

SB_FLAT int sb_queue_send(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                          const void *data, size_t size_bytes, int64_t timeout_ns)
{
    int r = send_fast(ch, type, correlation_id, data, size_bytes, timeout_ns);

    if (sb_unlikely(r < 0)) {
        return refused(ch, r);
    }
    announce(ch);
    return 0;
}

SB_FLAT int sb_queue_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count,
                                int64_t timeout_ns)
{
    int r = 0;
    int sent = 0;

    for (size_t i = 0; i < count; i++) {
        r = send_fast(ch, SHMBUS_TYPE_DATA, 0, items[i].iov_base, items[i].iov_len,
                      i == 0 ? timeout_ns : 0);
        if (sb_unlikely(r < 0)) {
            break;
        }
        sent++;
    }
    if (sb_unlikely(sent == 0)) {
        return refused(ch, r);
    }
    announce(ch);
    return sent;
}

static SB_INLINE void hand_reservation(struct shmbus_channel *ch, uint32_t block, uint64_t hdr,
                                       void *payload, size_t size_bytes, struct shmbus_msg *msg)
{
    *msg = (struct shmbus_msg){
        .data = payload,
        .size_bytes = size_bytes,
        .channel = ch,
        .sender = (uint16_t)ch->slot,
        .opaque_ = {hdr, sb_msg_tag(ch, SB_MSG_QUEUE_TX, block), size_bytes},
    };
    sb_queue_of(ch)->in_blocks++;
}

/* There was no block at the first look. */
SB_NOINLINE static int reserve_slow(struct shmbus_channel *ch, size_t size_bytes,
                                    struct shmbus_msg *ret_msg, int64_t timeout_ns)
{
    struct outgoing out;
    int64_t left_ns = timeout_ns;
    int r = take_block(ch, size_bytes, ch->holder, &left_ns, &out);

    if (r < 0) {
        return refused(ch, r);
    }
    hand_reservation(ch, out.block, out.hdr, out.payload, size_bytes, ret_msg);
    return 0;
}

SB_FLAT int sb_queue_reserve(struct shmbus_channel *ch, size_t size_bytes,
                             struct shmbus_msg *ret_msg, int64_t timeout_ns)
{
    const struct sb_class_view *cls;
    struct sb_block *b;
    uint32_t block;

    if (sb_unlikely(size_bytes > ch->size_max)) {
        return reserve_slow(ch, size_bytes, ret_msg, timeout_ns);
    }
    block = sb_block_alloc(blocks_of(ch), &sb_queue_of(ch)->stock,
                           sb_class_for(blocks_of(ch), size_bytes), ch->owner);
    if (sb_unlikely(block == SB_NONE)) {
        return reserve_slow(ch, size_bytes, ret_msg, timeout_ns);
    }
    cls = sb_class_of(blocks_of(ch), block);
    b = sb_block_in(cls, block);
    sb_store_relaxed(&b->holder, ch->holder);
    hand_reservation(ch, block, sb_load_relaxed(&b->hdr), sb_payload_in(cls, block), size_bytes,
                     ret_msg);
    return 0;
}

/* Whether the block is as the message says. Whose it is then, the message says, too. */
static SB_INLINE bool is_as_was(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    uint32_t block = sb_msg_number(msg);
    return block < blocks_of(ch)->count &&
           sb_load_relaxed(&sb_block_at(blocks_of(ch), block)->hdr) == msg->opaque_[0];
}

static SB_INLINE bool is_held(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_hdr_owner(msg->opaque_[0]) == ch->owner && is_as_was(ch, msg);
}

/* Back to the stock, or to everybody. False: it was not held any more. */
static SB_INLINE bool end_hold(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (sb_unlikely(!is_as_was(ch, msg) || !sb_block_free(blocks_of(ch), &sb_queue_of(ch)->stock,
                                                          sb_msg_number(msg), ch->owner))) {
        return false;
    }
    sb_queue_of(ch)->in_blocks--;
    return true;
}

/* What it was reserved or sent with: beyond lies what others left in the block. */
static uint64_t size_before(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_msg_kind(msg) == SB_MSG_QUEUE_RX ? sb_block_bytes(blocks_of(ch), sb_msg_number(msg))
                                               : msg->opaque_[2];
}

static int check_commit(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (!is_held(ch, msg)) {
        return sb_stale(ch);
    }
    if (msg->size_bytes > size_before(ch, msg)) {
        return sb_over_reserved(ch, msg->size_bytes, size_before(ch, msg));
    }
    if (msg->size_bytes > ch->size_max) {
        return too_large(ch, msg->size_bytes);
    }
    return 0;
}

/* A message that is forwarded says what it is now: a task becomes its result. What it was, for the
 * case that it stays. Killed in between: it comes again as it is then, as its payload does. */
struct title {
    uint64_t meta, correlation_id;
};

static struct title retitle(struct sb_block *b, const struct shmbus_msg *msg)
{
    struct title before = {sb_load_relaxed(&b->meta), sb_load_relaxed(&b->correlation_id)};
    uint64_t now = sb_meta_make((uint32_t)msg->size_bytes, sb_meta_sender(before.meta), msg->type);

    sb_store_relaxed(&b->meta, sb_meta_set_aside(now, sb_meta_aside(before.meta)));
    sb_store_relaxed(&b->correlation_id, msg->correlation_id);
    return before;
}

static void title_back(struct sb_block *b, const struct title *before)
{
    sb_store_relaxed(&b->meta, before->meta);
    sb_store_relaxed(&b->correlation_id, before->correlation_id);
}

/* A received message goes on in a block of this queue: see exchange.c. */
static int forward_copy(struct shmbus_channel *ch, uint32_t block, uint64_t hdr, int64_t timeout_ns)
{
    struct outgoing out;
    int r = take_block(ch, sb_block_bytes(blocks_of(ch), block), 0, &timeout_ns, &out);

    if (r < 0) {
        return r;
    }
    sb_exchange_begin(blocks_of(ch), block, hdr, out.block);
    r = put_block(ch, &out, timeout_ns);
    if (r < 0) {
        sb_exchange_undo(blocks_of(ch), block, hdr);
        sb_block_free(blocks_of(ch), &sb_queue_of(ch)->stock, out.block, ch->owner);
        return r;
    }
    sb_block_leave(blocks_of(ch), block); /* X3 */
    return 0;
}

int sb_queue_commit(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns)
{
    struct outgoing out = {
        .block = sb_msg_number(msg), .hdr = msg->opaque_[0], .bytes = msg->size_bytes};
    bool forward = sb_msg_kind(msg) == SB_MSG_QUEUE_RX;
    struct sb_block *b;
    struct title before;
    int r = check_commit(ch, msg);

    if (r < 0) {
        return r;
    }
    b = sb_block_at(blocks_of(ch), out.block);
    if (forward) {
        before = retitle(b, msg);
    } else {
        out.header = b;
        describe(ch, b, out.bytes, msg->type, msg->correlation_id);
    }
    r = forward && sb_block_is_of_another(blocks_of(ch), &sb_queue_of(ch)->stock.own, out.block)
            ? forward_copy(ch, out.block, out.hdr, timeout_ns)
            : put_block(ch, &out, timeout_ns);
    if (r < 0) {
        if (forward) {
            title_back(b, &before);
        }
        return refused(ch, r);
    }
    sb_queue_of(msg->channel)->in_blocks--;
    if (forward) {
        sb_count(ch, SHMBUS_COUNT_forwarded, 1);
    }
    announce(ch);
    return 0;
}

SB_FLAT int sb_queue_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_likely(end_hold(ch, msg)) ? 0 : sb_stale(ch);
}

/* ----------------------------------------------------------------------------------- receiving */

/* The count of a message that is not delivered for the first time, and who died with it. A dead
 * letter counts on from where it was set aside; being set aside is no delivery. */
SB_NOINLINE static void count_deliveries(struct shmbus_channel *ch, struct sb_block *b,
                                         uint64_t meta, struct shmbus_msg *msg)
{
    uint64_t loc = sb_load_relaxed(&b->loc[sb_hdr_gen(msg->opaque_[0]) & 1u]);
    uint32_t deliveries = msg->delivery_count;

    if (sb_hdr_deliveries(msg->opaque_[0]) > 1 && sb_loc_channel(loc) == ch->index) {
        sb_store_relaxed(&b->holder, sb_mpmc_holder(&sb_queue_of(ch)->ring, ch->holder)); /* Y1 */
    }
    if (sb_loc_channel(loc) != ch->index) {
        deliveries -= deliveries > 1; /* not moved here yet */
    } else if (ch->view->takes_letters && sb_meta_aside(meta) > 0) {
        deliveries += sb_meta_aside(meta) - 1u;
    }
    msg->delivery_count = deliveries < SHMBUS_DELIVERIES_MAX ? deliveries : SHMBUS_DELIVERIES_MAX;
    sb_count(ch, SHMBUS_COUNT_redelivered, msg->delivery_count > 1);
}

static SB_INLINE void hand_out(struct shmbus_channel *ch, uint32_t block, uint64_t hdr,
                               uint64_t ticket, struct shmbus_msg *msg)
{
    const struct sb_class_view *cls = sb_class_of(blocks_of(ch), block);
    struct sb_block *b = sb_block_in(cls, block);
    uint64_t meta = sb_load_relaxed(&b->meta); /* once: another process may write nonsense */
    uint64_t size = sb_meta_size(meta);

    sb_store_relaxed(&b->holder, ch->holder);
    sb_queue_of(ch)->in_blocks++;
    msg->data = sb_payload_in(cls, block);
    msg->size_bytes = size <= cls->size_bytes ? size : cls->size_bytes;
    msg->channel = ch;
    msg->sequence = ticket + 1u;
    msg->time_ns = (int64_t)sb_load_relaxed(&b->stamp_ns);
    msg->correlation_id = sb_load_relaxed(&b->correlation_id);
    msg->delivery_count = sb_hdr_deliveries(hdr);
    msg->sender = sb_meta_sender(meta);
    msg->type = sb_meta_type(meta);
    sb_msg_no_more(msg);
    msg->opaque_[0] = hdr;
    msg->opaque_[1] = sb_msg_tag(ch, SB_MSG_QUEUE_RX, block);
    msg->opaque_[2] = 0;
    sb_count(ch, SHMBUS_COUNT_received, 1);
    sb_count(ch, SHMBUS_COUNT_received_bytes, msg->size_bytes);
    if (sb_unlikely(msg->delivery_count > 1 || sb_meta_aside(meta) > 0)) {
        count_deliveries(ch, b, meta, msg);
    }
}

struct incoming {
    struct shmbus_msg *msgs;
    size_t max;
    int got;
};

/* Dead letters of queues with lanes stay in their cells. Returns how many there were. */
SB_NOINLINE static int take_dead_letters(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs,
                                         size_t max)
{
    int got = 0;

    while ((size_t)got < max &&
           sb_lanes_recv_dead_letter(ch, sb_queue_of(ch)->dead_cells, &ret_msgs[got]) == 0) {
        got++;
    }
    return got;
}

/* As many as there are; @got counts them. What is delivered again comes last, and so alone, as it
 * comes before all others: if it kills its receiver every time, it takes nothing with it. */
static SB_INLINE enum sb_ring_result take_message(struct shmbus_channel *ch, struct incoming *in)
{
    enum sb_ring_result r = SB_RING_OK;
    uint32_t block = 0;
    uint64_t hdr = 0;
    uint64_t ticket = 0;

    while ((size_t)in->got < in->max) {
        r = sb_mpmc_recv(&sb_queue_of(ch)->ring, &block, &hdr, &ticket);
        if (sb_unlikely(r != SB_RING_OK)) {
            break;
        }
        hand_out(ch, block, hdr, ticket, &in->msgs[in->got++]);
        if (sb_unlikely(sb_hdr_deliveries(hdr) > 1)) {
            break;
        }
    }
    if (sb_unlikely(ch->collects_dead_cells && r == SB_RING_EMPTY)) {
        in->got += take_dead_letters(ch, &in->msgs[in->got], in->max - (size_t)in->got);
    }
    return r;
}

/* Nothing was received; but a place may have become free. */
static int none(struct shmbus_channel *ch, enum sb_ring_result result)
{
    wake_senders(ch);
    return result == SB_RING_CORRUPT ? sb_corrupt(ch, "slots") : -EAGAIN;
}

static int attempt_take(struct shmbus_channel *ch, void *job)
{
    struct incoming *in = job;
    enum sb_ring_result result = take_message(ch, in);

    return in->got > 0 ? 0 : none(ch, result);
}

/* Whoever found nothing may be idle for long: blocks that others sleep for are not kept. */
static void yield_blocks(struct shmbus_channel *ch)
{
    if (sb_event_armed(blocks_of(ch)->freed)) {
        sb_stock_flush(blocks_of(ch), &sb_queue_of(ch)->stock);
    }
}

SB_NOINLINE static int nothing(struct shmbus_channel *ch, int result)
{
    if (result != -EAGAIN) {
        return sb_nothing_else(ch, result);
    }
    yield_blocks(ch);
    return sb_nothing(ch, -EAGAIN, "queue is empty");
}

/* There was none at the first look. */
SB_NOINLINE static int recv_slow(struct shmbus_channel *ch, enum sb_ring_result result,
                                 struct shmbus_msg *ret_msgs, size_t max, int64_t timeout_ns)
{
    struct incoming in = {ret_msgs, max, 0};
    int r = none(ch, result);

    if (r == -EAGAIN && timeout_ns != 0) {
        r = sb_wait(ch, &ch->shared->readable, timeout_ns, attempt_take, &in);
    }
    if (r < 0) {
        return nothing(ch, r);
    }
    sb_event_wake(&ch->shared->writable);
    return in.got;
}

SB_FLAT int sb_queue_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                          int64_t timeout_ns)
{
    struct incoming in = {ret_msgs, max, 0};
    enum sb_ring_result result = take_message(ch, &in);

    if (sb_unlikely(in.got == 0)) {
        return recv_slow(ch, result, ret_msgs, max, timeout_ns);
    }
    sb_event_wake(&ch->shared->writable); /* a place in the ring became free */
    return in.got;
}

SB_FLAT int sb_queue_release(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (sb_unlikely(!end_hold(ch, msg))) {
        return sb_stale(ch);
    }
    sb_count(ch, SHMBUS_COUNT_acknowledged, 1);
    return 0;
}

int sb_queue_requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg, bool undo)
{
    uint32_t where;

    if (!is_held(ch, msg)) {
        return sb_stale(ch);
    }
    where = sb_mpmc_requeue(&sb_queue_of(ch)->ring, sb_msg_number(msg), msg->opaque_[0], undo);
    if (where == SB_NONE) {
        return sb_stale(ch);
    }
    sb_queue_of(ch)->in_blocks--;
    sb_event_wake(&ch->bus->view.channels[where].shared->readable);
    sb_count_given_back(ch, msg, undo);
    return 0;
}

/* ----------------------------------------------------------------------------------- the kind */

static size_t size_max(const struct shmbus_channel *ch)
{
    return (size_t)ch->view->message_max;
}

/* In a hurry the high-water mark may lag by 1/16 of the depth. */
static void beat(struct shmbus_channel *ch)
{
    sb_queue_of(ch)->ring.depth_slack =
        ch->ops_period < SB_BEAT_PERIOD_MAX ? 0 : (1ull << ch->view->depth_shift) / 16;
}

static int requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_queue_requeue(ch, msg, false);
}

static int unreceive(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_queue_requeue(ch, msg, true);
}

/* While asleep we need no stock; others may. */
static void sleeps(struct shmbus_channel *ch)
{
    sb_stock_flush(blocks_of(ch), &sb_queue_of(ch)->stock);
}

static void doubts(struct shmbus_channel *ch)
{
    sb_stock_rescan(&sb_queue_of(ch)->stock);
}

static void stand(const struct shmbus_channel *ch, void *ret_at)
{
    *(struct sb_mpmc *)ret_at = sb_queue_of(ch)->ring;
}

static bool has_news(const struct shmbus_channel *ch, void *at)
{
    (void)ch;
    return sb_mpmc_readable(at);
}

const struct sb_kind sb_kind_queue = {
    .id = SB_KIND_QUEUE,
    .noun = "queue",
    .reserved = SB_MSG_QUEUE_TX,
    .received = SB_MSG_QUEUE_RX,
    .part_bytes = sizeof(struct sb_queue),
    .more_bytes = more_bytes,
    .standpoint_bytes = sizeof(struct sb_mpmc),
    .open = sb_queue_open,
    .close = sb_queue_close,
    .size_max = size_max,
    .beat = beat,
    .sleeps = sleeps,
    .doubts = doubts,
    .reserve = sb_queue_reserve,
    .commit = sb_queue_commit,
    .abort = sb_queue_abort,
    .release = sb_queue_release,
    .requeue = requeue,
    .unreceive = unreceive,
    .forward = sb_queue_commit,
    .stand = stand,
    .has_news = has_news,
};
