/* SPDX-License-Identifier: MIT */
/*
 * The stream: contents, room to the byte, take-over by a successor, damage, and two processes that
 * are killed at random. test_ring_spsc_steps.c stops it at every single access.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "inspect/spsc_inspect.h"
#include "protocol/ring_spsc.h"
#include "protocol/spsc_records.h"

#define PAGE 4096u

/* A channel and its ring, each ending right in front of an inaccessible page. */
struct rig {
    struct sb_channel_view view;
    struct sb_spsc_tx tx;
    struct sb_spsc_rx rx;
};

static uint8_t *guarded(size_t bytes)
{
    size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
    uint8_t *base = mmap(NULL, whole + 2 * PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_PTR_NOT_EQUAL_FATAL(base, MAP_FAILED);
    CU_ASSERT_EQUAL_FATAL(mprotect(base + PAGE, whole, PROT_READ | PROT_WRITE), 0);
    return base + PAGE + whole - bytes;
}

/* From here on any store to the page of @at is a crash. */
static void read_only(void *at)
{
    uint8_t *page = (uint8_t *)at - (uintptr_t)at % PAGE;
    CU_ASSERT_EQUAL_FATAL(mprotect(page, PAGE, PROT_READ), 0);
}

static void rig_make(struct rig *rig, uint64_t bytes, bool timestamps)
{
    memset(rig, 0, sizeof *rig);
    rig->view.shared = (struct sb_channel *)(void *)guarded(sizeof(struct sb_channel));
    rig->view.ring = guarded(bytes);
    rig->view.ring_bytes = bytes;
    rig->view.kind = SHMBUS_KIND_STREAM;
    rig->view.flags = timestamps ? SB_CHANNEL_TIMESTAMPS : 0;
}

/* An empty ring that has come to @position by @seq messages. */
static void rig_set(struct rig *rig, uint64_t position, uint64_t seq)
{
    struct sb_channel *ch = rig->view.shared;
    memset(rig->view.ring, 0xa5, rig->view.ring_bytes); /* old bytes that look like a header */
    sb_store_relaxed((sb_word *)(void *)(rig->view.ring + (position & (rig->view.ring_bytes - 1))),
                     seq << 8);
    sb_store_relaxed(&ch->acked, position);
    sb_store_relaxed(&ch->acked_seq, seq);
    sb_store_relaxed(&ch->room, position);
    sb_store_relaxed(&ch->tail_hint, position);
    sb_store_relaxed(&ch->tail_seq, seq);
    sb_store_relaxed(&ch->attempt, position << 8);
}

static void rig_open(struct rig *rig)
{
    CU_ASSERT_EQUAL_FATAL(sb_spsc_tx_init(&rig->tx, &rig->view), SB_RING_OK);
    CU_ASSERT_EQUAL_FATAL(sb_spsc_rx_init(&rig->rx, &rig->view), SB_RING_OK);
}

static uint8_t pattern(uint64_t seq, uint64_t i)
{
    return (uint8_t)(seq * 31u + i * 7u + (i >> 8));
}

static void fill(uint8_t *data, uint64_t size, uint64_t seq)
{
    for (uint64_t i = 0; i < size; i++) {
        data[i] = pattern(seq, i);
    }
}

static bool is_filled(const uint8_t *data, uint64_t size, uint64_t seq)
{
    for (uint64_t i = 0; i < size; i++) {
        if (data[i] != pattern(seq, i)) {
            return false;
        }
    }
    return true;
}

static enum sb_ring_result send_one(struct rig *rig, uint64_t size)
{
    static uint8_t data[1u << 16];
    fill(data, size, rig->tx.seq + 1);
    return sb_spsc_send(&rig->tx, data, size, 64 + (uint32_t)(rig->tx.seq % 100),
                        rig->tx.seq + 1000);
}

/* Receives and checks everything about the message but its size and delivery count. */
static bool recv_one(struct rig *rig, struct shmbus_msg *msg)
{
    uint64_t seq = rig->rx.seq + 1;
    if (sb_spsc_recv(&rig->rx, NULL, 0, msg) != SB_RING_OK) {
        return false;
    }
    return msg->sequence == seq && msg->type == 64 + (seq - 1) % 100 &&
           msg->time_ns == (rig->rx.head_bytes > 8 ? seq + 999 : 0) &&
           (uintptr_t)msg->data % 8 == 0 && is_filled(msg->data, msg->size_bytes, seq);
}

/* ---------------------------------------------------------------------------------- contents */

T_TEST(ring_spsc, every_size_comes_out_as_it_went_in)
{
    for (unsigned stamps = 0; stamps < 2; stamps++) {
        for (uint64_t bytes = 64; bytes <= 8192; bytes *= 2) {
            struct rig rig;
            uint64_t max = sb_spsc_size_max(bytes, stamps != 0), bad = 0;
            rig_make(&rig, bytes, stamps != 0);
            rig_open(&rig);
            for (uint64_t size = 0; size <= max; size++) {
                struct shmbus_msg msg;
                bad += send_one(&rig, size) != SB_RING_OK;
                bad += !sb_spsc_readable(&rig.rx);
                bad += !recv_one(&rig, &msg) || msg.size_bytes != size || msg.delivery_count != 1;
                bad += !sb_spsc_release(&rig.rx, msg.sequence);
                bad += sb_spsc_release(&rig.rx, msg.sequence); /* a second time */
                bad += sb_spsc_readable(&rig.rx) ||
                       sb_spsc_recv(&rig.rx, NULL, 0, &msg) != SB_RING_EMPTY;
            }
            CU_ASSERT_EQUAL(bad, 0);
        }
    }
}

T_TEST(ring_spsc, the_largest_message_fits_an_empty_ring_wherever_it_stands)
{
    for (unsigned stamps = 0; stamps < 2; stamps++) {
        for (uint64_t bytes = 32; bytes <= 1024; bytes *= 2) {
            struct rig rig;
            struct shmbus_msg msg;
            void *place;
            uint64_t max = sb_spsc_size_max(bytes, stamps != 0), bad = 0, refused = 0;
            rig_make(&rig, bytes, stamps != 0);
            for (uint64_t at = 0; at < bytes; at += 8) {
                rig_set(&rig, 10 * bytes + at, 77);
                rig_open(&rig);
                bad += send_one(&rig, max) != SB_RING_OK || !recv_one(&rig, &msg) ||
                       msg.size_bytes != max || !sb_spsc_release(&rig.rx, msg.sequence);
                rig_set(&rig, 10 * bytes + at, 77);
                rig_open(&rig);
                refused += send_one(&rig, max + 8) == SB_RING_FULL; /* does not fit everywhere */
                bad += send_one(&rig, 4 * bytes) != SB_RING_FULL;
                bad += sb_spsc_reserve(&rig.tx, UINT32_MAX, &place) != SB_RING_FULL;
            }
            CU_ASSERT_EQUAL(bad, 0);
            CU_ASSERT_TRUE(refused > 0);
        }
    }
}

/* --------------------------------------------------------------- random walk against a model */

struct model_record {
    uint64_t end, size;
    bool out, released;
};

/* What the ring must do, in the simplest words. */
struct model {
    uint64_t bytes, head_bytes, tail, acked, sent, taken, freed;
    uint64_t longest;                      /* batch received */
    struct model_record records[1u << 12]; /* by sequence number */
};

static struct model_record *record_of(struct model *m, uint64_t seq)
{
    return &m->records[seq % (1u << 12)];
}

static uint64_t model_end(const struct model *m, uint64_t tail, uint64_t size)
{
    uint64_t need = m->head_bytes + (size + 7) / 8 * 8;
    uint64_t rest = m->bytes - tail % m->bytes;
    return tail + (need > rest ? rest : 0) + need;
}

static bool model_send(struct model *m, uint64_t size)
{
    uint64_t end = model_end(m, m->tail, size);
    if (end + 8 - m->acked > m->bytes) {
        return false;
    }
    m->tail = end;
    *record_of(m, ++m->sent) = (struct model_record){.end = end, .size = size};
    return true;
}

static void model_release(struct model *m, uint64_t seq)
{
    record_of(m, seq)->released = true;
    while (m->freed < m->taken && record_of(m, m->freed + 1)->released) {
        m->acked = record_of(m, ++m->freed)->end;
    }
}

static uint64_t walk_send(struct rig *rig, struct model *m)
{
    uint64_t max = sb_spsc_size_max(m->bytes, m->head_bytes > 8), bad = 0;
    uint64_t size = t_random_below(max + 1), less = t_random_below(size + 1);
    uint8_t *data;
    switch (t_random_below(4)) {
    case 0: { /* reserve, shrink, commit */
        struct model before = *m;
        void *place;
        bool fits = model_send(m, size);
        bad += (sb_spsc_reserve(&rig->tx, size, &place) == SB_RING_OK) != fits;
        if (fits && t_random_below(4) == 0) { /* given up */
            memset(place, 0xff, size);
            *m = before;
        } else if (fits) {
            uint64_t pad_end = model_end(&before, before.tail, size) - (size + 7) / 8 * 8;
            data = place;
            fill(data, less, rig->tx.seq + 1);
            sb_spsc_commit(&rig->tx, less, 64 + (uint32_t)(rig->tx.seq % 100), rig->tx.seq + 1000);
            sb_spsc_commit(&rig->tx, less, 0, 0); /* nothing is open any more */
            m->tail = record_of(m, m->sent)->end = pad_end + (less + 7) / 8 * 8;
            record_of(m, m->sent)->size = less;
        }
        return bad;
    }
    default:
        return (send_one(rig, size) == SB_RING_OK) != model_send(m, size);
    }
}

static uint64_t walk_batch(struct rig *rig, struct model *m)
{
    static uint8_t data[8][8192];
    struct iovec items[8];
    uint64_t max = sb_spsc_size_max(m->bytes, m->head_bytes > 8), fitted = 0, seq = rig->tx.seq;
    for (unsigned i = 0; i < 8; i++) {
        items[i].iov_len = t_random_below(t_random_below(3) == 0 ? max + 1 : max / 4 + 1);
        items[i].iov_base = data[i];
        fill(data[i], items[i].iov_len, seq + i + 1);
    }
    while (fitted < 8 && model_send(m, items[fitted].iov_len)) {
        fitted++;
    }
    return sb_spsc_send_batch(&rig->tx, items, 8, seq + 1000) != fitted;
}

static uint64_t walk_recv(struct rig *rig, struct model *m)
{
    struct shmbus_msg msg;
    struct model_record *record = record_of(m, m->taken + 1);
    enum sb_ring_result expected = m->taken == m->sent                       ? SB_RING_EMPTY
                                   : m->taken - m->freed >= SB_SPSC_HELD_MAX ? SB_RING_BUSY
                                                                             : SB_RING_OK;
    if (sb_spsc_recv(&rig->rx, NULL, 0, &msg) != expected) {
        return 1;
    }
    if (expected != SB_RING_OK) {
        return 0;
    }
    m->taken++;
    if (t_random_below(8) == 0) {
        m->taken--;
        return !sb_spsc_unrecv(&rig->rx, msg.sequence) || sb_spsc_unrecv(&rig->rx, msg.sequence);
    }
    return msg.sequence != m->taken || msg.size_bytes != record->size || msg.delivery_count != 1 ||
           !is_filled(msg.data, msg.size_bytes, msg.sequence);
}

/* May stop early, but never go too far. */
static uint64_t walk_recv_batch(struct rig *rig, struct model *m)
{
    struct shmbus_msg msgs[SB_SPSC_HELD_MAX + 2];
    size_t max = 2 + t_random_below(t_random_below(2) == 0 ? 4 : SB_SPSC_HELD_MAX);
    size_t n = sb_spsc_recv_batch(&rig->rx, NULL, 0, msgs, max);
    uint64_t bad =
        n > max || n > m->sent - m->taken || n > SB_SPSC_HELD_MAX - (m->taken - m->freed);
    for (size_t i = 0; i < n && bad == 0; i++) {
        const struct model_record *record = record_of(m, ++m->taken);
        bad += msgs[i].sequence != m->taken || msgs[i].size_bytes != record->size ||
               msgs[i].delivery_count != 1 ||
               !is_filled(msgs[i].data, msgs[i].size_bytes, msgs[i].sequence);
    }
    m->longest = n > m->longest ? n : m->longest;
    return bad;
}

static uint64_t walk_release(struct rig *rig, struct model *m)
{
    uint64_t seq = m->freed + 1 + t_random_below(m->taken - m->freed + 1), bad = 0;
    bool is_held = seq <= m->taken && !record_of(m, seq)->released;
    if (seq <= m->taken) {
        bad += sb_spsc_release(&rig->rx, seq) != is_held;
        model_release(m, seq);
    }
    return bad + (sb_load_relaxed(&rig->view.shared->acked) != m->acked) +
           (sb_spsc_depth(&rig->view) != m->tail - m->acked);
}

static uint64_t random_walk(uint64_t bytes, bool timestamps, uint64_t start, uint64_t steps)
{
    static struct model m;
    struct rig rig;
    uint64_t bad = 0;
    rig_make(&rig, bytes, timestamps);
    rig_set(&rig, start, 0);
    rig_open(&rig);
    m = (struct model){
        .bytes = bytes, .head_bytes = timestamps ? 16 : 8, .tail = start, .acked = start};
    for (uint64_t i = 0; i < steps && bad == 0; i++) {
        switch (t_random_below(8)) {
        case 0:
            bad += walk_send(&rig, &m);
            break;
        case 1:
            bad += walk_batch(&rig, &m);
            break;
        case 2:
        case 3:
        case 4:
            bad += walk_recv(&rig, &m);
            break;
        case 5:
            bad += walk_recv_batch(&rig, &m);
            break;
        default:
            bad += walk_release(&rig, &m);
        }
        if (t_random_below(50) == 0) { /* another sender goes on */
            bad += sb_spsc_tx_init(&rig.tx, &rig.view) != SB_RING_OK || rig.tx.tail != m.tail ||
                   rig.tx.seq != m.sent;
        }
    }

    return bad + (bytes >= 256 && m.longest < 2);
}

T_TEST(ring_spsc, a_random_walk_agrees_with_the_model_to_the_byte)
{
    for (uint64_t bytes = 32; bytes <= 2048; bytes *= 2) {
        for (unsigned stamps = 0; stamps < 2; stamps++) {
            CU_ASSERT_EQUAL(random_walk(bytes, stamps != 0, 0, 20000), 0);
        }
    }
}

T_TEST(ring_spsc, positions_may_pass_56_bits)
{
    CU_ASSERT_EQUAL(random_walk(256, false, (1ull << 56) - 512, 20000), 0);
    CU_ASSERT_EQUAL(random_walk(256, true, (1ull << 63) - 512, 20000), 0);
}

/* -------------------------------------------------------------------------------- take-over */

T_TEST(ring_spsc, a_successor_knows_the_sequence_number_whatever_the_hints_say)
{
    const uint64_t starts[] = {0, 65530, 65536, (1ull << 32) - 3, (1ull << 48) - 3};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (uint64_t lag = 0; lag <= 64; lag += 16) {
            struct rig rig;
            struct shmbus_msg msg;
            rig_make(&rig, 4096, false);
            rig_set(&rig, 512, starts[i]);
            rig_open(&rig);
            for (uint64_t n = 0; n < 70; n++) {
                CU_ASSERT_EQUAL(send_one(&rig, 8), SB_RING_OK);
                CU_ASSERT_TRUE(recv_one(&rig, &msg));
                sb_spsc_release(&rig.rx, msg.sequence);
            }
            sb_store_relaxed(&rig.view.shared->tail_hint, 0);
            sb_store_relaxed(&rig.view.shared->tail_seq, 0);
            sb_store_relaxed(&rig.view.shared->acked_seq, starts[i] + 70 - lag);
            rig_open(&rig); /* empty ring: from the marker */
            CU_ASSERT_EQUAL(rig.tx.seq, starts[i] + 70);
            CU_ASSERT_EQUAL(rig.rx.seq, starts[i] + 70);
            CU_ASSERT_EQUAL(send_one(&rig, 8), SB_RING_OK);
            CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK); /* from the header */
            CU_ASSERT_EQUAL(rig.rx.seq, starts[i] + 70);
            CU_ASSERT_TRUE(recv_one(&rig, &msg));
            CU_ASSERT_EQUAL(msg.sequence, starts[i] + 71);
        }
    }
}

