/* SPDX-License-Identifier: MIT */
#include "channel/lanes.h"

#include <errno.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "channel/outcome.h"
#include "channel/wait.h"
#include "protocol/event.h"
#include "protocol/lane_redelivery.h"

#define LIMIT "its `message_bytes` are"

/* ----------------------------------------------------------------------------------- the handle */

static int take_lane(struct shmbus_channel *ch)
{
    switch (sb_lane_open(&sb_lanes_of(ch)->lane, ch->view, ch->bus->member.owner64)) {
    case SB_RING_OK:
        return 0;
    case SB_RING_FULL:
        return sb_fail(-SHMBUS_ERR_TOO_MANY,
                       "queue \"%s\": %u producers have it open already; create the bus with more "
                       "(`producers`)",
                       ch->name, ch->view->lane_count);
    default:
        return sb_fail(
            -SHMBUS_ERR_CORRUPT,
            "queue \"%s\": its cells are impossible; stop its users and create the bus again",
            ch->name);
    }
}

int sb_lanes_open(struct shmbus_channel *ch)
{
    int r = 0;

    if ((ch->mode & SHMBUS_OPEN_SEND) != 0) {
        r = take_lane(ch);
        if (r == -SHMBUS_ERR_TOO_MANY) { /* perhaps one has died */
            sb_bus_sweep(ch->bus);       /* unless somebody else was faster */
            r = take_lane(ch);
        }
        sb_lanes_of(ch)->lane.depth_mark = &ch->row->depth_max;
        sb_lanes_of(ch)->lane.depth_max = sb_load_relaxed(&ch->row->depth_max);
    }
    sb_lanes_of(ch)->full_pauses = SB_BACKOFF_FULL_PAUSES;
    sb_lane_rx_init(&sb_lanes_of(ch)->rx, &ch->bus->view, ch->index, ch->owner);
    return r;
}

void sb_lanes_close(struct shmbus_channel *ch)
{
    sb_lanes_give_back(ch);
    if ((ch->mode & SHMBUS_OPEN_SEND) != 0) {
        sb_lane_close(&sb_lanes_of(ch)->lane, ch->bus->member.owner64);
    }
}

/* ------------------------------------------------------------------------------------- sending */

/* The lane stayed full: says of what, as it need not be of messages that wait. */
SB_COLD static int no_room(struct shmbus_channel *ch)
{
    uint32_t lane = (uint32_t)(sb_lanes_of(ch)->lane.lane - ch->view->lanes);

    if (sb_census_is_due(ch)) {
        sb_census_of_lane(&ch->bus->view, ch->index, lane, ch->census);
    }
    return sb_fail(-ETIMEDOUT,
                   "queue \"%s\": no room within the timeout, of the cells of this lane %s",
                   ch->name, ch->census);
}

/* Counts a send that did not happen and says why. */
SB_NOINLINE static int refused(struct shmbus_channel *ch, int result)
{
    if (result == -ETIMEDOUT) {
        sb_count(ch, SHMBUS_COUNT_send_timeouts, 1);
        return no_room(ch);
    }
    return sb_refused(ch, result, "queue is full");
}

/* A full lane whose dead letters may be dropped for newer ones gives them up for messages, too: its
 * producer never stands still for what nobody reads. */
SB_NOINLINE static struct sb_cell *place_of_letter(struct shmbus_channel *ch)
{
    uint32_t to = ch->view->dead_letter;
    const struct sb_channel_view *channels = ch->bus->view.channels;

    if (to >= ch->bus->view.channel_count || channels[to].on_full != SHMBUS_FULL_DROP_OLDEST ||
        !sb_lane_drop_letter(&sb_lanes_of(ch)->lane)) {
        return NULL;
    }
    sb_fetch_add(&channels[to].shared->letters_dropped, 1);
    return sb_lane_place(&sb_lanes_of(ch)->lane);
}

static int attempt_place(struct shmbus_channel *ch, void *job)
{
    struct sb_cell **ret_cell = job;
    struct sb_lane_tx *lane = &sb_lanes_of(ch)->lane;

    *ret_cell = sb_lane_place(lane);
    if (*ret_cell == NULL) {
        *ret_cell = place_of_letter(ch);
    }
    if (*ret_cell == NULL && ch->view->on_full == SHMBUS_FULL_DROP_OLDEST) {
        if (sb_lane_drop_oldest(lane)) {
            sb_count(ch, SHMBUS_COUNT_dropped, 1);
        }
        *ret_cell = sb_lane_place(lane); /* also when the oldest has just been taken */
    }
    return *ret_cell != NULL ? 0 : -EAGAIN;
}

