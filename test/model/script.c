/* SPDX-License-Identifier: MIT */
/*
 * What a simulated process does is a line of words, one call each. The digit is the channel.
 *
 *   s0 S0   send, or wait until there is room and a block     b0   send two as a batch
 *   r0 R0   receive, or wait for a message                    a    acknowledge the oldest held
 *   q       give the oldest held back                         u    as if it had never been received
 *   f1 F1   forward the oldest held (F: wait for room)        n0   reserve and commit in place
 *   x0      reserve and abort                                 k    give the stock of blocks back
 *   y       free block 0, held since the beginning
 *   l0      take a lane, wait until there is one            c0   leave it, or close a queue: give
 *                                                                back what is held
 *   p0      open once more for receiving
 *   P3      three rounds of a watcher                      P0   look as a newcomer does
 *   D       wait for a death and recover, again and again     D1   once
 *   J       wait until the slot of the predecessor is free, become its next user
 *   H       hold on until nobody else can go on, the stopped ones included
 *   w v     write, read the region
 *   o i     become sender, receiver of the stream (channel 0) when that end is free
 *   t3 T3   send 8 * 3 bytes to the stream (T: wait)           B    send a batch of three
 *   e E     receive from the stream (E: wait)                 z    acknowledge the newest held
 *   A       release all that are held, as a batch
 *   g       ring the bell: a plain store, then wake        h     wake without any work
 *   W3      sleep until the bell has rung three times
 */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "channel/stream.h"
#include "protocol/event.h"
#include "protocol/reclaim.h"
#include "protocol/stream_end.h"

uint32_t w_next_id(uint32_t process)
{
    struct w_process *p = &w_processes[process];
    uint32_t first = process * W_IDS + 1u; /* the driver is the last and may use all the rest */
    p->sent++;
    if (first + p->sent > W_MESSAGES || (process != W_DRIVER && p->sent > W_IDS)) {
        x_fail("the scenario sends too many messages");
    }
    return first + p->sent - 1u;
}

/* A send that failed sent nothing; one that succeeded sent it. FULL must have been true. */
static void check_sent(uint32_t process, uint32_t id, int result)
{
    bool sent = w_ghost.messages[id].state != W_NEW;
    w_ghost.promised[id] = result == 0;
    if (result == 0 && !sent && !x_is_pending()) {
        x_fail("message %u: send says yes, but nothing was sent", id);
    } else if (result != 0 && sent) {
        x_fail("message %u: send says no (%d), but it was sent", id, result);
    } else if (result == -EAGAIN && !w_processes[process].full_seen) {
        x_fail("full, it says, but at no time it was");
    } else if (result != 0 && result != -EAGAIN && result != -SHMBUS_ERR_NO_BLOCKS &&
               result != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("send fails with %d", result);
    }
}

int w_send(uint32_t process, uint32_t channel, int64_t timeout_ns)
{
    uint64_t id;
    int r;

    if (w_is_plain(channel)) {
        return w_plain_send(process, channel, timeout_ns);
    }
    id = w_next_id(process);
    w_begin(process, W_SEND, channel);
    r = w_has_lanes(channel) ? sb_lanes_send(w_handle(process, channel), SHMBUS_TYPE_DATA, 0, &id,
                                             sizeof id, timeout_ns)
                             : sb_queue_send(w_handle(process, channel), SHMBUS_TYPE_DATA, 0, &id,
                                             sizeof id, timeout_ns);
    x_end_of_call();
    x_note("send %" PRIu64 ": %d", id, r);
    check_sent(process, (uint32_t)id, r);
    w_end(process);
    return r;
}

static int send_two(uint32_t process, uint32_t channel)
{
    uint64_t ids[2] = {w_next_id(process), w_next_id(process)};
    struct iovec items[2] = {{&ids[0], 8}, {&ids[1], 8}};
    int r;

    w_begin(process, W_SEND, channel);
    r = w_has_lanes(channel) ? sb_lanes_send_batch(w_handle(process, channel), items, 2, 0)
                             : sb_queue_send_batch(w_handle(process, channel), items, 2, 0);
    x_end_of_call();
    x_note("send batch: %d", r);
    for (int i = 0; i < 2; i++) {
        bool sent = w_ghost.messages[ids[i]].state != W_NEW;
        w_ghost.promised[ids[i]] = i < r;
        if (sent ? i >= r : i < r && !x_is_pending()) {
            x_fail("a batch says %d were sent", r);
        }
    }
    w_end(process);
    return r;
}