T_TEST(ring_spsc, every_receiver_that_takes_over_sees_the_delivery_count_raised)
{
    struct rig rig;
    struct shmbus_msg msg;
    rig_make(&rig, 4096, false);
    rig_open(&rig);
    send_one(&rig, 10);
    send_one(&rig, 20);
    for (uint32_t n = 1; n <= 70; n++) {
        CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
        CU_ASSERT_TRUE(recv_one(&rig, &msg));
        CU_ASSERT_EQUAL(msg.delivery_count, n < SHMBUS_DELIVERIES_MAX ? n : SHMBUS_DELIVERIES_MAX);
    }
    CU_ASSERT_TRUE(sb_spsc_release(&rig.rx, msg.sequence));
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_EQUAL(msg.delivery_count, 1); /* the next one is a new one */
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_EQUAL(msg.sequence, 2);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
}

T_TEST(ring_spsc, of_several_messages_in_hand_none_comes_again_as_if_it_were_new)
{
    struct rig rig;
    struct shmbus_msg msg;
    rig_make(&rig, 4096, false);
    rig_open(&rig);
    for (unsigned i = 0; i < 5; i++) {
        send_one(&rig, 10);
    }
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(recv_one(&rig, &msg));
        CU_ASSERT_EQUAL(msg.delivery_count, 1);
    }
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    CU_ASSERT_TRUE(recv_one(&rig, &msg)); /* only the first of the three, then dead again */
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_TRUE(recv_one(&rig, &msg));
        CU_ASSERT_EQUAL(msg.sequence, i + 1);
        CU_ASSERT_EQUAL(msg.delivery_count, i < 3 ? 3 : 1);
    }
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    CU_ASSERT_TRUE(recv_one(&rig, &msg)); /* the new ones did not make the old ones forgotten */
    CU_ASSERT_EQUAL(msg.delivery_count, 4);
}

