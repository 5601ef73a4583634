/* SPDX-License-Identifier: MIT */
#include "channel/stream.h"

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/here.h"
#include "channel/outcome.h"
#include "channel/wait.h"
#include "protocol/event.h"
#include "protocol/spsc_records.h"
#include "protocol/stream_end.h"

#define LIMIT "its largest message has"

/* How far the other end has come: what it released, or what there was to receive from it. */
static uint64_t progress_of_other_end(const struct shmbus_channel *ch)
{
    return (ch->mode & SHMBUS_OPEN_SEND) != 0 ? sb_load_acquire(&ch->shared->acked)
                                              : sb_stream_of(ch)->rx.next;
}

/* How the other end last left is no news to this handle. */
static void departure_told(struct shmbus_channel *ch)
{
    const struct sb_channel *shared = ch->view->shared;

    sb_stream_of(ch)->departure_seen =
        sb_load_acquire((ch->mode & SHMBUS_OPEN_SEND) != 0 ? &shared->receiver : &shared->sender);
    sb_stream_of(ch)->departure_at = progress_of_other_end(ch);
}

/* The departure that is no news to it; 0: any would be. */
static uint64_t told_departure(const struct shmbus_channel *ch)
{
    return sb_stream_of(ch)->departure_at == progress_of_other_end(ch)
               ? sb_stream_of(ch)->departure_seen
               : 0;
}

/* Whether the other end has left since we last looked: told once for each departure. The word alone
 * does not tell two of them apart if one process closes, opens and closes again: between them it
 * had the end, or has come further; one that did neither under our eyes was not there for us. */
static int departure(struct shmbus_channel *ch, const sb_word *other_end)
{
    uint64_t role = sb_load_acquire(other_end);

    if (role == 0 || sb_end_is_held(role)) {
        sb_stream_of(ch)->departure_seen = 0;
        return 0;
    }
    if (role == told_departure(ch)) {
        return 0;
    }
    sb_stream_of(ch)->departure_seen = role;
    sb_stream_of(ch)->departure_at = progress_of_other_end(ch);
    return sb_end_how(role) == SB_END_DEAD ? -SHMBUS_ERR_PEER_DEAD : -SHMBUS_ERR_PEER_CLOSED;
}

/* ----------------------------------------------------------------------------------- the handle */

static int busy_end(const struct shmbus_channel *ch, uint64_t holder)
{
    uint32_t slot = sb_owner64_slot(holder);
    uint64_t pid = 0;
    bool is_near = true;
    if (slot < ch->bus->view.process_count) {
        const struct sb_proc *proc = &ch->bus->view.processes[slot];
        pid = sb_load_relaxed(&proc->pid);
        is_near = sb_load_relaxed(&proc->pid_namespace) == sb_own_pid_namespace();
    }
    return sb_fail(-EBUSY, "stream \"%s\" has a %s already: process %llu%s in slot %u", ch->name,
                   (ch->mode & SHMBUS_OPEN_SEND) != 0 ? "sender" : "receiver",
                   (unsigned long long)pid, is_near ? "" : " of another pid namespace", slot);
}

static sb_word *own_end(const struct shmbus_channel *ch)
{
    return (ch->mode & SHMBUS_OPEN_SEND) != 0 ? &ch->view->shared->sender
                                              : &ch->view->shared->receiver;
}

/* The mark of a row goes on from where its last user left it. */
static void show_depth(struct shmbus_channel *ch)
{
    struct sb_spsc_tx *tx = &sb_stream_of(ch)->tx;
    uint64_t before = sb_load_relaxed(&ch->row->depth_max);

    tx->depth_mark = &ch->row->depth_max;
    tx->depth_max = before > tx->depth_max ? before : tx->depth_max;
    sb_store_relaxed(tx->depth_mark, tx->depth_max);
}

enum sb_ring_result sb_stream_begin(struct shmbus_channel *ch)
{
    enum sb_ring_result r;

    if ((ch->mode & SHMBUS_OPEN_SEND) != 0) {
        r = sb_spsc_tx_init(&sb_stream_of(ch)->tx, ch->view);
        show_depth(ch);
        departure_told(ch);
    } else {
        r = sb_spsc_rx_init(&sb_stream_of(ch)->rx, ch->view);
        sb_stream_of(ch)->rx.tag = sb_msg_tag(ch, SB_MSG_STREAM_RX, 0);
        /* A sender that left before us is news only if it left something. */
        sb_stream_of(ch)->departure_seen = 0;
        if (r == SB_RING_OK && !sb_spsc_readable(&sb_stream_of(ch)->rx)) {
            departure_told(ch);
        }
    }
    return r;
}