static int reserve(uint32_t process, uint32_t channel, bool commit)
{
    struct shmbus_channel *ch = w_handle(process, channel);
    struct shmbus_msg msg;
    uint32_t id = w_next_id(process);
    int r;

    w_begin(process, W_SEND, channel);
    r = sb_queue_reserve(ch, 8, &msg, 0);
    if (r == 0) {
        x_step(msg.data);
        *(uint64_t *)msg.data = id;
        r = commit ? sb_queue_commit(ch, &msg, 0) : sb_queue_abort(ch, &msg);
        x_end_of_call();
        if (commit) {
            check_sent(process, id, r);
        }
        if (r != 0 && sb_queue_abort(ch, &msg) != 0) {
            x_fail("a reservation that could not be sent cannot be dropped");
        }
    }
    w_end(process);
    return r;
}

/* The same in a lane: there is one reservation at a time, and its commit cannot fail. */
static void reserve_in_lane(uint32_t process, uint32_t channel, bool commit)
{
    struct shmbus_channel *ch = w_handle(process, channel);
    struct shmbus_msg msg;
    uint32_t id = w_next_id(process);
    int r;

    w_begin(process, W_SEND, channel);
    r = sb_lanes_reserve(ch, 8, &msg, 0);
    if (r == 0) {
        x_step(msg.data);
        *(uint64_t *)msg.data = id;
        r = commit ? sb_lanes_commit(ch, &msg) : sb_lanes_abort(ch, &msg);
        x_end_of_call();
        if (r != 0) {
            x_fail("a reservation cannot be %s (%d)", commit ? "sent" : "dropped", r);
        }
    }
    x_note("reserve %u: %d", id, r);
    if (commit) {
        check_sent(process, id, r);
    }
    w_end(process);
}

static void reserve_anywhere(uint32_t process, uint32_t channel, bool commit)
{
    if (w_is_plain(channel)) {
        w_plain_reserve(process, channel, commit);
    } else if (w_has_lanes(channel)) {
        reserve_in_lane(process, channel, commit);
    } else {
        reserve(process, channel, commit);
    }
}

int w_recv(uint32_t process, uint32_t channel, int64_t timeout_ns)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg msg;
    int r;

    if (w_is_plain(channel)) {
        return w_plain_recv(process, channel, timeout_ns);
    }
    w_begin(process, W_RECV, channel);
    r = w_has_lanes(channel) ? sb_lanes_recv(w_handle(process, channel), &msg, 1, timeout_ns)
                             : sb_queue_recv(w_handle(process, channel), &msg, 1, timeout_ns);
    x_end_of_call();
    if (r == 1) {
        x_note("received message %" PRIu64 ", delivery %u", *(uint64_t *)msg.data,
               msg.delivery_count);
        w_check_received(process, &msg);
        p->held[p->held_count++] = msg;
    } else if (r == -EAGAIN && !p->empty_seen) {
        x_fail("empty, it says, but at no time it was");
    } else if (r != -EAGAIN && r != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("receive fails with %d", r);
    }
    w_end(process);
    return r == 1 ? 0 : r;
}

static bool is_in_cell(const struct shmbus_msg *msg)
{
    return sb_msg_kind(msg) == SB_MSG_LANES_RX;
}

static void forget_held(struct w_process *p, uint32_t index)
{
    for (uint32_t i = index; i + 1u < p->held_count; i++) {
        p->held[i] = p->held[i + 1u];
    }
    p->held_count--;
}

int w_release(uint32_t process, uint32_t index)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg *msg = &p->held[index];
    int r;

    if (w_is_plain(msg->channel->index)) {
        r = w_plain_release(msg);
        forget_held(p, index);
        return r;
    }
    w_check_received(process, msg); /* still the same */
    w_begin(process, W_RELEASE, msg->channel->index);
    r = is_in_cell(msg) ? sb_lanes_release(msg->channel, msg) : sb_queue_release(msg->channel, msg);
    x_end_of_call();
    if (r != 0) {
        x_fail("release fails with %d", r);
    }
    w_end(process);
    forget_held(p, index);
    return r;
}

