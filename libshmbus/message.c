/* SPDX-License-Identifier: MIT */
/*
 * The public calls that move messages: check, then to the kind of the channel. Sending and
 * receiving go there directly, all else by its table.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/sized.h"
#include "channel/lanes.h"
#include "channel/outcome.h"
#include "channel/queue.h"
#include "channel/stream.h"

#define BATCH_MAX 4096u /* results are int, and nobody else waits for long */

static SB_INLINE bool is_usable(const struct shmbus_channel *ch, unsigned needed)
{
    return ch != NULL && *ch->cookie == SB_COOKIE && (ch->mode & needed) != 0;
}

SB_COLD static int why_not(const struct shmbus_channel *ch, unsigned needed, const char *call)
{
    if (ch == NULL) {
        return sb_fail(-EINVAL, "%s: the channel is NULL", call);
    }
    if (!sb_bus_is_ours(ch->bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "%s: \"%s\" is the parent's; attach again", call,
                       ch->name);
    }
    return sb_fail(-EINVAL, "%s: \"%s\" is not open for %s", call, ch->name,
                   needed == SHMBUS_OPEN_SEND ? "sending" : "receiving");
}

static SB_INLINE int check_send(struct shmbus_channel *ch, const char *call)
{
    if (sb_unlikely(!is_usable(ch, SHMBUS_OPEN_SEND))) {
        return why_not(ch, SHMBUS_OPEN_SEND, call);
    }
    if (sb_unlikely(sb_load_relaxed(ch->shutdown) != 0)) {
        int r = sb_shut(ch);
        if (r < 0) {
            return r;
        }
    }
    sb_channel_tick(ch);
    return 0;
}

static SB_INLINE bool is_in_hand(const struct shmbus_msg *msg)
{
    return msg != NULL && msg->channel != NULL && *msg->channel->cookie == SB_COOKIE &&
           sb_msg_kind(msg) != SB_MSG_NONE &&
           ((msg->opaque_[1] ^ msg->channel->msg_tag) >> 40) == 0;
}

SB_COLD static int why_not_in_hand(const struct shmbus_msg *msg, const char *call)
{
    if (msg == NULL || msg->channel == NULL) {
        return sb_fail(-EINVAL, "%s: the message or its channel is NULL", call);
    }
    if (!sb_bus_is_ours(msg->channel->bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "%s: the message is the parent's", call);
    }
    if (sb_msg_kind(msg) == SB_MSG_NONE) {
        return sb_fail(-SHMBUS_ERR_STALE,
                       "%s: the message was released, committed or aborted before", call);
    }
    return sb_fail(-EXDEV, "%s: the message is from another bus; send a copy", call);
}

/* The channel a message is with now, for the calls that finish it. */
static SB_INLINE int check_msg(const struct shmbus_msg *msg, const char *call)
{
    return sb_likely(is_in_hand(msg)) ? 0 : why_not_in_hand(msg, call);
}

/* The kind that takes back a received message: the handle's own, or lanes, if the handle is of a
 * dead-letter queue that collects what lies in their cells. NULL: the handle has received nothing
 * of that sort. */
static SB_INLINE const struct sb_kind *kind_of(const struct shmbus_msg *msg)
{
    const struct sb_kind *ops = msg->channel->ops;
    enum sb_msg_kind kind = sb_msg_kind(msg);

    if (sb_likely(kind == ops->received)) {
        return ops;
    }
    return kind == SB_MSG_LANES_RX && msg->channel->collects_dead_cells ? &sb_kind_lanes : NULL;
}

static bool is_reservation(const struct shmbus_msg *msg)
{
    return sb_msg_is_reservation(sb_msg_kind(msg));
}

static SB_INLINE int finished(struct shmbus_msg *msg, int result)
{
    if (sb_likely(result == 0)) {
        msg->opaque_[1] = 0;
        msg->data = NULL;
    }
    return result;
}

SB_COLD static int bad_send(unsigned type)
{
    return sb_fail(-EINVAL, "shmbus_send: type %u is not 0 .. 255, or the data is NULL", type);
}

SB_COLD static int no_correlation(const struct shmbus_channel *ch)
{
    return sb_fail(-SHMBUS_ERR_KIND, "stream \"%s\" carries no correlation id; use a queue",
                   ch->name);
}