T_TEST(ring_spsc, a_message_put_back_was_never_handed_out)
{
    struct rig rig;
    struct shmbus_msg msg;
    rig_make(&rig, 4096, false);
    rig_open(&rig);
    send_one(&rig, 10);
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_TRUE(sb_spsc_unrecv(&rig.rx, msg.sequence));
    CU_ASSERT_FALSE(sb_spsc_release(&rig.rx, msg.sequence));
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_EQUAL(msg.delivery_count, 1);
    CU_ASSERT_TRUE(sb_spsc_unrecv(&rig.rx, msg.sequence));
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_EQUAL(msg.delivery_count, 1);
}

T_TEST(ring_spsc, a_receiver_may_hold_64_and_frees_them_in_order)
{
    struct rig rig;
    struct shmbus_msg msgs[SB_SPSC_HELD_MAX + 1];
    rig_make(&rig, 8192, false);
    rig_open(&rig);
    for (unsigned i = 0; i <= SB_SPSC_HELD_MAX; i++) {
        CU_ASSERT_EQUAL(send_one(&rig, i), SB_RING_OK);
    }
    for (unsigned i = 0; i < SB_SPSC_HELD_MAX; i++) {
        CU_ASSERT_TRUE(recv_one(&rig, &msgs[i]));
    }
    CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, &msgs[64]), SB_RING_BUSY);
    for (unsigned i = SB_SPSC_HELD_MAX - 1; i > 0; i--) {
        CU_ASSERT_TRUE(sb_spsc_release(&rig.rx, msgs[i].sequence));
        CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked), 0);
    }
    CU_ASSERT_TRUE(sb_spsc_release(&rig.rx, msgs[0].sequence));
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked_seq), 64);
    CU_ASSERT_TRUE(recv_one(&rig, &msgs[64]));
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked), rig.rx.ends[64 % SB_SPSC_HELD_MAX]);
}