/* See backoff.h: the next place of a full lane is the cell that the receivers are at. */
static void back_off_when_full(struct shmbus_channel *ch)
{
    uint64_t ahead = sb_backoff_messages(sb_lanes_of(ch)->lane.mask + 1u, SB_BACKOFF_FULL_MESSAGES);
    uint32_t n = 0;

    while (n < sb_lanes_of(ch)->full_pauses && !sb_lane_is_read(&sb_lanes_of(ch)->lane, ahead)) {
        n += sb_backoff_pause();
    }
    sb_lanes_of(ch)->full_pauses = sb_lane_is_read(&sb_lanes_of(ch)->lane, 0)
                                       ? SB_BACKOFF_FULL_PAUSES
                                       : sb_lanes_of(ch)->full_pauses / 2;
}

/* There was no place at the first look. */
SB_NOINLINE static int reserve_cell_slow(struct shmbus_channel *ch, int64_t timeout_ns,
                                         struct sb_cell **ret_cell)
{
    int r;

    if (timeout_ns == 0 && ch->view->on_full != SHMBUS_FULL_DROP_OLDEST) {
        back_off_when_full(ch);
    }
    r = attempt_place(ch, ret_cell);
    if (r == -EAGAIN && timeout_ns != 0 && ch->view->on_full != SHMBUS_FULL_REJECT) {
        r = sb_wait(ch, &ch->shared->writable, timeout_ns, attempt_place, ret_cell);
    }
    return r;
}

/* P0 with the policy of a full queue. */
static SB_INLINE int reserve_cell(struct shmbus_channel *ch, int64_t timeout_ns,
                                  struct sb_cell **ret_cell)
{
    *ret_cell = sb_lane_place(&sb_lanes_of(ch)->lane);
    return sb_likely(*ret_cell != NULL) ? 0 : reserve_cell_slow(ch, timeout_ns, ret_cell);
}

/* The header of a cell that is ours, and the message is sent. */
static SB_INLINE void publish(struct shmbus_channel *ch, struct sb_cell *cell, unsigned type,
                              uint64_t correlation_id, size_t size_bytes)
{
    sb_store_relaxed(&cell->meta, sb_meta_make((uint32_t)size_bytes, ch->slot, type));
    sb_store_relaxed(&cell->stamp_ns, ch->timestamps ? (uint64_t)sb_now_ns() : 0);
    sb_store_relaxed(&cell->correlation_id, correlation_id);
    sb_store_relaxed(&cell->holder, 0);
    sb_lane_publish(&sb_lanes_of(ch)->lane, cell);
    sb_count(ch, SHMBUS_COUNT_sent, 1);
    sb_count(ch, SHMBUS_COUNT_sent_bytes, size_bytes);
}

/* Someone may be waiting for what has just been published. */
static SB_INLINE void announce(struct shmbus_channel *ch)
{
    if (sb_event_wake_after_store(&ch->shared->readable)) {
        sb_count(ch, SHMBUS_COUNT_wakes, 1);
    }
}

SB_FLAT int sb_lanes_send(struct shmbus_channel *ch, unsigned type, uint64_t correlation_id,
                          const void *data, size_t size_bytes, int64_t timeout_ns)
{
    struct sb_cell *cell;
    int r;

    if (sb_unlikely(size_bytes > ch->size_max)) {
        return sb_too_large(ch, size_bytes, LIMIT);
    }
    sb_lanes_of(ch)->reservation = 0; /* it would have been this place */
    r = reserve_cell(ch, timeout_ns, &cell);
    if (sb_unlikely(r < 0)) {
        return refused(ch, r);
    }
    sb_copy(sb_cell_payload(cell), data, size_bytes);
    publish(ch, cell, type, correlation_id, size_bytes);
    announce(ch);
    return 0;
}