int sb_stream_open(struct shmbus_channel *ch)
{
    uint64_t holder = 0;
    enum sb_ring_result r;

    if ((ch->mode & SHMBUS_OPEN_SEND) != 0 && (ch->mode & SHMBUS_OPEN_RECV) != 0) {
        return sb_fail(-EINVAL, "stream \"%s\": open it for sending or for receiving, not both",
                       ch->name);
    }
    if (!sb_end_take(own_end(ch), ch->bus->member.owner64, &holder)) {
        /* Perhaps it belongs to somebody who has just died. */
        sb_bus_sweep(ch->bus);
        if (!sb_end_take(own_end(ch), ch->bus->member.owner64, &holder)) {
            return busy_end(ch, holder);
        }
    }
    r = sb_stream_begin(ch);
    if (r != SB_RING_OK) {
        sb_end_leave(own_end(ch), ch->bus->member.owner64, SB_END_CLOSED);
        return sb_fail(-SHMBUS_ERR_CORRUPT, "stream \"%s\": its positions are impossible",
                       ch->name);
    }
    return 0;
}

void sb_stream_close(struct shmbus_channel *ch)
{
    struct sb_channel *shared = ch->view->shared;
    bool sender = (ch->mode & SHMBUS_OPEN_SEND) != 0;

    sb_end_leave(own_end(ch), ch->bus->member.owner64, SB_END_CLOSED);
    sb_event_wake(sender ? &shared->readable : &shared->writable);
}

/* ------------------------------------------------------------------------------------- sending */

static uint64_t stamp(const struct shmbus_channel *ch)
{
    return ch->timestamps ? (uint64_t)sb_now_ns() : 0;
}

/* The ring's answer to a sender. */
SB_NOINLINE static int answer(struct shmbus_channel *ch, enum sb_ring_result r)
{
    int left;

    if (r == SB_RING_OK) {
        return 0;
    }
    if (r == SB_RING_CORRUPT) {
        return sb_corrupt(ch, "bytes");
    }
    left = departure(ch, &ch->shared->receiver);
    return left != 0 ? left : -EAGAIN;
}

struct place {
    size_t size_bytes;
    void *data;
};

static int attempt_reserve(struct shmbus_channel *ch, void *job)
{
    struct place *place = job;
    return answer(ch, sb_spsc_reserve(&sb_stream_of(ch)->tx, place->size_bytes, &place->data));
}

static int reserve(struct shmbus_channel *ch, struct place *place, int64_t timeout_ns)
{
    int r;

    if (place->size_bytes > ch->size_max) {
        return sb_too_large(ch, place->size_bytes, LIMIT);
    }
    r = attempt_reserve(ch, place);
    if (r == -EAGAIN && timeout_ns != 0) {
        r = sb_wait(ch, &ch->shared->writable, timeout_ns, attempt_reserve, place);
    }
    return r < 0 ? sb_refused(ch, r, "stream is full") : 0;
}

static SB_INLINE void announce(struct shmbus_channel *ch, uint64_t messages, uint64_t bytes)
{
    sb_count(ch, SHMBUS_COUNT_sent, messages);
    sb_count(ch, SHMBUS_COUNT_sent_bytes, bytes);
    if (sb_event_wake_after_store(&ch->shared->readable)) {
        sb_count(ch, SHMBUS_COUNT_wakes, 1);
    }
}

struct sending {
    const struct sb_send *send;
    uint64_t stamp_ns;
};

static int attempt_send(struct shmbus_channel *ch, void *job)
{
    const struct sending *s = job;
    return answer(ch, sb_spsc_send(&sb_stream_of(ch)->tx, s->send->data, s->send->size_bytes,
                                   s->send->type, s->stamp_ns));
}