T_TEST(ring_spsc, a_batch_stops_at_what_needs_care_and_goes_no_further_than_64)
{
    struct rig rig;
    struct shmbus_msg msgs[SB_SPSC_HELD_MAX + 2];
    rig_make(&rig, 4096, false);
    rig_set(&rig, 4096 - 40, 7);
    rig_open(&rig);
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, 9), 0);
    send_one(&rig, 8);
    send_one(&rig, 24); /* behind a padding */
    for (unsigned i = 2; i <= SB_SPSC_HELD_MAX; i++) {
        send_one(&rig, 8);
    }
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, 9), 1);
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, 9), 0);
    CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, msgs), SB_RING_OK);
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, SB_SPSC_HELD_MAX + 2),
                    SB_SPSC_HELD_MAX - 2);
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, 1), 0);
    CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, msgs), SB_RING_BUSY);
    /* a successor, to whom all of it comes once more, gets it one by one */
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_OK);
    CU_ASSERT_EQUAL(sb_spsc_recv_batch(&rig.rx, NULL, 0, msgs, 9), 0);
    CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, msgs), SB_RING_OK);
    CU_ASSERT_EQUAL(msgs[0].delivery_count, 2);
    CU_ASSERT_EQUAL(msgs[0].sequence, 8);
}

T_TEST(ring_spsc, a_batch_is_released_by_one_store_up_to_the_first_that_was_already)
{
    struct rig rig;
    struct shmbus_msg msgs[6];
    rig_make(&rig, 1024, false);
    rig_open(&rig);
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(send_one(&rig, i), SB_RING_OK);
        CU_ASSERT_TRUE(recv_one(&rig, &msgs[i]));
    }
    CU_ASSERT_EQUAL(sb_spsc_release_batch(&rig.rx, &msgs[1], 2), 2); /* behind the oldest */
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked_seq), 0);
    CU_ASSERT_EQUAL(sb_spsc_release_batch(&rig.rx, &msgs[0], 3), 1);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked_seq), 3);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked), rig.rx.ends[3]);
    CU_ASSERT_EQUAL(sb_spsc_release_batch(&rig.rx, &msgs[3], 3), 3);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked_seq), 6);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->acked), rig.rx.next);
    CU_ASSERT_EQUAL(sb_spsc_release_batch(&rig.rx, &msgs[3], 3), 0);
}

