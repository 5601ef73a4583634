/*
 * The public calls that move messages: check, then to the queue or to the stream.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "channel/lanes.h"
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

static bool is_queue(const struct shmbus_channel *ch)
{
    return ch->kind == SB_BLOCKS;
}

SB_COLD static int shutting_down(const struct shmbus_channel *ch)
{
    return sb_fail_quick(-SHMBUS_ERR_SHUTDOWN, ch->name, "the bus is shutting down");
}

static SB_INLINE int check_send(struct shmbus_channel *ch, const char *call)
{
    if (sb_unlikely(!is_usable(ch, SHMBUS_OPEN_SEND))) {
        return why_not(ch, SHMBUS_OPEN_SEND, call);
    }
    if (sb_unlikely(sb_load_relaxed(ch->shutdown) != 0)) {
        return shutting_down(ch);
    }
    sb_channel_tick(ch);
    return 0;
}

static SB_INLINE bool is_in_hand(const struct shmbus_msg *msg)
{
    return msg != NULL && msg->channel != NULL && *msg->channel->cookie == SB_COOKIE &&
           sb_msg_kind(msg) != SB_MSG_NONE &&
           ((msg->opaque_[1] ^ msg->channel->mark) >> 40) == 0;
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

/* A message that came out of a stream must go back to that stream's handle. */
static bool fits_stream(const struct shmbus_msg *msg)
{
    return msg->channel->kind == SB_STREAM && (msg->channel->mode & SHMBUS_OPEN_RECV) != 0;
}

/* Whether messages in cells come out of this handle. */
static bool holds_cells(const struct shmbus_channel *ch)
{
    return ch->kind == SB_LANES || ch->buries_cells;
}

static int wrong_kind(const struct shmbus_msg *msg, const char *call)
{
    return sb_fail(-SHMBUS_ERR_KIND, "%s: not possible with this message on \"%s\"", call,
                   msg->channel->name);
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
    if (is_queue(ch)) {
        return sb_queue_send(ch, type, correlation_id, data, size_bytes, timeout_ns);
    }
    if (ch->kind == SB_LANES) {
        return sb_lanes_send(ch, type, correlation_id, data, size_bytes, timeout_ns);
    }
    if (sb_unlikely(correlation_id != 0)) {
        return no_correlation(ch);
    }
    return sb_stream_ch_send(ch, type, data, size_bytes, timeout_ns);
}

int shmbus_send_typed(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                      const void *data, size_t size_bytes, int64_t timeout_ns)
{
    return send_message(ch, type, correlation_id, data, size_bytes, timeout_ns);
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
    case SB_BLOCKS:
        return sb_queue_send_batch(ch, items, count, timeout_ns);
    case SB_LANES:
        return sb_lanes_send_batch(ch, items, count, timeout_ns);
    default:
        return sb_stream_ch_send_batch(ch, items, count, timeout_ns);
    }
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
    case SB_BLOCKS:
        return sb_queue_recv(ch, ret_msgs, max, timeout_ns);
    case SB_LANES:
        return sb_lanes_recv(ch, ret_msgs, max, timeout_ns);
    default:
        return sb_stream_ch_recv(ch, ret_msgs, max, timeout_ns);
    }
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

    switch (sb_msg_kind(msg)) {
    case SB_MSG_QUEUE_RX:
        sb_queue_requeue(ch, msg, true);
        break;
    case SB_MSG_LANE_RX:
        sb_lanes_requeue(ch, msg, true);
        break;
    default:
        sb_stream_ch_unrecv(ch, msg);
    }
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

int shmbus_release(struct shmbus_msg *msg)
{
    int r = check_msg(msg, "shmbus_release");

    if (r < 0) {
        return r;
    }
    switch (sb_msg_kind(msg)) {
    case SB_MSG_QUEUE_RX:
        return is_queue(msg->channel) ? finished(msg, sb_queue_release(msg->channel, msg))
                                      : wrong_kind(msg, "shmbus_release");
    case SB_MSG_LANE_RX:
        return holds_cells(msg->channel) ? finished(msg, sb_lanes_release(msg->channel, msg))
                                         : wrong_kind(msg, "shmbus_release");
    case SB_MSG_STREAM_RX:
        return fits_stream(msg) ? finished(msg, sb_stream_ch_release(msg->channel, msg))
                                : wrong_kind(msg, "shmbus_release");
    default:
        return sb_fail(-SHMBUS_ERR_KIND, "shmbus_release: a reservation is committed or aborted");
    }
}

/* How many of the messages, from the first on, one handle of a stream handed out. */
static size_t stream_run(const struct shmbus_msg *msgs, size_t count)
{
    size_t n = 0;

    while (n < count && is_in_hand(&msgs[n]) && sb_msg_kind(&msgs[n]) == SB_MSG_STREAM_RX &&
           msgs[n].channel == msgs[0].channel && fits_stream(&msgs[n])) {
        n++;
    }
    return n;
}