static void give_back(uint32_t process, bool undo)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg *msg = &p->held[0];
    int r;

    if (w_is_plain(msg->channel->index)) {
        w_plain_give_back(msg, undo);
        forget_held(p, 0);
        return;
    }
    w_begin(process, undo ? W_UNDO : W_REQUEUE, msg->channel->index);
    r = is_in_cell(msg) ? sb_lanes_requeue(msg->channel, msg, undo)
                        : sb_queue_requeue(msg->channel, msg, undo);
    x_end_of_call();
    if (r != 0) {
        x_fail("requeue fails with %d", r);
    }
    w_end(process);
    forget_held(p, 0);
}

static void forward(uint32_t process, uint32_t channel, int64_t timeout_ns)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg *msg = &p->held[0];
    int r;

    w_begin(process, W_FORWARD, channel);
    r = sb_queue_commit(w_handle(process, channel), msg, timeout_ns);
    x_end_of_call();
    x_note("forward: %d", r);
    if (r == -EAGAIN && !p->full_seen) {
        x_fail("full, it says, but at no time it was");
    }
    w_end(process);
    if (r == 0) {
        forget_held(p, 0);
    } else {
        w_check_received(process, msg);
    }
}

/* ------------------------------------------------------------------------------------- lanes */

bool w_has_lane(uint32_t process, uint32_t channel)
{
    return w_has_lanes(channel) && (w_handle(process, channel)->mode & SHMBUS_OPEN_SEND) != 0;
}

bool w_take_lane(uint32_t process, uint32_t channel)
{
    struct shmbus_channel *ch = w_handle(process, channel);
    int r;

    ch->mode = SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV;
    r = sb_lanes_open(ch);
    x_end_of_call();
    if (r != 0) {
        ch->mode = SHMBUS_OPEN_RECV;
    }
    if (r != 0 && r != -SHMBUS_ERR_TOO_MANY) {
        x_fail("a lane cannot be taken (%d)", r);
    }
    return r == 0;
}

void w_leave_lane(uint32_t process, uint32_t channel)
{
    struct shmbus_channel *ch = w_handle(process, channel);

    if (w_is_plain(channel)) {
        w_plain_close(process, channel);
        return;
    }
    w_begin(process, W_REQUEUE, channel);
    if (w_has_lanes(channel)) {
        sb_lanes_close(ch);
    } else {
        sb_queue_close(ch);
    }
    w_end(process);
    ch->mode = SHMBUS_OPEN_RECV;
    w_processes[process].held_count = 0;
}

static void wait_for_lane(uint32_t process, uint32_t channel)
{
    while (!w_take_lane(process, channel) && !w_ghost.shut_down) {
        w_wait_for(W_WAIT_END, 0);
    }
}

/* ------------------------------------------------------------------------- recovery, region */

static uint32_t how_many_dead(void)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        n += w_processes[p].dead;
    }
    return n;
}

/* Several in one pass over the blocks, one without having to look for it. */
static void recover_dead(void)
{
    if (how_many_dead() > 1) {
        sb_reclaim_dead(&w_view, NULL);
        x_end_of_call();
        return;
    }
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &w_processes[p];
        if (process->dead) {
            sb_reclaim_slot(&w_view, process->slot, sb_proc_word(process->epoch, SB_PROC_ACTIVE));
            x_end_of_call();
        }
    }
}

static bool anybody_dead(void)
{
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &w_processes[p];
        if (process->dead && w_segment.processes[process->slot].w.v ==
                                 sb_proc_word(process->epoch, SB_PROC_ACTIVE)) {
            return true;
        }
    }
    return false;
}

static void recoverer(bool once)
{
    do {
        while (!anybody_dead()) {
            w_wait_for(W_WAIT_DEATH, 0);
        }
        recover_dead();
    } while (!once);
}

