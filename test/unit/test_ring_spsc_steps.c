/* SPDX-License-Identifier: MIT */
/*
 * The stream, stopped before every single access to shared memory: killed there for good, or
 * paused while the other side does all it can. Runs the very source of the library, compiled here
 * once more with a hook in each access.
 */
#define SB_EXPLORE 1
#define sb_explore_step t_stream_step
#define sb_spsc_size_max t_steps_size_max
#define sb_spsc_tx_init t_steps_tx_init
#define sb_spsc_rx_init t_steps_rx_init
#define sb_spsc_reserve t_steps_reserve
#define sb_spsc_commit t_steps_commit
#define sb_spsc_send t_steps_send
#define sb_spsc_send_batch t_steps_send_batch
#define sb_spsc_recv t_steps_recv
#define sb_spsc_recv_batch t_steps_recv_batch
#define sb_spsc_release t_steps_release
#define sb_spsc_release_batch t_steps_release_batch
#define sb_spsc_unrecv t_steps_unrecv
#define sb_spsc_readable t_steps_readable
#define sb_spsc_depth t_steps_depth
#define sb_spsc_peek_init t_steps_look_init
#define sb_spsc_peek t_steps_look
#define sb_spsc_find_tail t_steps_find_tail
#define sb_spsc_seq_before t_steps_seq_before
#include "protocol/ring_spsc.c"
#include "protocol/spsc_records.c"
#include "inspect/spsc_inspect.c"

#include "harness.h"
#include "steps.h"

#define RING_BYTES 256u
#define SIZE_MAX_HERE (RING_BYTES / 2 - 2 * SB_SPSC_WORD)
#define HELD_MAX 16u

/* Everything there is, so that a run can be repeated from a copy. */
static struct world {
    struct sb_channel channel;
    _Alignas(SB_LINE) uint8_t ring[RING_BYTES];
    struct sb_channel_view view;
    struct sb_spsc_tx tx;
    struct sb_spsc_rx rx;
    struct shmbus_msg held[HELD_MAX]; /* in the receiver's hands, oldest first */
    uint32_t held_count;
    uint64_t handed;   /* youngest message that a receiver was given */
    uint64_t released; /* all up to here were acknowledged, and the call returned */
    uint64_t bad;
} now, start;

/* ---------------------------------------------------------------------------------- stopping */

void t_stream_step(const void *address, enum sb_access access)
{
    (void)address;
    (void)access;
    access_step();
}

/* ----------------------------------------------------------------------------------- traffic */

static uint64_t size_for(uint64_t seq)
{
    return seq * 37 % (SIZE_MAX_HERE + 1);
}

static void fill_for(uint8_t *data, uint64_t seq)
{
    for (uint64_t i = 0; i < size_for(seq); i++) {
        data[i] = (uint8_t)(seq * 13 + i);
    }
}

static bool is_sound(const struct shmbus_msg *msg)
{
    const uint8_t *data = msg->data;
    for (uint64_t i = 0; i < msg->size_bytes; i++) {
        if (data[i] != (uint8_t)(msg->sequence * 13 + i)) {
            return false;
        }
    }
    return msg->size_bytes == size_for(msg->sequence) && msg->type == (uint8_t)msg->sequence &&
           msg->time_ns == (now.rx.head_bytes > SB_SPSC_WORD ? msg->sequence : 0);
}

static void op_send(void)
{
    uint8_t data[SIZE_MAX_HERE];
    uint64_t seq = now.tx.seq + 1;
    enum sb_ring_result result;
    fill_for(data, seq);
    result = sb_spsc_send(&now.tx, data, size_for(seq), (uint32_t)seq, seq);
    now.bad += result != SB_RING_OK && result != SB_RING_FULL;
}

static void op_reserve(void)
{
    uint64_t seq = now.tx.seq + 1;
    void *place;
    if (sb_spsc_reserve(&now.tx, SIZE_MAX_HERE, &place) == SB_RING_OK) {
        memset(place, 0xff, SIZE_MAX_HERE); /* looks like headers if anybody should look */
        fill_for(place, seq);
        sb_spsc_commit(&now.tx, size_for(seq), (uint32_t)seq, seq);
    }
}