SB_FLAT int sb_lanes_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count,
                                int64_t timeout_ns)
{
    struct sb_cell *cell;
    size_t sent = 0;
    int r = 0;

    sb_lanes_of(ch)->reservation = 0;
    for (; sent < count; sent++) {
        size_t size_bytes = items[sent].iov_len;
        if (sb_unlikely(size_bytes > ch->size_max)) {
            r = -EMSGSIZE;
            break;
        }
        r = reserve_cell(ch, sent == 0 ? timeout_ns : 0, &cell);
        if (sb_unlikely(r < 0)) {
            break;
        }
        sb_copy(sb_cell_payload(cell), items[sent].iov_base, size_bytes);
        publish(ch, cell, SHMBUS_TYPE_DATA, 0, size_bytes);
    }
    if (sb_unlikely(sent == 0)) {
        return r == -EMSGSIZE ? sb_too_large(ch, items[0].iov_len, LIMIT) : refused(ch, r);
    }
    announce(ch);
    return (int)sent;
}

/* A reservation is private until it is committed: the cell is free all the while, as nobody else
 * writes into this lane. */
SB_FLAT int sb_lanes_reserve(struct shmbus_channel *ch, size_t size_bytes,
                             struct shmbus_msg *ret_msg, int64_t timeout_ns)
{
    struct sb_cell *cell;
    int r;

    if (sb_unlikely(size_bytes > ch->size_max)) {
        return sb_too_large(ch, size_bytes, LIMIT);
    }
    sb_lanes_of(ch)->reservation = 0;
    r = reserve_cell(ch, timeout_ns, &cell);
    if (sb_unlikely(r < 0)) {
        return refused(ch, r);
    }
    sb_lanes_of(ch)->reservation = ++sb_lanes_of(ch)->reservations;
    *ret_msg = (struct shmbus_msg){
        .data = sb_cell_payload(cell),
        .size_bytes = size_bytes,
        .channel = ch,
        .sender = (uint16_t)ch->slot,
        .opaque_ = {sb_lanes_of(ch)->reservation, sb_msg_tag(ch, SB_MSG_LANES_TX, 0), size_bytes},
    };
    return 0;
}

static SB_INLINE bool is_reserved(const struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_lanes_of(ch)->reservation != 0 && msg->opaque_[0] == sb_lanes_of(ch)->reservation;
}

SB_FLAT int sb_lanes_commit(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (sb_unlikely(!is_reserved(ch, msg))) {
        return sb_stale(ch);
    }
    if (sb_unlikely(msg->size_bytes > msg->opaque_[2])) {
        return sb_over_reserved(ch, msg->size_bytes, msg->opaque_[2]);
    }
    sb_lanes_of(ch)->reservation = 0;
    publish(ch, sb_lane_reserved(&sb_lanes_of(ch)->lane), msg->type, msg->correlation_id,
            msg->size_bytes);
    announce(ch);
    return 0;
}

int sb_lanes_abort(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    if (!is_reserved(ch, msg)) {
        return sb_stale(ch);
    }
    sb_lanes_of(ch)->reservation = 0;
    return 0;
}

/* ----------------------------------------------------------------------------------- receiving */

SB_NOINLINE static void delivered_again(struct shmbus_channel *ch, const struct sb_lane_msg *from,
                                        struct shmbus_msg *msg)
{
    if (from->channel == ch->index) {
        sb_store_relaxed(&from->cell->holder,
                         sb_lane_holder(&sb_lanes_of(ch)->rx, ch->holder)); /* Y1 */
    }
    msg->delivery_count -= from->channel != ch->index; /* to be set aside is no delivery */
    sb_count(ch, SHMBUS_COUNT_redelivered, msg->delivery_count > 1);
}

static SB_INLINE void hand_out(struct shmbus_channel *ch, const struct sb_lane_msg *from,
                               struct shmbus_msg *msg)
{
    const struct sb_channel_view *origin = &ch->bus->view.channels[from->channel];
    struct sb_cell *cell = from->cell;
    uint64_t meta = sb_load_relaxed(&cell->meta); /* once: another process may write nonsense */
    uint64_t size = sb_meta_size(meta);
    uint64_t room = origin->cell_bytes - sizeof *cell;

    sb_store_relaxed(&cell->holder, ch->holder);
    ch->in_cells++;
    msg->data = sb_cell_payload(cell);
    msg->size_bytes = size <= room ? size : room;
    msg->channel = ch;
    msg->sequence = from->ticket + 1u;
    msg->time_ns = (int64_t)sb_load_relaxed(&cell->stamp_ns);
    msg->correlation_id = sb_load_relaxed(&cell->correlation_id);
    msg->delivery_count = sb_hdr_deliveries(from->hdr);
    msg->sender = sb_meta_sender(meta);
    msg->type = sb_meta_type(meta);
    sb_msg_no_more(msg);
    msg->opaque_[0] = from->hdr;
    msg->opaque_[1] = sb_msg_tag(ch, SB_MSG_LANES_RX, from->number);
    msg->opaque_[2] = from->channel;
    sb_count(ch, SHMBUS_COUNT_received, 1);
    sb_count(ch, SHMBUS_COUNT_received_bytes, msg->size_bytes);
    if (sb_unlikely(msg->delivery_count > 1)) {
        delivered_again(ch, from, msg);
    }
}