static void join(uint32_t process)
{
    const struct w_process *p = &w_processes[process];
    sb_word *w = &w_segment.processes[p->slot].w;
    uint64_t before = sb_proc_word(p->epoch, SB_PROC_FREE);

    while (sb_load_acquire(w) != before) {
        w_wait_for(W_WAIT_SLOT, p->slot);
    }
    if (!sb_cas(w, before, sb_proc_word(p->epoch, SB_PROC_ACTIVE))) {
        x_fail("a free slot cannot be taken");
    }
}

static void region_write(uint32_t process)
{
    uint64_t value = w_next_id(process) % 64u;
    uint64_t words[W_REGION_WORDS] = {value, value, value};
    int r;

    w_processes[process].region_value = value;
    r = shmbus_region_write(w_region_of(process), 0, words, sizeof words, -1);
    x_end_of_call();
    if (r != 0) {
        x_fail("region: write fails with %d", r);
    }
}

static void region_read(uint32_t process)
{
    uint64_t words[W_REGION_WORDS];
    struct w_process *p = &w_processes[process];
    int r;

    p->region_seen = 1ull << w_ghost.region_now % 64;
    r = shmbus_region_read(w_region_of(process), 0, words, sizeof words, -1);
    x_end_of_call();
    x_note("read %" PRIu64 " %" PRIu64 " %" PRIu64, words[0], words[1], words[2]);
    if (r != 0) {
        x_fail("region: read fails with %d", r);
    } else if (words[0] != words[1] || words[0] != words[2]) {
        x_fail("region: half of a write is seen");
    } else if ((p->region_seen >> words[0] % 64 & 1u) == 0) {
        x_fail("region: value %" PRIu64 " was not there during the read", words[0]);
    }
}

/* -------------------------------------------------------------------------------- streams */

static void take_end(uint32_t process, bool sender)
{
    struct sb_channel *ch = &w_segment.channels[0];
    uint64_t holder = 0;

    while (!sb_end_take(sender ? &ch->sender : &ch->receiver,
                        w_handle(process, 0)->bus->member.owner64, &holder)) {
        w_wait_for(W_WAIT_END, 0);
        if (w_ghost.shut_down) {
            return;
        }
    }
    w_processes[process].op_channel = 0;
    w_open_stream(process, 0, sender);
    if (!sender) {
        w_ghost.stream.receiver_changed = true;
    }
}

static bool has_end(uint32_t process, bool sender)
{
    const struct sb_channel *ch = &w_segment.channels[0];
    return (sender ? &ch->sender : &ch->receiver)->v == w_handle(process, 0)->bus->member.owner64;
}

static void fill_message(uint64_t *words, uint32_t id, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        words[i] = ((uint64_t)id << 32) | (i + 1u);
    }
}

/* What is sent is expected from now on, whenever it is seen. */
static void expect(uint32_t id, uint32_t size_bytes)
{
    struct w_stream *s = &w_ghost.stream;

    if (s->pending_done == s->pending_count) {
        s->pending_done = s->pending_count = 0;
    }
    s->pending[s->pending_count] = id;
    s->pending_size[s->pending_count++] = size_bytes;
}

/* Of the last @of messages only the first @sent were sent, says the call. */
static void expect_only(uint32_t sent, uint32_t of)
{
    struct w_stream *s = &w_ghost.stream;

    s->pending_count -= of - sent;
    if (s->pending_done > s->pending_count) {
        x_fail("stream: %u of %u were sent, it says, but it were %u more", sent, of,
               s->pending_done - s->pending_count);
    } else if (s->pending_done < s->pending_count && !x_is_pending()) {
        x_fail("stream: %u of %u were sent, it says, but it were %u less", sent, of,
               s->pending_count - s->pending_done);
    }
}

static void stream_send(uint32_t process, uint32_t count, int64_t timeout_ns)
{
    uint64_t words[16];
    uint32_t id = w_next_id(process);
    int r;

    if (!has_end(process, true)) {
        return;
    }
    fill_message(words, id, count);
    expect(id, count * 8u);
    w_processes[process].need = count * 8u;
    do {
        r = sb_stream_send(w_handle(process, 0), SHMBUS_TYPE_DATA, 0, words, count * 8u,
                           timeout_ns);
        x_end_of_call();
    } while (r == -SHMBUS_ERR_PEER_DEAD || r == -SHMBUS_ERR_PEER_CLOSED);
    x_note("send %u: %d", id, r);
    expect_only(r == 0, 1);
    if (r != 0 && r != -EAGAIN && r != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("stream: send fails with %d", r);
    }
}