/* The ring did not take it at once. */
SB_NOINLINE static int send_slow(struct shmbus_channel *ch, enum sb_ring_result result,
                                 unsigned type, const void *data, size_t size_bytes,
                                 int64_t timeout_ns)
{
    struct sb_send send = {type, 0, data, size_bytes, timeout_ns};
    struct sending job = {&send, stamp(ch)};
    int r = answer(ch, result);

    if (r == -EAGAIN && timeout_ns != 0) {
        r = sb_wait(ch, &ch->shared->writable, timeout_ns, attempt_send, &job);
    }
    if (r < 0) {
        return sb_refused(ch, r, "stream is full");
    }
    announce(ch, 1, size_bytes);
    return 0;
}

SB_FLAT int sb_stream_send(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                           const void *data, size_t size_bytes, int64_t timeout_ns)
{
    enum sb_ring_result result;

    (void)correlation_id;
    if (sb_unlikely(size_bytes > ch->size_max)) {
        return sb_too_large(ch, size_bytes, LIMIT);
    }
    result = sb_spsc_send(&sb_stream_of(ch)->tx, data, size_bytes, type, stamp(ch));
    if (sb_unlikely(result != SB_RING_OK)) {
        return send_slow(ch, result, type, data, size_bytes, timeout_ns);
    }
    announce(ch, 1, size_bytes);
    return 0;
}

struct batch {
    const struct iovec *items;
    size_t count;
    size_t sent;
};

static int attempt_batch(struct shmbus_channel *ch, void *job)
{
    struct batch *b = job;
    enum sb_ring_result r = SB_RING_OK;

    b->sent = sb_spsc_send_batch(&sb_stream_of(ch)->tx, b->items, b->count, stamp(ch));
    if (b->sent == 0) { /* full, or damaged? */
        void *place;
        r = sb_spsc_reserve(&sb_stream_of(ch)->tx, b->items[0].iov_len, &place);
        sb_stream_of(ch)->tx.reserved = 0;
        r = r == SB_RING_OK ? SB_RING_FULL : r;
    }
    return answer(ch, r);
}

int sb_stream_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count,
                         int64_t timeout_ns)
{
    struct batch job = {items, count, 0};
    uint64_t bytes = 0;
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        if (items[i].iov_len > ch->size_max) {
            return sb_too_large(ch, items[i].iov_len, LIMIT);
        }
    }
    r = attempt_batch(ch, &job);
    if (r == -EAGAIN && timeout_ns != 0) {
        r = sb_wait(ch, &ch->shared->writable, timeout_ns, attempt_batch, &job);
    }
    if (r < 0) {
        return sb_refused(ch, r, "stream is full");
    }
    for (size_t i = 0; i < job.sent; i++) {
        bytes += items[i].iov_len;
    }
    announce(ch, job.sent, bytes);
    return (int)job.sent;
}

int sb_stream_reserve(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                      int64_t timeout_ns)
{
    struct place place = {size_bytes, NULL};
    int r = reserve(ch, &place, timeout_ns);

    if (r < 0) {
        return r;
    }
    *ret_msg = (struct shmbus_msg){
        .data = place.data,
        .size_bytes = size_bytes,
        .channel = ch,
        .sender = (uint16_t)ch->slot,
        .opaque_ = {sb_stream_of(ch)->tx.tail,
                    sb_msg_tag(ch, SB_MSG_STREAM_TX, sb_stream_of(ch)->tx.serial), size_bytes},
    };
    return 0;
}

/* The last reservation is the one that is open; any other is stale. */
static int check_reserved(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if ((ch->mode & SHMBUS_OPEN_SEND) == 0 || sb_stream_of(ch)->tx.reserved == 0 ||
        msg->opaque_[0] != sb_stream_of(ch)->tx.tail ||
        sb_msg_number(msg) != sb_stream_of(ch)->tx.serial) {
        return sb_fail(-SHMBUS_ERR_STALE,
                       "stream \"%s\": the message was committed or aborted before, or another was "
                       "reserved or sent after it",
                       ch->name);
    }
    return 0;
}

int sb_stream_commit(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    int r = check_reserved(ch, msg);
    if (r < 0) {
        return r;
    }
    if (msg->size_bytes > msg->opaque_[2]) {
        return sb_over_reserved(ch, msg->size_bytes, msg->opaque_[2]);
    }
    sb_spsc_commit(&sb_stream_of(ch)->tx, msg->size_bytes, msg->type, stamp(ch));
    announce(ch, 1, msg->size_bytes);
    return 0;
}

int sb_stream_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    int r = check_reserved(ch, msg);
    if (r == 0) {
        sb_stream_of(ch)->tx.reserved = 0; /* nothing was visible */
    }
    return r;
}