T_TEST(ring_spsc, room_is_returned_seldom_but_full_is_never_a_lie)
{
    struct rig rig;
    struct shmbus_msg msg;
    uint64_t sent = 0;
    rig_make(&rig, 1024, false);
    rig_open(&rig);
    while (send_one(&rig, 8) == SB_RING_OK) {
        sent++;
    }
    CU_ASSERT_EQUAL(sent, 1024 / 16 - 1);
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    CU_ASSERT_TRUE(sb_spsc_release(&rig.rx, msg.sequence));
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->room), 0); /* not yet told */
    CU_ASSERT_EQUAL(send_one(&rig, 8), SB_RING_OK);
    CU_ASSERT_EQUAL(send_one(&rig, 8), SB_RING_FULL);
    while (recv_one(&rig, &msg)) {
        sb_spsc_release(&rig.rx, msg.sequence);
    }
    CU_ASSERT_EQUAL(send_one(&rig, 8), SB_RING_OK);
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    sb_spsc_release(&rig.rx, msg.sequence);
    CU_ASSERT_NOT_EQUAL(sb_load_relaxed(&rig.view.shared->room), rig.tx.tail);
    CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, &msg), SB_RING_EMPTY);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view.shared->room), rig.tx.tail); /* empty: told */
    CU_ASSERT_TRUE(rig.tx.depth_max >= 1024 - 16 - 1024 / 16);
    CU_ASSERT_TRUE(rig.tx.depth_max <= 1024);
}

/* -------------------------------------------------------------------------------- observers */

T_TEST(ring_spsc, an_observer_sees_what_waits_and_changes_nothing)
{
    struct rig rig;
    struct shmbus_msg msg, seen;
    struct sb_spsc_peek look;
    static uint64_t buffer[1024];
    rig_make(&rig, 1024, true);
    rig_set(&rig, 1024 - 64, 7);
    rig_open(&rig);
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(send_one(&rig, 20 + i), SB_RING_OK); /* across the end */
    }
    CU_ASSERT_TRUE(recv_one(&rig, &msg));
    sb_spsc_release(&rig.rx, msg.sequence);
    CU_ASSERT_TRUE(recv_one(&rig, &msg)); /* in hand: still waiting */
    read_only(rig.view.ring);
    read_only(rig.view.shared);
    sb_spsc_peek_init(&look, &rig.view);
    for (unsigned i = 1; i < 6; i++) {
        CU_ASSERT_EQUAL_FATAL(sb_spsc_peek(&look, buffer, &seen), SB_RING_OK);
        CU_ASSERT_EQUAL(seen.sequence, 8 + i);
        CU_ASSERT_EQUAL(seen.size_bytes, 20 + i);
        CU_ASSERT_EQUAL(seen.time_ns, 8 + i + 999);
        CU_ASSERT_EQUAL(seen.delivery_count, i == 1 ? 2 : 1);
        CU_ASSERT_TRUE(is_filled((const uint8_t *)buffer, seen.size_bytes, seen.sequence));
    }
    CU_ASSERT_EQUAL(sb_spsc_peek(&look, buffer, &seen), SB_RING_EMPTY);
    CU_ASSERT_EQUAL(sb_spsc_depth(&rig.view), rig.tx.tail - rig.rx.acked);
}

/* ----------------------------------------------------------------------------------- damage */

static uint64_t hostile_word(uint64_t bytes)
{
    uint64_t size = t_random_below(bytes * 2);
    switch (t_random_below(6)) {
    case 0:
        return t_random();
    case 1: /* a header that could be */
        return size << 32 | t_random_below(4) << 16 | 1;
    case 2: /* padding that could be */
        return (size & ~7ull) << 32 | 3;
    case 3:
        return (uint64_t)UINT32_MAX << 32 | 1;
    case 4:
        return t_random_below(4) << 8;
    default:
        return size & ~7ull;
    }
}