static void op_abandon(void)
{
    void *place;
    if (sb_spsc_reserve(&now.tx, SIZE_MAX_HERE, &place) == SB_RING_OK) {
        memset(place, 0xff, SIZE_MAX_HERE);
    }
}

/* Its messages have type 0 and no time stamps of their own, so they are checked less. */
static void op_batch(void)
{
    uint8_t data[3][SIZE_MAX_HERE];
    struct iovec items[3];
    for (unsigned i = 0; i < 3; i++) {
        uint64_t seq = now.tx.seq + 1 + i;
        fill_for(data[i], seq);
        items[i] = (struct iovec){data[i], size_for(seq)};
    }
    sb_spsc_send_batch(&now.tx, items, 3, 0);
}

/* Checks a message that was handed out. */
static void take(struct shmbus_msg msg)
{
    if (msg.type == 0) { /* from a batch */
        msg.type = (uint8_t)msg.sequence;
        msg.time_ns = now.rx.head_bytes > SB_SPSC_WORD ? (int64_t)msg.sequence : 0;
    }
    now.bad += !is_sound(&msg);
    now.bad += msg.sequence <= now.handed && msg.delivery_count < 2;
    now.bad += msg.sequence > now.handed + 1 && msg.delivery_count != 1;
    now.handed = msg.sequence > now.handed ? msg.sequence : now.handed;
    now.held[now.held_count++] = msg;
}

static void op_recv(void)
{
    struct shmbus_msg msg;
    enum sb_ring_result result;
    if (now.held_count == HELD_MAX) {
        return;
    }
    result = sb_spsc_recv(&now.rx, NULL, 0, &msg);
    now.bad += result != SB_RING_OK && result != SB_RING_EMPTY;
    if (result == SB_RING_OK) {
        now.bad += msg.sequence != now.rx.seq;
        take(msg);
    }
}

static void op_recv_batch(void)
{
    struct shmbus_msg msgs[HELD_MAX];
    uint64_t seq = now.rx.seq;
    size_t n = sb_spsc_recv_batch(&now.rx, NULL, 0, msgs, HELD_MAX - now.held_count);
    now.bad += now.rx.seq != seq + n;
    for (size_t i = 0; i < n; i++) {
        now.bad += msgs[i].sequence != ++seq;
        take(msgs[i]);
    }
}

static void release_at(uint32_t index)
{
    struct shmbus_msg msg = now.held[index];
    now.held_count--;
    for (uint32_t i = index; i < now.held_count; i++) {
        now.held[i] = now.held[i + 1];
    }
    now.bad += !sb_spsc_release(&now.rx, msg.sequence);
    if (now.held_count == 0) {
        now.released = now.rx.seq;
    } else if (index == 0) {
        now.released = now.held[0].sequence - 1;
    }
}

static void op_release(void)
{
    if (now.held_count > 0) {
        release_at(0);
    }
}

static void op_release_batch(void)
{
    size_t count = now.held_count;
    if (count > 0) {
        now.held_count = 0; /* killed before the store: all come again; after: none does */
        now.bad += sb_spsc_release_batch(&now.rx, now.held, count) != count;
        now.released = now.rx.seq;
    }
}

static void op_release_backwards(void)
{
    while (now.held_count > 0) {
        release_at(now.held_count - 1);
    }
}

static void op_unrecv(void)
{
    struct shmbus_msg msg;
    uint64_t handed = now.handed;
    if (now.held_count < HELD_MAX && sb_spsc_recv(&now.rx, NULL, 0, &msg) == SB_RING_OK) {
        now.handed = msg.sequence > handed ? msg.sequence : handed; /* until it is put back */
        now.bad += !sb_spsc_unrecv(&now.rx, msg.sequence);
        now.handed = handed;
    }
}

static void op_tx_init(void)
{
    uint64_t seq = now.tx.seq;
    now.bad += sb_spsc_tx_init(&now.tx, &now.view) != SB_RING_OK;
    now.bad += now.tx.seq < seq;
}

