/* SPDX-License-Identifier: MIT */
/*
 * Channels of a kind whose words the ghost does not know: used by the public calls alone, and kept
 * account of by what these say. Whatever was sent, says a send, is received and acknowledged once;
 * a call that was cut off by a death may have done it or not.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "channel/kind.h"
#include "inspect/kind_look.h"
#include "world.h"

#define LAPS 2u

enum { NO = 0, TRYING, YES, REFUSED };

bool w_is_plain(uint32_t channel)
{
    uint32_t kind = w_plan->channels[channel].kind;

    return kind != SHMBUS_KIND_QUEUE && kind != SHMBUS_KIND_STREAM;
}

static struct w_account *account(uint64_t id)
{
    static struct w_account nobody;

    if (id == 0 || id >= W_MESSAGES) {
        x_fail("message %" PRIu64 " was never sent", id);
        return &nobody;
    }
    return &w_ghost.accounts[id];
}

/* ---------------------------------------------------------------------------------- the calls */

static void sent(uint64_t id, int result)
{
    struct w_account *a = account(id);

    x_note("send %" PRIu64 ": %d", id, result);
    a->sent = result == 0 ? YES : REFUSED;
    if (result != 0 && a->received) {
        x_fail("message %" PRIu64 ": send says no (%d), but it was received", id, result);
    }
    if (result != 0 && result != -EAGAIN && result != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("send fails with %d", result);
    }
}

int w_plain_send(uint32_t process, uint32_t channel, int64_t timeout_ns)
{
    uint64_t id = w_next_id(process);
    int r;

    account(id)->sent = TRYING;
    r = shmbus_send(w_handle(process, channel), &id, sizeof id, timeout_ns);
    x_end_of_call();
    sent(id, r);
    return r;
}

void w_plain_reserve(uint32_t process, uint32_t channel, bool commit)
{
    struct shmbus_msg msg;
    uint64_t id = w_next_id(process);
    int r = shmbus_reserve(w_handle(process, channel), sizeof id, &msg, 0);

    if (r == 0) {
        x_step(msg.data);
        *(uint64_t *)msg.data = id;
        account(id)->sent = commit ? TRYING : REFUSED;
        r = commit ? shmbus_commit(&msg, 0) : shmbus_abort(&msg);
        if (r != 0 && r != -SHMBUS_ERR_SHUTDOWN) {
            x_fail("a reservation cannot be %s (%d)", commit ? "sent" : "dropped", r);
        }
    }
    x_end_of_call();
    if (commit) {
        sent(id, r);
    }
}

/* First deliveries from one sender come to one receiver in its order. */
static void check_order(uint32_t process, uint64_t id, const struct shmbus_msg *msg)
{
    uint32_t sender = (uint32_t)(id - 1u) / W_IDS;
    uint64_t *last = &w_ghost.last[process][sender < W_DRIVER ? sender : W_DRIVER];

    if (msg->delivery_count == 1 && id < *last) {
        x_fail("message %" PRIu64 " comes after %" PRIu64, id, *last);
    }
    *last = msg->delivery_count == 1 ? id : *last;
}

static void received(uint32_t process, const struct shmbus_msg *msg)
{
    uint64_t id = *(const uint64_t *)msg->data;
    struct w_account *a = account(id);

    x_note("received message %" PRIu64 ", delivery %u", id, msg->delivery_count);
    if (msg->size_bytes != sizeof id || a->sent == NO || a->sent == REFUSED) {
        x_fail("message %" PRIu64 " was not sent", id);
    } else if (a->acked == YES) {
        x_fail("message %" PRIu64 " is received again, but was acknowledged", id);
    } else if (a->holder > 0 && w_is_living(w_processes[a->holder - 1u].slot) && a->acked == NO) {
        x_fail("message %" PRIu64 " is taken from process %u, which lives", id, a->holder - 1u);
    }
    check_order(process, id, msg);
    a->received = true;
    a->acked = NO;
    a->holder = process + 1u;
}