static void damage(struct rig *rig, bool all)
{
    struct sb_channel *ch = rig->view.shared;
    sb_word *words[] = {&ch->acked,     &ch->acked_seq, &ch->room,
                        &ch->tail_hint, &ch->tail_seq,  &ch->attempt};
    uint64_t ring_words = rig->view.ring_bytes / 8;
    for (uint64_t i = 0; i < ring_words; i++) {
        if (all || t_random_below(ring_words) == 0) {
            sb_store_relaxed((sb_word *)(void *)(rig->view.ring + i * 8),
                             hostile_word(rig->view.ring_bytes));
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (all || t_random_below(8) == 0) {
            sb_store_relaxed(words[i], t_random_below(4) == 0 ? t_random()
                                                              : hostile_word(rig->view.ring_bytes));
        }
    }
}

static bool is_inside(const struct rig *rig, const void *data, uint64_t size)
{
    const uint8_t *at = data;
    return at >= rig->view.ring && size <= rig->view.ring_bytes &&
           at + size <= rig->view.ring + rig->view.ring_bytes;
}

/* One call of each kind on whatever there is; how often something pointed outside. */
static uint64_t use_damaged(struct rig *rig, bool sender, bool receiver)
{
    static uint64_t buffer[1024];
    static uint8_t data[1024];
    const struct iovec items[3] = {{data, 8}, {data, 100}, {data, 0}};
    struct shmbus_msg msg;
    struct sb_spsc_peek look;
    void *place;
    uint64_t size = t_random_below(200), bad = 0;
    if (sender) {
        sb_spsc_send(&rig->tx, data, size, 0, 0);
        sb_spsc_send_batch(&rig->tx, items, 3, 0);
        if (sb_spsc_reserve(&rig->tx, size, &place) == SB_RING_OK) {
            bad += !is_inside(rig, place, size);
            sb_spsc_commit(&rig->tx, t_random_below(300), 0, 0);
        }
    }
    if (receiver && sb_spsc_recv(&rig->rx, NULL, 0, &msg) == SB_RING_OK) {
        bad += !is_inside(rig, msg.data, msg.size_bytes);
        if (t_random_below(3) > 0) {
            sb_spsc_release(&rig->rx, msg.sequence);
        } else if (t_random_below(2) > 0) {
            sb_spsc_unrecv(&rig->rx, msg.sequence);
        }
        sb_spsc_release(&rig->rx, t_random_below(4));
    }
    bad += sb_spsc_depth(&rig->view) > rig->view.ring_bytes;
    sb_spsc_peek_init(&look, &rig->view);
    while (sb_spsc_peek(&look, buffer, &msg) == SB_RING_OK) {
        bad += msg.size_bytes > sizeof buffer;
    }
    return bad;
}

T_TEST(ring_spsc, damaged_words_never_lead_outside_or_into_a_loop)
{
    uint64_t bad = 0, corrupt = 0, usable = 0;
    uint64_t rounds = t_is_sanitized() ? 2000 : 20000;
    for (uint64_t bytes = 32; bytes <= 512; bytes *= 2) {
        struct rig rig;
        rig_make(&rig, bytes, bytes == 128);
        for (uint64_t round = 0; round < rounds; round++) {
            bool sender, receiver;
            if (round % 4 == 0) {
                damage(&rig, true);
            } else {
                rig_set(&rig, t_random_below(100) * 8, t_random_below(3));
            }
            sender = sb_spsc_tx_init(&rig.tx, &rig.view) == SB_RING_OK;
            receiver = sb_spsc_rx_init(&rig.rx, &rig.view) == SB_RING_OK;
            usable += (sender ? 1u : 0u) + (receiver ? 1u : 0u);
            corrupt += (sender ? 0u : 1u) + (receiver ? 0u : 1u);
            for (unsigned i = 0; i < 10; i++) {
                damage(&rig, false);
                bad += use_damaged(&rig, sender, receiver);
            }
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_TRUE(corrupt > 0 && usable > 0);
}

/* An impossible header of each kind in an otherwise sound ring. */
T_TEST(ring_spsc, an_impossible_header_is_corrupt_for_receiver_and_next_sender)
{
    const uint64_t good = (8ull << 32) | (8u << 16) | 1;
    const uint64_t headers[] = {
        (2000ull << 32) | (8u << 16) | 1, /* larger than the ring */
        (600ull << 32) | (8u << 16) | 1,  /* beyond the end */
        (8ull << 32) | (9u << 16) | 1,    /* not the next number */
        (8ull << 32) | (8u << 16) | 3,    /* padding that does not reach the end */
        (512ull << 32) | 3,               /* padding with nothing behind it */
        (512ull << 32) | 3,               /* padding with padding behind it */
    };
    const uint64_t behind[] = {0, 0, 0, good, 0, (512ull << 32) | 3};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct rig rig;
        struct shmbus_msg msg;
        rig_make(&rig, 1024, false);
        rig_set(&rig, 512, 7);
        rig_open(&rig);
        sb_store_relaxed((sb_word *)(void *)rig.view.ring, behind[i]);
        sb_store_relaxed((sb_word *)(void *)(rig.view.ring + 512), headers[i]);
        CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, &msg), SB_RING_CORRUPT);
        CU_ASSERT_EQUAL(sb_spsc_recv(&rig.rx, NULL, 0, &msg), SB_RING_CORRUPT);
        if (i != 2) {
            CU_ASSERT_EQUAL(sb_spsc_tx_init(&rig.tx, &rig.view), SB_RING_CORRUPT);
        }
    }
}