static void op_rx_init(void)
{
    now.held_count = 0;
    now.bad += sb_spsc_rx_init(&now.rx, &now.view) != SB_RING_OK;
    now.bad += now.rx.seq < now.released;
    now.released = now.rx.seq;
}

static void op_drain(void)
{
    uint64_t seq;
    do {
        seq = now.rx.seq;
        op_recv();
        op_release_backwards();
    } while (now.rx.seq != seq);
}

static void op_flood(void)
{
    uint64_t seq;
    do {
        seq = now.tx.seq;
        op_send();
    } while (now.tx.seq != seq);
}

/* Everything that waits, by an observer; what it is shown must be sound. */
static void op_look(void)
{
    static uint64_t buffer[RING_BYTES / SB_SPSC_WORD];
    struct sb_spsc_peek look;
    struct shmbus_msg msg;
    enum sb_ring_result result;
    uint64_t seq = 0;
    sb_spsc_peek_init(&look, &now.view);
    while ((result = sb_spsc_peek(&look, buffer, &msg)) == SB_RING_OK) {
        now.bad += !is_sound(&msg) || msg.sequence <= seq;
        seq = msg.sequence;
    }
    now.bad += result != SB_RING_EMPTY;
}

static void op_depth(void)
{
    uint64_t depth = sb_spsc_depth(&now.view);
    now.bad += depth > RING_BYTES - SB_SPSC_WORD || depth % SB_SPSC_WORD != 0;
}

/* Two laps: whatever an observer was looking at is overwritten. */
static void op_overwrite(void)
{
    for (unsigned lap = 0; lap < 6; lap++) {
        op_drain();
        op_flood();
    }
}

struct op {
    const char *name;
    void (*run)(void);
    bool by_sender;
};
static const struct op ops[] = {
    {"send", op_send, true},
    {"reserve", op_reserve, true},
    {"abandon", op_abandon, true},
    {"batch", op_batch, true},
    {"tx_init", op_tx_init, true},
    {"recv", op_recv, false},
    {"release", op_release, false},
    {"release_backwards", op_release_backwards, false},
    {"release_batch", op_release_batch, false},
    {"recv_batch", op_recv_batch, false},
    {"unrecv", op_unrecv, false},
    {"rx_init", op_rx_init, false},
    {"drain", op_drain, false},
};
enum { OPS = sizeof ops / sizeof ops[0] };

/* ------------------------------------------------------------------------------------ states */

/* A ring that has come to @position, with @sent messages in it, of which the receiver took and
 * acknowledged some. */
static void make_start(uint64_t position, uint64_t sent, uint64_t taken, uint64_t freed,
                       bool timestamps)
{
    uint64_t before = position * 5; /* an arbitrary history */
    memset(&now, 0, sizeof now);
    memset(now.ring, 0xff, sizeof now.ring);
    now.view.shared = &now.channel;
    now.view.ring = now.ring;
    now.view.ring_bytes = RING_BYTES;
    now.view.flags = timestamps ? SB_CHANNEL_TIMESTAMPS : 0;
    sb_store_relaxed(sb_spsc_word(now.ring, RING_BYTES, position), sb_marker_make(before));
    sb_store_relaxed(&now.channel.acked, position);
    sb_store_relaxed(&now.channel.room, position);
    sb_store_relaxed(&now.channel.tail_hint, position);
    sb_store_relaxed(&now.channel.acked_seq, before);
    sb_store_relaxed(&now.channel.tail_seq, before);
    sb_store_relaxed(&now.channel.attempt, position << 8);
    now.handed = before;
    now.released = before;
    op_tx_init();
    op_rx_init();
    while (sent-- > 0) {
        op_send();
    }
    while (taken-- > 0) {
        op_recv();
    }
    while (freed-- > 0) {
        op_release();
    }
    start = now;
}

/* What every history must end with: all that was committed arrives, once and in order, and then
 * the ring works like a new one. */