int w_plain_recv(uint32_t process, uint32_t channel, int64_t timeout_ns)
{
    struct w_process *p = &w_processes[process];
    struct shmbus_msg msg;
    int r = shmbus_recv(w_handle(process, channel), &msg, timeout_ns);

    x_end_of_call();
    if (r == 0) {
        received(process, &msg);
        p->held[p->held_count++] = msg;
    } else if (r != -EAGAIN && r != -SHMBUS_ERR_SHUTDOWN) {
        x_fail("receive fails with %d", r);
    }
    return r;
}

int w_plain_release(struct shmbus_msg *msg)
{
    struct w_account *a = account(*(const uint64_t *)msg->data);
    int r;

    a->acked = TRYING;
    r = shmbus_release(msg);
    x_end_of_call();
    a->acked = YES;
    if (r != 0) {
        x_fail("release fails with %d", r);
    }
    return r;
}

void w_plain_give_back(struct shmbus_msg *msg, bool undo)
{
    int r;

    account(*(const uint64_t *)msg->data)->holder = 0;
    r = undo ? shmbus_give_back(msg) : shmbus_requeue(msg);
    x_end_of_call();
    if (r != 0) {
        x_fail("requeue fails with %d", r);
    }
}

/* Gives back what it holds; it may go on afterwards. */
void w_plain_close(uint32_t process, uint32_t channel)
{
    struct shmbus_channel *ch = w_handle(process, channel);
    struct w_process *p = &w_processes[process];

    for (uint32_t i = 0; i < p->held_count; i++) {
        account(*(const uint64_t *)p->held[i].data)->holder = 0;
    }
    p->held_count = 0;
    ch->ops->close(ch);
    x_end_of_call();
    memset(sb_channel_part(ch), 0, ch->ops->part_bytes);
}

/* ------------------------------------------------------------------------------------- the end */

bool w_plain_could_go_on(uint32_t channel, const void *address)
{
    const struct sb_channel_view *ch = &w_view.channels[channel];
    struct shmbus_channel_stat stat = {0};

    if (address == &ch->shared->writable) {
        return !sb_kind_row(sb_view_kind(ch))->look->is_full(ch);
    }
    sb_kind_row(sb_view_kind(ch))->look->stat(&w_view, channel, &stat);
    return address == &ch->shared->readable && stat.depth + stat.redeliverable > 0;
}

static void drain(uint32_t channel)
{
    while (!x_failed() && w_plain_recv(W_DRIVER, channel, 0) == 0) {
        struct w_process *p = &w_processes[W_DRIVER];
        w_plain_release(&p->held[--p->held_count]);
    }
}

/* All of its room, as often as that; @alone: nobody has any of it. */
static void laps(uint32_t channel, bool alone)
{
    struct shmbus_channel_stat stat = {0};

    sb_kind_row(sb_view_kind(&w_view.channels[channel]))->look->stat(&w_view, channel, &stat);
    for (uint32_t lap = 0; lap < LAPS && !x_failed(); lap++) {
        uint64_t n = 0;
        while (n <= stat.capacity && w_plain_send(W_DRIVER, channel, 0) == 0) {
            n++;
        }
        if (n > stat.capacity || (alone && n < stat.capacity)) {
            x_fail("channel %u takes %" PRIu64 " messages, not %" PRIu64, channel, n,
                   stat.capacity);
        }
        drain(channel);
    }
}

void w_plain_probe(uint32_t channel)
{
    drain(channel);
    laps(channel, false);
}

void w_plain_finish(uint32_t channel)
{
    drain(channel);
    for (uint64_t id = 1; id < W_MESSAGES && !x_failed(); id++) {
        const struct w_account *a = &w_ghost.accounts[id];
        if (a->sent == YES && a->acked == NO) {
            x_fail("message %" PRIu64 " is lost", id);
        }
    }
    laps(channel, true);
}