static SB_INLINE int send_message(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                                  const void *data, size_t size_bytes, int64_t timeout_ns)
{
    int r = check_send(ch, "shmbus_send");

    if (sb_unlikely(r < 0)) {
        return r;
    }
    if (sb_unlikely(type > UINT8_MAX || (data == NULL && size_bytes > 0))) {
        return bad_send(type);
    }
    switch (ch->kind) {
    case SB_KIND_QUEUE:
        return sb_queue_send(ch, type, correlation_id, data, size_bytes, timeout_ns);
    case SB_KIND_LANES:
        return sb_lanes_send(ch, type, correlation_id, data, size_bytes, timeout_ns);
    case SB_KIND_STREAM:
        return sb_likely(correlation_id == 0)
                   ? sb_stream_send(ch, type, 0, data, size_bytes, timeout_ns)
                   : no_correlation(ch);
    }
    __builtin_unreachable();
}

/* Options of another version, or bad ones. */
SB_COLD static int take_opts(struct shmbus_send_opts *ret, const struct shmbus_send_opts *opts)
{
    int r = sb_take_opts(ret, sizeof *ret, opts, "shmbus_send_with");

    return r < 0 ? r : sb_check_reserved(ret->reserved_, "shmbus_send_with");
}

int shmbus_send_with(struct shmbus_channel *ch, const struct shmbus_send_opts *opts,
                     const void *data, size_t size_bytes, int64_t timeout_ns)
{
    struct shmbus_send_opts o;

    if (sb_unlikely(opts == NULL || opts->struct_bytes != sizeof o || opts->reserved_ != 0)) {
        int r = take_opts(&o, opts);
        if (r < 0) {
            return r;
        }
        opts = &o;
    }
    return send_message(ch, opts->type, opts->correlation_id, data, size_bytes, timeout_ns);
}

int shmbus_send(struct shmbus_channel *ch, const void *data, size_t size_bytes, int64_t timeout_ns)
{
    return send_message(ch, SHMBUS_TYPE_DATA, 0, data, size_bytes, timeout_ns);
}

int shmbus_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count,
                      int64_t timeout_ns)
{
    int r = check_send(ch, "shmbus_send_batch");

    if (r < 0) {
        return r;
    }
    if (items == NULL || count == 0) {
        return sb_fail(-EINVAL, "shmbus_send_batch: nothing to send");
    }
    if (count > BATCH_MAX) {
        count = BATCH_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        if (sb_unlikely(items[i].iov_base == NULL && items[i].iov_len > 0)) {
            return sb_fail(-EINVAL, "shmbus_send_batch: the data of item %zu is NULL", i);
        }
    }
    switch (ch->kind) {
    case SB_KIND_QUEUE:
        return sb_queue_send_batch(ch, items, count, timeout_ns);
    case SB_KIND_LANES:
        return sb_lanes_send_batch(ch, items, count, timeout_ns);
    case SB_KIND_STREAM:
        return sb_stream_send_batch(ch, items, count, timeout_ns);
    }
    __builtin_unreachable();
}

SB_COLD static int no_room(void)
{
    return sb_fail(-EINVAL, "shmbus_recv: no room for messages");
}

static SB_INLINE int recv_messages(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs,
                                   size_t max, int64_t timeout_ns)
{
    if (sb_unlikely(!is_usable(ch, SHMBUS_OPEN_RECV))) {
        return why_not(ch, SHMBUS_OPEN_RECV, "shmbus_recv");
    }
    if (sb_unlikely(ret_msgs == NULL || max == 0)) {
        return no_room();
    }
    sb_channel_tick(ch);
    switch (ch->kind) {
    case SB_KIND_QUEUE:
        return sb_queue_recv(ch, ret_msgs, max, timeout_ns);
    case SB_KIND_LANES:
        return sb_lanes_recv(ch, ret_msgs, max, timeout_ns);
    case SB_KIND_STREAM:
        return sb_stream_recv(ch, ret_msgs, max, timeout_ns);
    }
    __builtin_unreachable();
}