struct incoming {
    struct shmbus_msg *msgs;
    size_t max;
    int got;
};

/* As many as there are, up to @max. What is delivered again comes alone: see queue.c. */
static SB_INLINE int take_messages(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs,
                                   size_t max)
{
    size_t got = 0;

    while (got < max && sb_lane_take(&sb_lanes_of(ch)->rx, &sb_lanes_of(ch)->taken) == SB_RING_OK) {
        hand_out(ch, &sb_lanes_of(ch)->taken, &ret_msgs[got++]);
        if (sb_unlikely(sb_hdr_deliveries(sb_lanes_of(ch)->taken.hdr) > 1)) {
            break;
        }
    }
    return (int)got;
}

static int attempt_take(struct shmbus_channel *ch, void *job)
{
    struct incoming *in = job;

    in->got = take_messages(ch, in->msgs, in->max);
    return in->got > 0 ? 0 : -EAGAIN;
}

/* See backoff.h: a receiver that is as fast as the sender is always at the cell that is being
 * filled. So after messages without an end it lets some gather; who polls for single ones never
 * waits. */
static void back_off_when_empty(struct shmbus_channel *ch)
{
    uint64_t ahead = sb_backoff_messages(sb_lanes_of(ch)->rx.mask + 1u, SB_BACKOFF_EMPTY_MESSAGES);
    uint32_t n = 0;

    if (sb_lanes_of(ch)->rx.full_turns > 0) {
        sb_lanes_of(ch)->rx.full_turns = 0;
        sb_lanes_of(ch)->empty_pauses = SB_BACKOFF_EMPTY_PAUSES;
    }
    while (n < sb_lanes_of(ch)->empty_pauses &&
           !sb_lane_is_published(&sb_lanes_of(ch)->rx, ahead)) {
        n += sb_backoff_pause();
    }
    sb_lanes_of(ch)->empty_pauses = n < sb_lanes_of(ch)->empty_pauses
                                        ? SB_BACKOFF_EMPTY_PAUSES
                                        : sb_lanes_of(ch)->empty_pauses / 2;
}

/* There was none at the first look. */
SB_NOINLINE static int recv_slow(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                                 int64_t timeout_ns)
{
    struct incoming in = {ret_msgs, max, 0};
    int r = -EAGAIN;

    if (timeout_ns == 0) {
        back_off_when_empty(ch);
        r = attempt_take(ch, &in);
    } else {
        r = sb_wait(ch, &ch->shared->readable, timeout_ns, attempt_take, &in);
    }
    return r < 0 ? sb_nothing(ch, r, "queue is empty") : in.got;
}

SB_FLAT int sb_lanes_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                          int64_t timeout_ns)
{
    int got = take_messages(ch, ret_msgs, max);

    return sb_likely(got > 0) ? got : recv_slow(ch, ret_msgs, max, timeout_ns);
}

int sb_lanes_recv_dead_letter(struct shmbus_channel *ch, struct sb_lane_scan *scan,
                              struct shmbus_msg *ret_msg)
{
    struct sb_lane_msg from;
    uint64_t seq = sb_load_acquire(&ch->shared->orphan_seq);

    if (seq == scan->seen || !sb_lane_scan_recv(scan, seq, &from)) {
        return -EAGAIN;
    }
    hand_out(ch, &from, ret_msg);
    return 0;
}

/* The cell of a received message that is still the caller's. */
static SB_INLINE struct sb_cell *cell_of(const struct shmbus_channel *ch,
                                         const struct shmbus_msg *msg)
{
    return sb_lane_held(&ch->bus->view, (uint32_t)msg->opaque_[2], sb_msg_number(msg),
                        msg->opaque_[0], ch->owner);
}

SB_FLAT int sb_lanes_release(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    struct sb_cell *cell = cell_of(ch, msg);

    if (sb_unlikely(cell == NULL)) {
        return sb_stale(ch);
    }
    sb_lane_release(cell, msg->opaque_[0]);
    ch->in_cells--;
    sb_count(ch, SHMBUS_COUNT_acknowledged, 1);
    sb_event_wake_after_store(&ch->bus->view.channels[msg->opaque_[2]].shared->writable);
    return 0;
}