T_TEST(ring_spsc, impossible_positions_are_corrupt)
{
    struct rig rig;
    static uint8_t data[2000];
    rig_make(&rig, 1024, false);
    rig_set(&rig, 512, 7);
    sb_store_relaxed(&rig.view.shared->acked, 513);
    CU_ASSERT_EQUAL(sb_spsc_tx_init(&rig.tx, &rig.view), SB_RING_CORRUPT);
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_CORRUPT);
    rig_set(&rig, 512, 7);
    sb_store_relaxed(&rig.view.shared->tail_hint, 512 + 1024);
    CU_ASSERT_EQUAL(sb_spsc_tx_init(&rig.tx, &rig.view), SB_RING_CORRUPT);
    rig_set(&rig, 512, 7);
    sb_store_relaxed(&rig.view.shared->room, 520);
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_CORRUPT);
    rig_set(&rig, 512, 7);
    sb_store_relaxed(&rig.view.shared->attempt, (512 + 1032) << 8 | 1);
    CU_ASSERT_EQUAL(sb_spsc_rx_init(&rig.rx, &rig.view), SB_RING_CORRUPT);
    rig_set(&rig, 512, 7);
    rig_open(&rig);
    while (send_one(&rig, 8) == SB_RING_OK) {
    }
    sb_store_relaxed(&rig.view.shared->room, 4096); /* more than was sent */
    CU_ASSERT_EQUAL(sb_spsc_send(&rig.tx, data, 8, 0, 0), SB_RING_CORRUPT);
    sb_store_relaxed(&rig.view.shared->room, 512);
    sb_store_relaxed(&rig.view.shared->acked, 0); /* backwards */
    CU_ASSERT_EQUAL(sb_spsc_send(&rig.tx, data, 8, 0, 0), SB_RING_CORRUPT);
}

/* ------------------------------------------------------------------------------ both at once */

static uint64_t size_of(uint64_t seq, uint64_t max)
{
    uint64_t x = seq * 0x9e3779b97f4a7c15ull;
    return (x >> 40) % (max + 1);
}

struct both {
    struct rig rig;
    int64_t start_ns;
    uint64_t messages; /* the sender lowers it when it has taken long enough */
    uint64_t bad;
};

static void *sending(void *arg)
{
    struct both *both = arg;
    struct sb_spsc_tx *tx = &both->rig.tx;
    uint64_t max = sb_spsc_size_max(tx->bytes, tx->head_bytes > 8);
    static uint8_t data[4][8192];
    while (tx->seq < both->messages) {
        if (both->start_ns != 0 && t_is_enough(both->start_ns)) {
            __atomic_store_n(&both->messages, tx->seq, __ATOMIC_SEQ_CST);
            break;
        }
        struct iovec items[4];
        size_t sent = 0, count = 1 + tx->seq % 4;
        count = count < both->messages - tx->seq ? count : both->messages - tx->seq;
        for (size_t i = 0; i < count; i++) {
            items[i] = (struct iovec){data[i], size_of(tx->seq + 1 + i, max)};
            fill(data[i], items[i].iov_len, tx->seq + 1 + i);
        }
        while (sent < count) {
            sent += sb_spsc_send_batch(tx, items + sent, count - sent, tx->seq);
            if (sent < count) {
                sched_yield();
            }
        }
    }
    return NULL;
}

static void *receiving(void *arg)
{
    struct both *both = arg;
    struct sb_spsc_rx *rx = &both->rig.rx;
    uint64_t max = sb_spsc_size_max(rx->bytes, rx->head_bytes > 8);
    struct shmbus_msg msgs[3];
    unsigned n = 0;
    for (;;) {
        bool more = rx->seq < __atomic_load_n(&both->messages, __ATOMIC_SEQ_CST);
        if (!more && n == 0)
            break;
        if (more && n < 3 && sb_spsc_recv(rx, NULL, 0, &msgs[n]) == SB_RING_OK) {
            struct shmbus_msg *msg = &msgs[n++];
            both->bad +=
                msg->sequence != rx->seq || msg->size_bytes != size_of(msg->sequence, max) ||
                msg->delivery_count != 1 || !is_filled(msg->data, msg->size_bytes, msg->sequence);
            continue;
        }
        while (n > 0) { /* the youngest first */
            n--;
            both->bad += !sb_spsc_release(rx, msgs[n].sequence);
        }
        sched_yield(); /* the processor may be wanted for the sender */
    }
    return NULL;
}

T_TEST(ring_spsc, two_threads_pass_every_byte_unharmed)
{
    for (uint64_t bytes = 64; bytes <= 8192; bytes *= 8) {
        /* The smallest ring holds one message: each costs a switch on a busy machine. */
        uint64_t rounds = t_is_sanitized() || bytes == 64 ? 1 : 10;
        struct both both = {.messages = rounds * (1000 + bytes), .start_ns = t_now_ns()};
        pthread_t sender, receiver;
        rig_make(&both.rig, bytes, bytes == 512);
        rig_open(&both.rig);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&sender, NULL, sending, &both), 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&receiver, NULL, receiving, &both), 0);
        pthread_join(sender, NULL);
        pthread_join(receiver, NULL);
        CU_ASSERT_EQUAL(both.bad, 0);
        CU_ASSERT_EQUAL(sb_spsc_depth(&both.rig.view), 0);
    }
}