int shmbus_recv_batch(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                      int64_t timeout_ns)
{
    return recv_messages(ch, ret_msgs, max < BATCH_MAX ? max : BATCH_MAX, timeout_ns);
}

int shmbus_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msg, int64_t timeout_ns)
{
    int r = recv_messages(ch, ret_msg, 1, timeout_ns);
    return r < 0 ? r : 0;
}

/* The message did not fit: it was never received. */
static int unreceive(struct shmbus_msg *msg, size_t buffer_bytes)
{
    size_t size = msg->size_bytes;
    struct shmbus_channel *ch = msg->channel;

    kind_of(msg)->unreceive(ch, msg); /* it has just come out of this handle */
    return sb_fail(-EMSGSIZE, "\"%s\": the message has %zu bytes, the buffer %zu", ch->name, size,
                   buffer_bytes);
}

int shmbus_recv_copy(struct shmbus_channel *ch, void *buffer, size_t buffer_bytes,
                     size_t *ret_size_bytes, struct shmbus_msg *ret_info, int64_t timeout_ns)
{
    struct shmbus_msg msg;
    int r;

    if (ret_size_bytes == NULL || (buffer == NULL && buffer_bytes > 0)) {
        return sb_fail(-EINVAL, "shmbus_recv_copy: an argument is NULL");
    }
    r = shmbus_recv(ch, &msg, timeout_ns);
    if (r < 0) {
        return r;
    }
    *ret_size_bytes = msg.size_bytes;
    if (msg.size_bytes > buffer_bytes) {
        return unreceive(&msg, buffer_bytes);
    }
    if (msg.size_bytes > 0) { /* @buffer may be NULL for nothing */
        memcpy(buffer, msg.data, msg.size_bytes);
    }
    if (ret_info != NULL) {
        *ret_info = msg;
        ret_info->data = NULL;
        ret_info->opaque_[1] = 0;
    }
    return shmbus_release(&msg);
}

SB_COLD static int why_not_received(const struct shmbus_msg *msg, const char *call)
{
    if (is_reservation(msg)) {
        return sb_fail(-SHMBUS_ERR_KIND, "%s: a reservation is committed or aborted", call);
    }
    return sb_wrong_kind(msg->channel, call);
}

int shmbus_release(struct shmbus_msg *msg)
{
    const struct sb_kind *kind;
    int r = check_msg(msg, "shmbus_release");

    if (r < 0) {
        return r;
    }
    kind = kind_of(msg);
    if (sb_unlikely(kind == NULL)) {
        return why_not_received(msg, "shmbus_release");
    }
    return finished(msg, kind->release(msg->channel, msg));
}

/* How many of the messages, from the first on, came out of one handle that takes many back at
 * once. */
static size_t run_of(const struct shmbus_msg *msgs, size_t count)
{
    const struct sb_kind *kind = count > 0 && is_in_hand(&msgs[0]) ? kind_of(&msgs[0]) : NULL;
    size_t n = 0;

    if (kind == NULL || kind->release_batch == NULL) {
        return 0;
    }
    while (n < count && is_in_hand(&msgs[n]) && msgs[n].channel == msgs[0].channel &&
           sb_msg_kind(&msgs[n]) == kind->received) {
        n++;
    }
    return n;
}

/* As many as go together; returns how many are done. */
static size_t release_run(struct shmbus_msg *msgs, size_t count)
{
    size_t n = run_of(msgs, count);

    n = n > 1 ? msgs[0].channel->ops->release_batch(msgs[0].channel, msgs, n) : 0;
    for (size_t i = 0; i < n; i++) {
        finished(&msgs[i], 0);
    }
    return n;
}

int shmbus_release_batch(struct shmbus_msg *msgs, size_t count)
{
    int first_failure = 0;

    if (msgs == NULL && count > 0) {
        return sb_fail(-EINVAL, "shmbus_release_batch: the messages are NULL");
    }
    for (size_t i = release_run(msgs, count); i < count; i++) {
        int r = shmbus_release(&msgs[i]);
        if (r < 0 && first_failure == 0) {
            first_failure = r;
        }
    }
    return first_failure;
}