static void stream_batch(uint32_t process)
{
    uint64_t words[3][2];
    struct iovec items[3];
    int r;

    if (!has_end(process, true)) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t id = w_next_id(process);
        fill_message(words[i], id, 2);
        items[i] = (struct iovec){words[i], 16};
        expect(id, 16);
    }
    r = sb_stream_send_batch(w_handle(process, 0), items, 3, 0);
    x_end_of_call();
    x_note("send batch: %d", r);
    expect_only(r < 0 ? 0u : (uint32_t)r, 3);
}

static void stream_recv(uint32_t process, int64_t timeout_ns)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg msg;
    const struct w_stream *s = &w_ghost.stream;
    bool readable_before = s->committed > (s->receiver_changed ? s->released : s->next);
    int r;

    if (!has_end(process, false)) {
        return;
    }
    do {
        r = sb_stream_recv(w_handle(process, 0), &msg, 1, timeout_ns);
        x_end_of_call();
    } while (r == -SHMBUS_ERR_PEER_DEAD || r == -SHMBUS_ERR_PEER_CLOSED);
    if (r == 1) {
        w_stream_received(&msg);
        p->held[p->held_count++] = msg;
    } else if (r == -EAGAIN && readable_before) {
        x_fail("stream: empty, it says, but at no time it was");
    } else if (r != -EAGAIN && r != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("stream: receive fails with %d", r);
    }
}

static void stream_release(uint32_t process, uint32_t index)
{
    struct w_process *p = &w_processes[process];
    int r = sb_stream_release(p->held[index].channel, &p->held[index]);
    x_end_of_call();
    if (r != 0) {
        x_fail("stream: release fails with %d", r);
    }
    forget_held(p, index);
}

static void stream_release_all(uint32_t process)
{
    struct w_process *p = &w_processes[process];
    size_t n = sb_stream_release_batch(p->held[0].channel, p->held, p->held_count);
    x_end_of_call();
    if (n != p->held_count) {
        x_fail("stream: only %zu of %u are released", n, p->held_count);
    }
    p->held_count = 0;
}

/* The driver has both ends: sends one message, or receives and releases one. */
void w_stream_driver(bool send, uint32_t words)
{
    if (send) {
        stream_send(W_DRIVER, words, 0);
        return;
    }
    stream_recv(W_DRIVER, 0);
    if (x_failed()) {
        return;
    }
    if (w_processes[W_DRIVER].held_count == 0) {
        x_fail("lost: the stream hands out no more, but holds messages");
        return;
    }
    stream_release(W_DRIVER, 0);
}

/* Whatever the last writer left, the region reads as before or after its write. */
void w_region_finish(void)
{
    region_read(W_DRIVER);
    if (!x_failed() && w_segment.region.version.v % 2 != 0) {
        x_fail("region: half a write is left");
    }
}

/* ----------------------------------------------------------------------------- the script */

static bool is_stream(void)
{
    return w_plan->channels[0].kind == SHMBUS_KIND_STREAM;
}

static void with_held(uint32_t process, char word, uint32_t n)
{
    struct w_process *p = &w_processes[process];
    if (p->held_count == 0) {
        return; /* it did not receive anything before */
    }
    switch (word) {
    case 'a':
        if (is_stream()) {
            stream_release(process, 0);
        } else {
            w_release(process, 0);
        }
        break;
    case 'z':
        if (is_stream()) {
            stream_release(process, p->held_count - 1u);
        } else {
            w_release(process, p->held_count - 1u);
        }
        break;
    case 'A':
        stream_release_all(process);
        break;
    case 'q':
        give_back(process, false);
        break;
    case 'u':
        give_back(process, true);
        break;
    default:
        forward(process, n, word == 'F' ? -1 : 0);
    }
}