static uint64_t finish(uint64_t committed_at_least)
{
    for (unsigned lap = 0; lap < 6; lap++) {
        op_drain();
        now.bad += now.rx.seq != now.tx.seq || now.rx.seq < committed_at_least;
        now.bad += sb_spsc_depth(&now.view) != 0;
        op_flood();
    }
    op_drain();
    return now.bad;
}

static void show(const char *what, const struct op *op, uint64_t at)
{
    printf("%s in %s before access %llu: wrong from position %llu, %llu sent\n", what, op->name,
           (unsigned long long)at, (unsigned long long)start.tx.tail,
           (unsigned long long)start.tx.seq);
}

/* Kills @op before each of its accesses. @both: the other side is replaced as well. */
static uint64_t kill_everywhere(const struct op *op, bool both, uint64_t *runs)
{
    bool ended = false;
    for (uint64_t at = 0; !ended; at++, (*runs)++) {
        now = start;
        ended = run_until(op->run, at, die);
        if (!op->by_sender || both) {
            op_rx_init();
        }
        if (op->by_sender || both) {
            now.tx.seq = start.tx.seq; /* what it was surely up to */
            op_tx_init();
        }
        if (finish(start.tx.seq) != 0) {
            show("killed", op, at);
            return 1;
        }
    }
    return 0;
}

/* Pauses @op before each of its accesses, while the other side does all it can. */
static uint64_t pause_everywhere(const struct op *op, uint64_t *runs)
{
    bool ended = false;
    for (uint64_t at = 0; !ended; at++, (*runs)++) {
        now = start;
        ended = run_until(op->run, at, op->by_sender ? op_drain : op_flood);
        if (finish(start.tx.seq) != 0) {
            show("paused", op, at);
            return 1;
        }
    }
    return 0;
}

/* Pauses an observer before each of its accesses, while both sides go on. */
static uint64_t observe_everywhere(const struct op *op, uint64_t *runs)
{
    static const struct op looking[] = {{"look", op_look, false}, {"depth", op_depth, false}};
    if (op != &ops[0]) {
        return 0; /* once a state */
    }
    for (unsigned i = 0; i < 2; i++) {
        bool ended = false;
        for (uint64_t at = 0; !ended; at++, (*runs)++) {
            now = start;
            ended = run_until(looking[i].run, at, op_overwrite);
            if (now.bad != 0 || finish(start.tx.seq) != 0) {
                show("paused", &looking[i], at);
                return 1;
            }
        }
    }
    return 0;
}

typedef uint64_t (*everywhere_fn)(const struct op *op, uint64_t *runs);

static uint64_t kill_alone(const struct op *op, uint64_t *runs)
{
    return kill_everywhere(op, false, runs);
}

static uint64_t kill_both(const struct op *op, uint64_t *runs)
{
    return kill_everywhere(op, true, runs);
}

static void in_every_state(everywhere_fn everywhere)
{
    uint64_t runs = 0, bad = 0;
    uint64_t stride = t_is_sanitized() ? 5 * SB_SPSC_WORD : SB_SPSC_WORD;
    for (uint64_t position = RING_BYTES; position < 2 * RING_BYTES; position += stride) {
        for (uint64_t sent = 0; sent <= 4; sent++) {
            for (uint64_t taken = 0; taken <= sent; taken++) {
                for (uint64_t freed = 0; freed <= taken; freed++) {
                    make_start(position, sent, taken, freed, (position / SB_SPSC_WORD) % 2 != 0);
                    for (unsigned i = 0; i < OPS; i++) {
                        bad += everywhere(&ops[i], &runs);
                    }
                }
            }
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_TRUE(runs > 5000);
}

T_TEST(ring_spsc_steps, killed_before_any_access_it_loses_and_repeats_nothing)
{
    in_every_state(kill_alone);
}

T_TEST(ring_spsc_steps, killed_anywhere_it_serves_two_successors)
{
    in_every_state(kill_both);
}

T_TEST(ring_spsc_steps, paused_before_any_access_it_holds_nobody_up)
{
    in_every_state(pause_everywhere);
}

T_TEST(ring_spsc_steps, an_observer_paused_before_any_access_is_shown_nothing_torn)
{
    in_every_state(observe_everywhere);
}