int sb_lanes_requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg, bool undo)
{
    const struct sb_view *view = &ch->bus->view;
    struct sb_cell *cell = cell_of(ch, msg);
    uint32_t where;

    if (cell == NULL) {
        return sb_stale(ch);
    }
    where =
        sb_lane_requeue(view, (uint32_t)msg->opaque_[2], cell, msg->opaque_[0], undo, ch->index);
    ch->in_cells--;
    sb_event_wake(&view->channels[where].shared->readable);
    sb_event_wake(&view->channels[msg->opaque_[2]].shared->writable); /* it may give way */
    sb_count_given_back(ch, msg, undo);
    return 0;
}

static void look_at_held(struct shmbus_channel *ch, const struct sb_channel_view *origin,
                         struct sb_returned *list)
{
    uint64_t end = sb_cells_used(origin);

    sb_returned_clear(list);
    for (uint64_t i = 0; i < end; i++) {
        struct sb_cell *cell = sb_cell_at(origin, i);
        uint64_t w = sb_load_acquire(&cell->w);
        if (sb_hdr_state(w) == SB_BLOCK_RECEIVED && sb_hdr_owner(w) == ch->owner &&
            sb_holder_of(sb_load_relaxed(&cell->holder)) == ch->holder) {
            struct sb_returned_item item = {i >> origin->depth_shift, sb_cell_ticket(origin, i, w),
                                            w, (uint32_t)i};
            sb_returned_add(list, &item);
        }
    }
}

/* The older ones first. */
static void give_back_in(struct shmbus_channel *ch, uint32_t channel)
{
    const struct sb_view *view = &ch->bus->view;
    const struct sb_channel_view *origin = &view->channels[channel];
    uint64_t passes_left = sb_cells_used(origin) / SB_RETURNED_MAX + 1u;
    struct sb_returned list;

    do {
        const struct sb_returned_item *item;
        look_at_held(ch, origin, &list);
        for (; (item = sb_returned_next(&list)) != NULL; list.at++) {
            uint32_t where = sb_lane_requeue(view, channel, sb_cell_at(origin, item->number),
                                             item->word, ch->gives_back, ch->index);
            sb_event_wake(&view->channels[where].shared->readable);
            sb_event_wake(&origin->shared->writable);
        }
    } while (list.more && passes_left-- > 0);
}

void sb_lanes_give_back(struct shmbus_channel *ch)
{
    for (uint32_t c = 0; ch->in_cells > 0 && c < ch->bus->view.channel_count; c++) {
        give_back_in(ch, c);
    }
    ch->in_cells = 0;
}

/* ----------------------------------------------------------------------------------- the kind */

static size_t size_max(const struct shmbus_channel *ch)
{
    return (size_t)ch->view->cell_bytes - sizeof(struct sb_cell);
}

/* The room is there since it was reserved. */
static int commit_reserved(struct shmbus_channel *ch, struct shmbus_msg *msg, int64_t timeout_ns)
{
    (void)timeout_ns;
    return sb_lanes_commit(ch, msg);
}

static int requeue(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_lanes_requeue(ch, msg, false);
}

static int unreceive(struct shmbus_channel *ch, const struct shmbus_msg *msg)
{
    return sb_lanes_requeue(ch, msg, true);
}

static void stand(const struct shmbus_channel *ch, void *ret_at)
{
    *(struct sb_lane_rx *)ret_at = sb_lanes_of(ch)->rx;
}

static bool has_news(const struct shmbus_channel *ch, void *at)
{
    (void)ch;
    return sb_lane_readable(at);
}

const struct sb_kind sb_kind_lanes = {
    .id = SB_KIND_LANES,
    .noun = "queue",
    .reserved = SB_MSG_LANES_TX,
    .received = SB_MSG_LANES_RX,
    .part_bytes = sizeof(struct sb_lanes),
    .standpoint_bytes = sizeof(struct sb_lane_rx),
    .open = sb_lanes_open,
    .close = sb_lanes_close,
    .size_max = size_max,
    .reserve = sb_lanes_reserve,
    .commit = commit_reserved,
    .abort = sb_lanes_abort,
    .release = sb_lanes_release,
    .requeue = requeue,
    .unreceive = unreceive,
    .stand = stand,
    .has_news = has_news,
};