static void stream_word(uint32_t process, char word, uint32_t n)
{
    switch (word) {
    case 'o':
    case 'i':
        take_end(process, word == 'o');
        break;
    case 't':
    case 'T':
        stream_send(process, n, word == 'T' ? -1 : 0);
        break;
    case 'B':
        stream_batch(process);
        break;
    default:
        stream_recv(process, word == 'E' ? -1 : 0);
    }
}

/* Whether the process cannot send as it never got a lane: the bus is shutting down. */
static bool lacks_lane(uint32_t process, char word, uint32_t n)
{
    return strchr("sSbnx", word) != NULL && w_has_lanes(n) && !w_has_lane(process, n);
}

static void wait_for_bell(uint32_t process, uint32_t times)
{
    w_processes[process].need = times;
    while (sb_load_acquire(&w_segment.rung) < times) {
        uint32_t announced = sb_event_announce(&w_segment.bell);
        if (sb_load_acquire(&w_segment.rung) < times) {
            sb_event_sleep(&w_segment.bell, announced, 100000000);
        }
    }
}

static void bell_word(uint32_t process, char word, uint32_t n)
{
    if (word == 'W') {
        wait_for_bell(process, n);
        return;
    }
    if (word == 'g') { /* one actor only */
        sb_store_release(&w_segment.rung, sb_load_relaxed(&w_segment.rung) + 1u);
    }
    sb_event_wake_after_store(&w_segment.bell);
    sb_load32_relaxed(&w_segment.bell.word); /* others go on, the store still not seen by them */
}

static void look_for_the_dead(uint32_t process, char word, uint32_t n)
{
    if (word == 'P' && n == 0) {
        w_newcomer_looks();
    } else if (word == 'P') {
        w_sweep_rounds(process, n);
    } else {
        recoverer(n == 1);
    }
}

static void do_word(uint32_t process, char word, uint32_t n)
{
    if (lacks_lane(process, word, n)) {
        return;
    }
    switch (word) {
    case 'l':
        wait_for_lane(process, n);
        break;
    case 'c':
        w_leave_lane(process, n);
        break;
    case 'p':
        sb_lane_rx_init(&sb_lanes_of(w_handle(process, n))->rx, &w_view, n,
                        w_processes[process].owner);
        break;
    case 's':
    case 'S':
        w_send(process, n, word == 'S' ? -1 : 0);
        break;
    case 'b':
        send_two(process, n);
        break;
    case 'n':
    case 'x':
        reserve_anywhere(process, n, word == 'n');
        break;
    case 'r':
    case 'R':
        w_recv(process, n, word == 'R' ? -1 : 0);
        break;
    case 'k':
        w_begin(process, W_FLUSH, 0);
        w_flush(process, 0);
        w_end(process);
        break;
    case 'y':
        w_begin(process, W_RELEASE, 0);
        if (!sb_block_free(&w_view.blocks, &sb_queue_of(w_handle(process, 0))->stock, 0,
                           w_processes[process].owner)) {
            x_fail("a block that is held cannot be freed");
        }
        w_end(process);
        break;
    case 'P':
    case 'D':
        look_for_the_dead(process, word, n);
        break;
    case 'J':
        join(process);
        break;
    case 'H':
        w_wait_for(W_WAIT_REST, 0);
        break;
    case 'w':
        region_write(process);
        break;
    case 'v':
        region_read(process);
        break;
    case 'g':
    case 'h':
    case 'W':
        bell_word(process, word, n);
        break;
    default:
        stream_word(process, word, n);
    }
}

void w_run_script(uint32_t process, const char *script)
{
    for (const char *at = script; *at != 0; at++) {
        char word = *at;
        uint32_t n = 0;
        if (word == ' ') {
            continue;
        }
        if (at[1] >= '0' && at[1] <= '9') {
            at++;
            n = (uint32_t)(*at - '0');
        }
        x_note("> %c%u", word, n);
        if (strchr("azAqufF", word) != NULL) {
            with_held(process, word, n);
        } else {
            do_word(process, word, n);
        }
    }
}

void w_script_actor(uint32_t actor)
{
    w_run_script(w_plan->actors[actor].process, w_plan->actors[actor].script);
}