/* -------------------------------------------------------------------------- killed at random */

/* What the two processes were sure of; each word has one writer. */
struct ledger {
    struct rig rig;
    sb_word sent, handed, released, bad;
};

/* Keeps the line of the first thing that went wrong. */
#define BLAME(ledger, is_bad) ((is_bad) ? (void)sb_cas(&(ledger)->bad, 0, __LINE__) : (void)0)

static int mortal_sender(void *arg)
{
    struct ledger *ledger = arg;
    struct both both = {.rig.view = ledger->rig.view};
    struct sb_spsc_tx *tx = &both.rig.tx;
    uint64_t known = sb_load_acquire(&ledger->sent);
    BLAME(ledger, sb_spsc_tx_init(tx, &both.rig.view) != SB_RING_OK);
    BLAME(ledger, tx->seq < known || tx->seq > known + 4);
    sb_store_release(&ledger->sent, tx->seq);
    while (sb_load_acquire(&ledger->bad) == 0) {
        both.messages = tx->seq + 1 + tx->seq % 4;
        sending(&both);
        sb_store_release(&ledger->sent, tx->seq);
    }
    return 1;
}

static void mortal_take(struct ledger *ledger, struct sb_spsc_rx *rx, uint64_t max)
{
    struct shmbus_msg msg;
    uint64_t handed = sb_load_acquire(&ledger->handed);
    if (sb_spsc_recv(rx, NULL, 0, &msg) != SB_RING_OK) {
        sched_yield();
        return;
    }
    BLAME(ledger, msg.sequence <= handed && msg.delivery_count < 2);
    BLAME(ledger, msg.sequence > handed + 1 && msg.delivery_count > 1);
    BLAME(ledger, msg.sequence != rx->seq || msg.size_bytes != size_of(msg.sequence, max));
    BLAME(ledger, !is_filled(msg.data, msg.size_bytes, msg.sequence));
    if (msg.sequence > handed) {
        sb_store_release(&ledger->handed, msg.sequence);
    }
    BLAME(ledger, !sb_spsc_release(rx, msg.sequence));
    sb_store_release(&ledger->released, msg.sequence);
}

static int mortal_receiver(void *arg)
{
    struct ledger *ledger = arg;
    struct sb_spsc_rx rx;
    uint64_t known = sb_load_acquire(&ledger->released);
    uint64_t max = sb_spsc_size_max(ledger->rig.view.ring_bytes, false);
    BLAME(ledger, sb_spsc_rx_init(&rx, &ledger->rig.view) != SB_RING_OK);
    BLAME(ledger, rx.seq < known || rx.seq > known + 1);
    sb_store_release(&ledger->released, rx.seq);
    while (sb_load_acquire(&ledger->bad) == 0) {
        mortal_take(ledger, &rx, max);
    }
    return 1;
}

/* Until @word has gone on by @more, or something is wrong. */
static void watch(const struct ledger *ledger, const sb_word *word, uint64_t more)
{
    uint64_t from = sb_load_acquire(word);
    while (sb_load_acquire(word) < from + more && sb_load_acquire(&ledger->bad) == 0) {
        sched_yield();
    }
}

T_TEST_TIMEOUT(ring_spsc, processes_killed_at_random_lose_and_repeat_nothing, 120)
{
    unsigned rounds = t_is_sanitized() ? 40 : 1000;
    for (uint64_t bytes = 128; bytes <= 4096; bytes *= 32) {
        struct ledger *ledger = t_shared(sizeof *ledger);
        struct shmbus_msg msg;
        pid_t sender, receiver;
        uint64_t max = sb_spsc_size_max(bytes, false);
        rig_make(&ledger->rig, bytes, false);
        sender = t_fork(mortal_sender, ledger);
        receiver = t_fork(mortal_receiver, ledger);
        int64_t start = t_now_ns();
        for (unsigned i = 0;
             i < rounds && sb_load_acquire(&ledger->bad) == 0 && !t_is_enough(start); i++) {
            watch(ledger, t_random_below(2) == 0 ? &ledger->released : &ledger->sent,
                  t_random_below(100));
            if (t_random_below(2) == 0) {
                CU_ASSERT_EQUAL(t_kill_wait(sender, SIGKILL), 128 + SIGKILL);
                sender = t_fork(mortal_sender, ledger);
            } else {
                CU_ASSERT_EQUAL(t_kill_wait(receiver, SIGKILL), 128 + SIGKILL);
                receiver = t_fork(mortal_receiver, ledger);
            }
        }
        watch(ledger, &ledger->released, 100);
        t_kill_wait(sender, SIGKILL);
        t_kill_wait(receiver, SIGKILL);
        rig_open(&ledger->rig);
        while (ledger->rig.rx.seq < ledger->rig.tx.seq) {
            mortal_take(ledger, &ledger->rig.rx, max);
        }
        CU_ASSERT_EQUAL(sb_spsc_recv(&ledger->rig.rx, NULL, 0, &msg), SB_RING_EMPTY);
        CU_ASSERT_EQUAL(sb_load_acquire(&ledger->bad), 0);
    }
}