int shmbus_requeue(struct shmbus_msg *msg)
{
    const struct sb_kind *kind;
    int r = check_msg(msg, "shmbus_requeue");

    if (r < 0) {
        return r;
    }
    kind = kind_of(msg);
    if (kind == NULL || kind->requeue == NULL) {
        return sb_wrong_kind(msg->channel, "shmbus_requeue");
    }
    return finished(msg, kind->requeue(msg->channel, msg));
}

int shmbus_give_back(struct shmbus_msg *msg)
{
    const struct sb_kind *kind;
    int r = check_msg(msg, "shmbus_give_back");

    if (r < 0) {
        return r;
    }
    kind = kind_of(msg);
    if (kind == NULL || kind->requeue == NULL) {
        return sb_wrong_kind(msg->channel, "shmbus_give_back");
    }
    return finished(msg, kind->unreceive(msg->channel, msg));
}

int shmbus_reserve(struct shmbus_channel *ch, size_t size_bytes, struct shmbus_msg *ret_msg,
                   int64_t timeout_ns)
{
    int r = check_send(ch, "shmbus_reserve");

    if (r < 0) {
        return r;
    }
    if (ret_msg == NULL) {
        return sb_fail(-EINVAL, "shmbus_reserve: ret_msg is NULL");
    }
    return ch->ops->reserve(ch, size_bytes, ret_msg, timeout_ns);
}

static int check_way(struct shmbus_channel *ch, const char *call)
{
    if (!is_usable(ch, SHMBUS_OPEN_SEND)) {
        return why_not(ch, SHMBUS_OPEN_SEND, call);
    }
    if (sb_load_relaxed(ch->shutdown) != 0) {
        int r = sb_shut(ch);
        if (r < 0) {
            return r;
        }
    }
    sb_channel_tick(ch);
    return 0;
}

int shmbus_commit(struct shmbus_msg *msg, int64_t timeout_ns)
{
    int r = check_msg(msg, "shmbus_commit");

    if (r < 0) {
        return r;
    }
    if (sb_msg_kind(msg) != msg->channel->ops->reserved) {
        return sb_fail(-SHMBUS_ERR_KIND, "shmbus_commit: only what shmbus_reserve() gave is "
                                         "committed; shmbus_forward() sends on what was received");
    }
    r = check_way(msg->channel, "shmbus_commit");
    if (r < 0) {
        return r;
    }
    return finished(msg, msg->channel->ops->commit(msg->channel, msg, timeout_ns));
}

int shmbus_forward(struct shmbus_msg *msg, struct shmbus_channel *to, int64_t timeout_ns)
{
    int r = check_msg(msg, "shmbus_forward");

    if (r < 0) {
        return r;
    }
    if (to == NULL) {
        return sb_fail(-EINVAL, "shmbus_forward: the queue to send it on to is NULL");
    }
    if (sb_msg_kind(msg) != SB_MSG_QUEUE_RX) {
        return sb_fail(-SHMBUS_ERR_KIND,
                       "shmbus_forward: only what was received from a queue with total order is "
                       "sent on; %s",
                       is_reservation(msg) ? "a reservation is committed"
                                           : "send a copy and release the message");
    }
    if (to->bus != msg->channel->bus) {
        return sb_fail(-EXDEV, "shmbus_forward: the queue is on another bus; send a copy");
    }
    r = check_way(to, "shmbus_forward");
    if (r < 0) {
        return r;
    }
    if (to->ops->forward == NULL) {
        return sb_fail(-SHMBUS_ERR_KIND,
                       "shmbus_forward: only into queues with total order, not \"%s\"; send a copy "
                       "and release the message",
                       to->name);
    }
    return finished(msg, to->ops->forward(to, msg, timeout_ns));
}

int shmbus_abort(struct shmbus_msg *msg)
{
    int r = check_msg(msg, "shmbus_abort");

    if (r < 0) {
        return r;
    }
    if (sb_msg_kind(msg) == msg->channel->ops->reserved) {
        return finished(msg, msg->channel->ops->abort(msg->channel, msg));
    }
    if (is_reservation(msg)) {
        return sb_wrong_kind(msg->channel, "shmbus_abort");
    }
    return sb_fail(-SHMBUS_ERR_KIND, "shmbus_abort: a received message is released or requeued");
}