/* ----------------------------------------------------------------------------------- receiving */

static SB_INLINE uint16_t sender_now(const struct shmbus_channel *ch)
{
    uint64_t role = sb_load_relaxed(&ch->shared->sender);

    return sb_end_is_held(role) ? (uint16_t)sb_owner64_slot(role) : (uint16_t)SHMBUS_SENDER_UNKNOWN;
}

struct incoming {
    struct shmbus_msg *msgs;
    size_t max;
    size_t got;
};

static SB_INLINE void count_received(struct shmbus_channel *ch, uint64_t messages, uint64_t bytes)
{
    sb_count(ch, SHMBUS_COUNT_received, messages);
    sb_count(ch, SHMBUS_COUNT_received_bytes, bytes);
}

static SB_INLINE enum sb_ring_result take_one(struct shmbus_channel *ch, struct shmbus_msg *msg)
{
    enum sb_ring_result r = sb_spsc_recv(&sb_stream_of(ch)->rx, ch, sender_now(ch), msg);

    if (sb_unlikely(r != SB_RING_OK)) {
        return r;
    }
    count_received(ch, 1, msg->size_bytes);
    if (sb_unlikely(msg->delivery_count > 1)) {
        sb_count(ch, SHMBUS_COUNT_redelivered, 1);
    }
    return SB_RING_OK;
}

/* As many as there are. */
static enum sb_ring_result take_many(struct shmbus_channel *ch, struct incoming *in)
{
    enum sb_ring_result r = SB_RING_OK;

    while (r == SB_RING_OK && in->got < in->max) {
        struct shmbus_msg *msgs = &in->msgs[in->got];
        size_t n =
            sb_spsc_recv_batch(&sb_stream_of(ch)->rx, ch, sender_now(ch), msgs, in->max - in->got);
        uint64_t bytes = 0;

        for (size_t i = 0; i < n; i++) {
            bytes += msgs[i].size_bytes;
        }
        count_received(ch, n, bytes);
        in->got += n;
        if (in->got < in->max) {
            if (in->got > 0 && !sb_spsc_readable(&sb_stream_of(ch)->rx)) {
                return SB_RING_EMPTY;
            }
            r = take_one(ch, &in->msgs[in->got]);
            in->got += r == SB_RING_OK;
        }
    }
    return r;
}

static enum sb_ring_result take_record(struct shmbus_channel *ch, struct incoming *in)
{
    enum sb_ring_result r;

    if (in->max > 1) {
        return take_many(ch, in);
    }
    r = take_one(ch, in->msgs);
    in->got = r == SB_RING_OK;
    return r;
}

/* Why there is none. */
SB_NOINLINE static int none(struct shmbus_channel *ch, enum sb_ring_result result)
{
    int left;

    if (result == SB_RING_CORRUPT) {
        return sb_corrupt(ch, "bytes");
    }
    if (result == SB_RING_BUSY) {
        sb_count(ch, SHMBUS_COUNT_errors, 1);
        return sb_fail(-SHMBUS_ERR_TOO_MANY,
                       "stream \"%s\": %u messages are held; release one first", ch->name,
                       SB_SPSC_HELD_MAX);
    }
    left = departure(ch, &ch->shared->sender);
    return left != 0 ? left : -EAGAIN;
}

/* Turns the outcome of a receive attempt into a result. */
static int conclude(struct shmbus_channel *ch, struct incoming *in, enum sb_ring_result result)
{
    int r = in->got > 0 ? 0 : none(ch, result);

    if ((r == -SHMBUS_ERR_PEER_DEAD || r == -SHMBUS_ERR_PEER_CLOSED) &&
        sb_spsc_readable(&sb_stream_of(ch)->rx)) {
        sb_stream_of(ch)->departure_seen = 0; /* it left something before it went: that first */
        result = take_record(ch, in);
        r = in->got > 0 ? 0 : result == SB_RING_EMPTY ? -EAGAIN : none(ch, result);
    }
    return r;
}

static int attempt_take(struct shmbus_channel *ch, void *job)
{
    struct incoming *in = job;
    return conclude(ch, in, take_record(ch, in));
}