/* As many as go together; returns how many are done. */
static size_t release_run(struct shmbus_msg *msgs, size_t count)
{
    size_t n = stream_run(msgs, count);

    n = n > 1 ? sb_stream_ch_release_batch(msgs[0].channel, msgs, n) : 0;
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
    int r = check_msg(msg, "shmbus_requeue");

    if (r < 0) {
        return r;
    }
    if (sb_msg_kind(msg) == SB_MSG_LANE_RX && holds_cells(msg->channel)) {
        return finished(msg, sb_lanes_requeue(msg->channel, msg, false));
    }
    if (sb_msg_kind(msg) != SB_MSG_QUEUE_RX || !is_queue(msg->channel)) {
        return wrong_kind(msg, "shmbus_requeue");
    }
    return finished(msg, sb_queue_requeue(msg->channel, msg, false));
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
    switch (ch->kind) {
    case SB_BLOCKS:
        return sb_queue_reserve(ch, size_bytes, ret_msg, timeout_ns);
    case SB_LANES:
        return sb_lanes_reserve(ch, size_bytes, ret_msg, timeout_ns);
    default:
        return sb_stream_ch_reserve(ch, size_bytes, ret_msg, timeout_ns);
    }
}

static int commit(struct shmbus_msg *msg, int64_t timeout_ns)
{
    struct shmbus_channel *ch = msg->channel;

    if (!is_usable(ch, SHMBUS_OPEN_SEND)) {
        return why_not(ch, SHMBUS_OPEN_SEND, "shmbus_commit");
    }
    if (sb_load_relaxed(ch->shutdown) != 0) {
        return shutting_down(ch);
    }
    sb_channel_tick(ch);
    if (sb_msg_kind(msg) == SB_MSG_STREAM_TX && ch->kind == SB_STREAM) {
        return finished(msg, sb_stream_ch_commit(ch, msg));
    }
    if (sb_msg_kind(msg) == SB_MSG_LANE_TX && ch->kind == SB_LANES) {
        return finished(msg, sb_lanes_commit(ch, msg));
    }
    if (!is_queue(ch) ||
        (sb_msg_kind(msg) != SB_MSG_QUEUE_TX && sb_msg_kind(msg) != SB_MSG_QUEUE_RX)) {
        return sb_fail(-SHMBUS_ERR_KIND,
                       "shmbus_commit: only queues with total order forward, and only to such; "
                       "send a copy and release the message");
    }
    return finished(msg, sb_queue_commit(ch, msg, timeout_ns));
}

int shmbus_commit(struct shmbus_msg *msg)
{
    int r = check_msg(msg, "shmbus_commit");
    int64_t timeout_ns = 0;

    if (r < 0) {
        return r;
    }
    if (sb_msg_kind(msg) == SB_MSG_QUEUE_TX) {
        timeout_ns = (int64_t)msg->opaque_[2];
    }
    return commit(msg, timeout_ns);
}

int shmbus_forward(struct shmbus_msg *msg, struct shmbus_channel *to, int64_t timeout_ns)
{
    int r = check_msg(msg, "shmbus_forward");
    struct shmbus_channel *from;

    if (r < 0) {
        return r;
    }
    if (to == NULL || sb_msg_kind(msg) != SB_MSG_QUEUE_RX) {
        return sb_fail(-EINVAL, "shmbus_forward: needs a message received from a queue with total "
                                "order, and such a queue");
    }
    if (to->bus != msg->channel->bus) {
        return sb_fail(-EXDEV, "shmbus_forward: the queue is on another bus; send a copy");
    }
    from = msg->channel;
    msg->channel = to;
    r = commit(msg, timeout_ns);
    if (r < 0) {
        msg->channel = from;
    }
    return r;
}

int shmbus_abort(struct shmbus_msg *msg)
{
    int r = check_msg(msg, "shmbus_abort");

    if (r < 0) {
        return r;
    }
    switch (sb_msg_kind(msg)) {
    case SB_MSG_QUEUE_TX:
        return is_queue(msg->channel) ? finished(msg, sb_queue_abort(msg->channel, msg))
                                      : wrong_kind(msg, "shmbus_abort");
    case SB_MSG_STREAM_TX:
        return msg->channel->kind == SB_STREAM
                   ? finished(msg, sb_stream_ch_abort(msg->channel, msg))
                   : wrong_kind(msg, "shmbus_abort");
    case SB_MSG_LANE_TX:
        return msg->channel->kind == SB_LANES
                   ? finished(msg, sb_lanes_abort(msg->channel, msg))
                   : wrong_kind(msg, "shmbus_abort");
    default:
        return sb_fail(-SHMBUS_ERR_KIND,
                       "shmbus_abort: a received message is released or requeued");
    }
}