/* There was none at the first look. */
SB_NOINLINE static int recv_slow(struct shmbus_channel *ch, enum sb_ring_result result,
                                 struct shmbus_msg *ret_msgs, size_t max, int64_t timeout_ns)
{
    struct incoming in = {ret_msgs, max, 0};
    int r = conclude(ch, &in, result);

    if (r == -EAGAIN && timeout_ns != 0) {
        r = sb_wait(ch, &ch->shared->readable, timeout_ns, attempt_take, &in);
    }
    return r < 0 ? sb_nothing(ch, r, "stream is empty") : (int)in.got;
}

SB_NOINLINE static int recv_batch(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs,
                                  size_t max, int64_t timeout_ns)
{
    struct incoming in = {ret_msgs, max, 0};
    enum sb_ring_result result = take_many(ch, &in);

    return in.got > 0 ? (int)in.got : recv_slow(ch, result, ret_msgs, max, timeout_ns);
}

SB_FLAT int sb_stream_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                           int64_t timeout_ns)
{
    enum sb_ring_result result;

    if (max > 1) {
        return recv_batch(ch, ret_msgs, max, timeout_ns);
    }
    result = take_one(ch, ret_msgs);
    if (sb_unlikely(result != SB_RING_OK)) {
        return recv_slow(ch, result, ret_msgs, 1, timeout_ns);
    }
    return 1;
}

/* The message of a stream goes back to a handle that receives. */
static SB_INLINE bool is_receiver(const struct shmbus_channel *ch)
{
    return (ch->mode & SHMBUS_OPEN_RECV) != 0;
}

SB_FLAT int sb_stream_release(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (sb_unlikely(!is_receiver(ch))) {
        return sb_wrong_kind(ch, "shmbus_release");
    }
    if (!sb_spsc_release(&sb_stream_of(ch)->rx, msg->opaque_[0])) {
        return sb_stale(ch);
    }
    sb_count(ch, SHMBUS_COUNT_acknowledged, 1);
    sb_event_wake_after_store(&ch->shared->writable);
    return 0;
}

SB_FLAT size_t sb_stream_release_batch(struct shmbus_channel *ch, const struct shmbus_msg *msgs,
                                       size_t count)
{
    size_t n = is_receiver(ch) ? sb_spsc_release_batch(&sb_stream_of(ch)->rx, msgs, count) : 0;

    sb_count(ch, SHMBUS_COUNT_acknowledged, n);
    sb_event_wake_after_store(&ch->shared->writable);
    return n;
}

int sb_stream_unrecv(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (!sb_spsc_unrecv(&sb_stream_of(ch)->rx, msg->opaque_[0])) {
        return sb_stale(ch);
    }
    sb_count_given_back(ch, msg, true);
    return 0;
}

/* ----------------------------------------------------------------------------------- the kind */

static size_t size_max(const struct shmbus_channel *ch)
{
    return (size_t)sb_spsc_size_max(ch->view->ring_bytes, ch->timestamps);
}

/* The room is there since it was reserved. */
static int commit_reserved(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns)
{
    (void)timeout_ns;
    return sb_stream_commit(ch, msg);
}

struct standpoint {
    struct sb_spsc_rx rx;
    uint64_t departure;
};

static void stand(const struct shmbus_channel *ch, void *ret_at)
{
    struct standpoint *at = ret_at;

    at->rx = sb_stream_of(ch)->rx;
    at->departure = told_departure(ch);
}

static bool has_news(const struct shmbus_channel *ch, void *standpoint)
{
    struct standpoint *at = standpoint;

    return sb_spsc_readable(&at->rx) ||
           (sb_load_acquire(&ch->view->shared->sender) != at->departure &&
            !sb_end_is_held(sb_load_acquire(&ch->view->shared->sender)));
}

const struct sb_kind sb_kind_stream = {
    .id = SB_KIND_STREAM,
    .noun = "stream",
    .reserved = SB_MSG_STREAM_TX,
    .received = SB_MSG_STREAM_RX,
    .part_bytes = sizeof(struct sb_stream),
    .standpoint_bytes = sizeof(struct standpoint),
    .open = sb_stream_open,
    .close = sb_stream_close,
    .size_max = size_max,
    .reserve = sb_stream_reserve,
    .commit = commit_reserved,
    .abort = sb_stream_abort,
    .release = sb_stream_release,
    .release_batch = sb_stream_release_batch,
    .unreceive = sb_stream_unrecv,
    .stand = stand,
    .has_news = has_news,
};
