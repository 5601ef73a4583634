/* SPDX-License-Identifier: MIT */
/*
 * Every public call with every odd number: it does what the header says, or refuses and has done
 * nothing. The calls are compared with the list of symbols, so that no new one is forgotten.
 */
#include <limits.h>
#include <stdlib.h>

#include "fixture.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define ROOM 256u /* largest message of each channel, or nearly */

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus, *other;
    struct shmbus_channel *q, *lanes, *tx, *rx, *full, *full_lanes, *full_tx;
    struct shmbus_region *region;
    unsigned char data[4 * ROOM];
};

static const char plan_text[] = "processes: 4\n"
                                "spare: { channels: 1, depth: 4 }\n"
                                "blocks: [{ size: 256, count: 40 }]\n"
                                "channels:\n"
                                "  q: { depth: 4 }\n"
                                "  lanes: { order: producer, depth: 4, message_bytes: 208 }\n"
                                "  stream: { kind: stream, bytes: 4KiB }\n"
                                "  full: { depth: 1 }\n"
                                "  full-lanes: { order: producer, depth: 1, message_bytes: 208 }\n"
                                "  full-stream: { kind: stream, bytes: 4KiB }\n"
                                "regions: { area: 4KiB, locked: 64 }\n";

static void rig_make(struct rig *rig)
{
    struct shmbus_plan *plan = NULL;

    memset(rig, 0, sizeof *rig);
    T_OK_FATAL(shmbus_plan_parse(plan_text, sizeof plan_text - 1, "plan", &plan));
    rig->bus = t_bus_new(plan, rig->name);
    rig->other = t_attach(rig->name);
    rig->q = t_open(rig->bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->lanes = t_open(rig->bus, "lanes", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig->tx = t_open(rig->bus, "stream", SHMBUS_OPEN_SEND);
    rig->rx = t_open(rig->bus, "stream", SHMBUS_OPEN_RECV);
    rig->full = t_open(rig->bus, "full", SHMBUS_OPEN_SEND);
    rig->full_lanes = t_open(rig->bus, "full-lanes", SHMBUS_OPEN_SEND);
    rig->full_tx = t_open(rig->bus, "full-stream", SHMBUS_OPEN_SEND);
    t_put(rig->full, 1);
    t_put(rig->full_lanes, 1);
    while (t_send(rig->full_tx, 1, 0) == 0) {
    }
    T_OK_FATAL(shmbus_region_open(rig->bus, "area", &rig->region));
}

static void rig_end(struct rig *rig)
{
    shmbus_detach(rig->other);
    t_bus_end(rig->bus, rig->name);
}

/* Whatever was asked, everything works as before. */
static void check_works(struct rig *rig)
{
    struct shmbus_msg msg;

    CU_ASSERT_EQUAL(t_get(rig->q), UINT64_MAX);
    t_put(rig->q, 5);
    CU_ASSERT_EQUAL(t_get(rig->q), 5);
    CU_ASSERT_EQUAL(t_get(rig->lanes), UINT64_MAX);
    t_put(rig->lanes, 6);
    CU_ASSERT_EQUAL(t_get(rig->lanes), 6);
    CU_ASSERT_EQUAL(shmbus_recv(rig->rx, &msg, 0), -EAGAIN);
    t_put(rig->tx, 7);
    CU_ASSERT_EQUAL(t_get(rig->rx), 7);
    CU_ASSERT_EQUAL(t_channel_stat(rig->bus, "q").held, 0);
    CU_ASSERT_EQUAL(t_channel_stat(rig->bus, "full").depth, 1);
}

static void wrong(const char *call, int64_t number, int r)
{
    printf("%s with %lld gave %d (%s): %s\n", call, (long long)number, r, shmbus_strerrorname(r),
           r < 0 ? shmbus_detail() : "");
    CU_FAIL("an odd number was not met as the header says");
}

/* ------------------------------------------------------------------------------------ timeouts */

/* Calls that would have to wait. */
static int wait_recv_q(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    return shmbus_recv(rig->q, &msg, ns);
}
static int wait_recv_lanes(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    return shmbus_recv(rig->lanes, &msg, ns);
}
static int wait_recv_stream(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    return shmbus_recv(rig->rx, &msg, ns);
}
static int wait_batch(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msgs[2];
    return shmbus_recv_batch(rig->q, msgs, 2, ns);
}
static int wait_batch_lanes(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msgs[2];
    return shmbus_recv_batch(rig->lanes, msgs, 2, ns);
}
static int wait_batch_stream(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msgs[2];
    return shmbus_recv_batch(rig->rx, msgs, 2, ns);
}
static int wait_copy(struct rig *rig, int64_t ns)
{
    size_t bytes;
    return shmbus_recv_copy(rig->q, rig->data, ROOM, &bytes, NULL, ns);
}
static int wait_send(struct rig *rig, int64_t ns)
{
    return shmbus_send(rig->full, "x", 1, ns);
}
static int wait_send_lanes(struct rig *rig, int64_t ns)
{
    return shmbus_send(rig->full_lanes, "x", 1, ns);
}
static int wait_send_stream(struct rig *rig, int64_t ns)
{
    return shmbus_send(rig->full_tx, "01234567", 8, ns);
}
static int wait_send_with(struct rig *rig, int64_t ns)
{
    const struct shmbus_send_opts opts = {
        .struct_bytes = sizeof opts, .type = 1, .correlation_id = 1};
    return shmbus_send_with(rig->full, &opts, "x", 1, ns);
}
static int wait_send_batch(struct rig *rig, int64_t ns)
{
    const struct iovec items[] = {{(void *)(uintptr_t) "x", 1}, {(void *)(uintptr_t) "y", 1}};
    return shmbus_send_batch(rig->full, items, 2, ns);
}
static int wait_reserve_lanes(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    return shmbus_reserve(rig->full_lanes, 8, &msg, ns);
}
static int wait_reserve_stream(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    return shmbus_reserve(rig->full_tx, 8, &msg, ns);
}
static int wait_commit(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    T_OK(shmbus_reserve(rig->full, 8, &msg, 0));
    int r = shmbus_commit(&msg, ns);
    T_OK(shmbus_abort(&msg));
    return r;
}
static int wait_forward(struct rig *rig, int64_t ns)
{
    struct shmbus_msg msg;
    t_put(rig->q, 1);
    T_OK(shmbus_recv(rig->q, &msg, 0));
    int r = shmbus_forward(&msg, rig->full, ns);
    T_OK(shmbus_release(&msg));
    return r;
}
static int with_locked(struct rig *rig, int64_t ns, bool write)
{
    sb_word *lock = &rig->bus->view.regions[1].shared->lock;
    struct shmbus_region *region = NULL;
    uint64_t value = 0;

    T_OK_FATAL(shmbus_region_open(rig->bus, "locked", &region));
    sb_store_release(&rig->bus->view.regions[1].shared->version,
                     sb_load_relaxed(&rig->bus->view.regions[1].shared->version) | 1);
    sb_store_release(lock, rig->other->member.owner64); /* of somebody who lives */
    int r = write ? shmbus_region_write(region, 0, &value, 8, ns)
                  : shmbus_region_read(region, 0, &value, 8, ns);
    sb_store_release(lock, 0);
    shmbus_region_close(region);
    return r;
}
static int wait_write(struct rig *rig, int64_t ns)
{
    return with_locked(rig, ns, true);
}
static int wait_read(struct rig *rig, int64_t ns)
{
    return with_locked(rig, ns, false);
}

static const struct {
    const char *name;
    int (*call)(struct rig *rig, int64_t ns);
} waits[] = {
    {"shmbus_recv", wait_recv_q},
    {"shmbus_recv", wait_recv_lanes},
    {"shmbus_recv", wait_recv_stream},
    {"shmbus_recv_batch", wait_batch},
    {"shmbus_recv_batch", wait_batch_lanes},
    {"shmbus_recv_batch", wait_batch_stream},
    {"shmbus_recv_copy", wait_copy},
    {"shmbus_send", wait_send},
    {"shmbus_send", wait_send_lanes},
    {"shmbus_send", wait_send_stream},
    {"shmbus_send_with", wait_send_with},
    {"shmbus_send_batch", wait_send_batch},
    {"shmbus_reserve", wait_reserve_lanes},
    {"shmbus_reserve", wait_reserve_stream},
    {"shmbus_commit", wait_commit},
    {"shmbus_forward", wait_forward},
    {"shmbus_region_write", wait_write},
    {"shmbus_region_read", wait_read},
};

T_TEST(numbers, a_timeout_is_none_some_time_or_for_ever_and_nothing_else)
{
    static const int64_t no_time[] = {INT64_MIN, INT64_MIN + 1, -1000000000, -2};
    static const int64_t for_ever[] = {SHMBUS_WAIT_FOREVER, INT64_MAX, INT64_MAX - 1};
    struct rig rig;

    rig_make(&rig);
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        int r = waits[i].call(&rig, 0);
        if (r != -EAGAIN) {
            wrong(waits[i].name, 0, r);
        }
        r = waits[i].call(&rig, 1);
        if (r != -ETIMEDOUT) {
            wrong(waits[i].name, 1, r);
        }
        for (size_t k = 0; k < COUNT_OF(no_time); k++) {
            r = waits[i].call(&rig, no_time[k]);
            if (r != -EINVAL) {
                wrong(waits[i].name, no_time[k], r);
            }
        }
        shmbus_interrupt(rig.bus);
        for (size_t k = 0; k < COUNT_OF(for_ever); k++) {
            r = waits[i].call(&rig, for_ever[k]); /* no sum of it and now may become the past */
            if (r != -EINTR) {
                wrong(waits[i].name, for_ever[k], r);
            }
        }
        shmbus_interrupt_clear(rig.bus);
        check_works(&rig);
    }
    rig_end(&rig);
}

/* --------------------------------------------------------------------------------------- sizes */

static const size_t odd_sizes[] = {
    0,
    1,
    207,
    208,
    209,
    255,
    256,
    257,
    4095,
    4096,
    UINT32_MAX,
    (size_t)UINT32_MAX + 1,
    (size_t)UINT32_MAX + 2,
    (size_t)1 << 40,
    SIZE_MAX / 2,
    SIZE_MAX / 2 + 1,
    SIZE_MAX - 63,
    SIZE_MAX - 7,
    SIZE_MAX - 1,
    SIZE_MAX,
};

static void send_and_see(struct rig *rig, struct shmbus_channel *tx, struct shmbus_channel *rx,
                         size_t bytes)
{
    static unsigned char big[8192];
    struct shmbus_msg msg, back;
    const struct iovec item = {big, bytes};
    bool fits = bytes <= shmbus_channel_size_max(tx);
    int r = shmbus_send(tx, big, bytes, 0);

    (void)rig;
    if (r != (fits ? 0 : -EMSGSIZE)) {
        wrong("shmbus_send", (int64_t)bytes, r);
    }
    if (r == 0) {
        T_OK(shmbus_recv(rx, &back, 0));
        CU_ASSERT_EQUAL(back.size_bytes, bytes);
        T_OK(shmbus_release(&back));
    }
    r = shmbus_send_batch(tx, &item, 1, 0);
    if (r != (fits ? 1 : -EMSGSIZE)) {
        wrong("shmbus_send_batch", (int64_t)bytes, r);
    }
    if (r == 1) {
        T_OK(shmbus_recv(rx, &back, 0));
        T_OK(shmbus_release(&back));
    }
    r = shmbus_reserve(tx, bytes, &msg, 0);
    if (r != (fits ? 0 : -EMSGSIZE)) {
        wrong("shmbus_reserve", (int64_t)bytes, r);
    }
    if (r == 0) {
        T_OK(shmbus_abort(&msg));
    }
}

T_TEST(numbers, a_message_fits_or_is_refused_whatever_its_size)
{
    struct rig rig;

    rig_make(&rig);
    for (size_t i = 0; i < COUNT_OF(odd_sizes); i++) {
        send_and_see(&rig, rig.q, rig.q, odd_sizes[i]);
        send_and_see(&rig, rig.lanes, rig.lanes, odd_sizes[i]);
        send_and_see(&rig, rig.tx, rig.rx, odd_sizes[i]);
        check_works(&rig);
    }
    rig_end(&rig);
}

/* The block has 256 bytes, the cell 208, whatever was asked for. */
T_TEST(numbers, a_size_is_lowered_after_reserve_and_never_raised)
{
    struct rig rig;
    struct shmbus_channel *ways[3][2];

    rig_make(&rig);
    memcpy(
        ways,
        (struct shmbus_channel *[3][2]){{rig.q, rig.q}, {rig.lanes, rig.lanes}, {rig.tx, rig.rx}},
        sizeof ways);
    for (size_t w = 0; w < 3; w++) {
        for (size_t i = 0; i < COUNT_OF(odd_sizes); i++) {
            struct shmbus_msg msg, back;
            T_OK(shmbus_reserve(ways[w][0], 100, &msg, 0));
            msg.size_bytes = odd_sizes[i];
            int r = shmbus_commit(&msg, 0);
            if (r != (odd_sizes[i] <= 100 ? 0 : -EMSGSIZE)) {
                wrong("shmbus_commit", (int64_t)odd_sizes[i], r);
            }
            if (r < 0) {
                T_OK(shmbus_abort(&msg));
                continue;
            }
            T_OK(shmbus_recv(ways[w][1], &back, 0));
            CU_ASSERT_EQUAL(back.size_bytes, odd_sizes[i]);
            T_OK(shmbus_release(&back));
        }
        check_works(&rig);
    }
    rig_end(&rig);
}

T_TEST(numbers, a_region_gives_and_takes_what_lies_in_it)
{
    struct rig rig;
    uint64_t values[] = {0,
                         1,
                         63,
                         64,
                         4095,
                         4096,
                         4097,
                         UINT32_MAX,
                         UINT64_MAX / 2,
                         UINT64_MAX - 8,
                         UINT64_MAX - 1,
                         UINT64_MAX};
    static unsigned char area[4096];

    rig_make(&rig);
    for (size_t o = 0; o < COUNT_OF(values); o++) {
        for (size_t s = 0; s < COUNT_OF(values); s++) {
            bool fits = values[o] <= 4096 && values[s] <= 4096 - values[o];
            int r = shmbus_region_write(rig.region, values[o], area, values[s], 0);
            if (r != (fits ? 0 : -ERANGE)) {
                wrong("shmbus_region_write", (int64_t)values[o], r);
            }
            r = shmbus_region_read(rig.region, values[o], area, values[s], 0);
            if (r != (fits ? 0 : -ERANGE)) {
                wrong("shmbus_region_read", (int64_t)values[o], r);
            }
        }
    }
    rig_end(&rig);
}

/* -------------------------------------------------------------------------- counts and indexes */

static bool shown(void *context, const struct shmbus_msg *msg)
{
    (void)msg;
    ++*(int *)context;
    return true;
}

T_TEST(numbers, a_count_is_a_limit_and_no_promise)
{
    static const size_t counts[] = {0, 1, 2, 3, 64, INT_MAX, SIZE_MAX / 2, SIZE_MAX};
    struct rig rig;

    rig_make(&rig);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct shmbus_msg msgs[4];
        uint64_t counters[SHMBUS_COUNTER_COUNT + 1];
        int seen = 0, wanted = counts[i] < 2 ? (int)counts[i] : 2;
        t_put(rig.q, 1);
        t_put(rig.q, 2);
        int r = shmbus_peek(rig.bus, "q", counts[i], shown, &seen);
        if (r != wanted || seen != wanted) {
            wrong("shmbus_peek", (int64_t)counts[i], r);
        }
        r = shmbus_recv_batch(rig.q, msgs, counts[i], 0);
        if (counts[i] == 0 ? r != -EINVAL && r != 0 : r != wanted) {
            wrong("shmbus_recv_batch", (int64_t)counts[i], r);
        }
        T_OK(shmbus_release_batch(msgs, r > 0 ? (size_t)r : 0));
        while (t_get(rig.q) != UINT64_MAX) {
        }
        counters[SHMBUS_COUNTER_COUNT] = 4711;
        r = shmbus_channel_counters(rig.q, counters, counts[i]);
        wanted = counts[i] < SHMBUS_COUNTER_COUNT ? (int)counts[i] : SHMBUS_COUNTER_COUNT;
        if (r != wanted || counters[SHMBUS_COUNTER_COUNT] != 4711) {
            wrong("shmbus_channel_counters", (int64_t)counts[i], r);
        }
        check_works(&rig);
    }
    T_FAILS(shmbus_send_batch(rig.q, NULL, 1, 0), -EINVAL);
    rig_end(&rig);
}

T_TEST(numbers, an_index_is_in_the_table_or_the_end_of_it)
{
    static const uint32_t indexes[] = {4, 7, 8, 1000, 65535, 65536, INT32_MAX, UINT32_MAX};
    struct rig rig;
    struct shmbus_plan *plan = NULL;

    rig_make(&rig);
    T_OK_FATAL(shmbus_plan_parse(plan_text, sizeof plan_text - 1, "plan", &plan));
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        struct shmbus_channel_stat channel = {.struct_bytes = sizeof channel};
        struct shmbus_process_stat process = {.struct_bytes = sizeof process};
        struct shmbus_block_stat block = {.struct_bytes = sizeof block};
        struct shmbus_region_stat region = {.struct_bytes = sizeof region};
        int r = shmbus_channel_stat(rig.bus, indexes[i], &channel);
        if (indexes[i] >= 7 && r != -ENOENT) {
            wrong("shmbus_channel_stat", indexes[i], r);
        }
        T_FAILS(shmbus_process_stat(rig.bus, indexes[i], &process), -ENOENT);
        T_FAILS(shmbus_block_stat(rig.bus, indexes[i], &block), -ENOENT);
        T_FAILS(shmbus_plan_block_stat(plan, indexes[i], &block), -ENOENT);
        T_FAILS(shmbus_plan_get_blocks(plan, indexes[i], NULL), -ENOENT);
        T_FAILS(shmbus_plan_get_region(plan, indexes[i], NULL, NULL), -ENOENT);
        r = shmbus_plan_get_channel(plan, indexes[i], NULL, NULL);
        if (indexes[i] >= 7 && r != -ENOENT) {
            wrong("shmbus_plan_get_channel", indexes[i], r);
        }
        T_FAILS(shmbus_region_stat(rig.bus, indexes[i], &region), -ENOENT);
    }
    shmbus_plan_free(plan);
    rig_end(&rig);
}

T_TEST(numbers, a_struct_of_any_length_is_filled_as_far_as_it_goes)
{
    struct rig rig;

    rig_make(&rig);
    for (size_t bytes = 0; bytes <= sizeof(struct shmbus_channel_stat); bytes++) {
        struct shmbus_channel_stat stat[2];
        memset(stat, 0xee, sizeof stat);
        stat[0].struct_bytes = bytes;
        int r = shmbus_channel_stat(rig.bus, 0, stat);
        CU_ASSERT_TRUE(r == 0 || r == -EINVAL);
        for (size_t i = bytes > sizeof bytes ? bytes : sizeof bytes; i < sizeof stat; i++) {
            CU_ASSERT_EQUAL_FATAL(((unsigned char *)stat)[i], 0xee);
        }
    }
    rig_end(&rig);
}

/* ---------------------------------------------------------------------------- flags and names */

T_TEST(numbers, a_mode_is_a_set_of_flags_that_fit_together)
{
    const unsigned known = SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV | SHMBUS_OPEN_EXISTING |
                           SHMBUS_OPEN_THREAD | SHMBUS_OPEN_QUEUE | SHMBUS_OPEN_STREAM |
                           SHMBUS_OPEN_GIVE_BACK;
    struct rig rig;

    rig_make(&rig);
    for (unsigned mode = 0; mode < 256; mode++) {
        struct shmbus_channel *ch = NULL;
        bool good = (mode & ~known) == 0 && (mode & (SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV)) != 0 &&
                    (mode & SHMBUS_OPEN_STREAM) == 0;
        int r = shmbus_channel_open(rig.bus, "q", mode, NULL, &ch);
        if (good != (r == 0)) {
            wrong("shmbus_channel_open", mode, r);
        }
        shmbus_channel_close(ch);
        ch = NULL;
        r = shmbus_channel_open(rig.bus, "q", mode | 0x80000000u, NULL, &ch);
        if (r != -EINVAL) {
            wrong("shmbus_channel_open", mode, r);
        }
    }
    rig_end(&rig);
}

T_TEST(numbers, attach_takes_any_spin_and_only_its_own_flags)
{
    static const int64_t spins[] = {INT64_MIN, -2, -1, 0, 1, INT64_MAX};
    struct rig rig;
    struct shmbus_msg msg;

    rig_make(&rig);
    for (size_t i = 0; i < COUNT_OF(spins); i++) {
        struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
        struct shmbus *bus = NULL;
        opts.spin_ns = spins[i];
        int r = shmbus_attach(rig.name, &opts, &bus);
        if (r != 0 && r != -EINVAL) {
            wrong("shmbus_attach", spins[i], r);
        }
        if (r == 0) {
            struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
            T_FAILS(shmbus_recv(ch, &msg, T_MS), -ETIMEDOUT);
            shmbus_detach(bus);
        }
    }
    for (unsigned flag = 256; flag != 0; flag <<= 1) {
        struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
        struct shmbus *bus = NULL;
        opts.flags = flag;
        T_FAILS(shmbus_attach(rig.name, &opts, &bus), -EINVAL);
    }
    rig_end(&rig);
}

T_TEST(numbers, a_number_without_a_meaning_has_no_name)
{
    static const int errors[] = {INT_MIN, INT_MIN + 1, -70000, -6000, 6000, 70000, INT_MAX};

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(shmbus_strerror(errors[i]));
        CU_ASSERT_NOT_EQUAL(shmbus_strerror(errors[i])[0], '\0');
        CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(errors[i]), "?");
        CU_ASSERT_FALSE(shmbus_error_is_retryable(errors[i]));
        CU_ASSERT_FALSE(shmbus_error_is_fatal(errors[i]));
    }
    CU_ASSERT_STRING_EQUAL(shmbus_strerrorname(0), "OK");
    CU_ASSERT_PTR_NULL(shmbus_counter_name(UINT_MAX));
    CU_ASSERT_PTR_NULL(shmbus_counter_unit(UINT_MAX));
    CU_ASSERT_PTR_NULL(shmbus_counter_text(UINT_MAX));
    for (unsigned type = 256; type != 0; type <<= 1) {
        const char *name = shmbus_type_name(type);
        CU_ASSERT_TRUE(name == NULL || strcmp(name, "data") != 0);
        CU_ASSERT_STRING_EQUAL(shmbus_kind_name(type), "?");
        CU_ASSERT_STRING_EQUAL(shmbus_on_full_name(type), "?");
        CU_ASSERT_STRING_EQUAL(shmbus_order_name(type), "?");
        CU_ASSERT_STRING_EQUAL(shmbus_life_name(type), "?");
        CU_ASSERT_STRING_EQUAL(shmbus_severity_name(type), "?");
    }
}

/* -------------------------------------------------------------------------------------- plans */

enum { NUMBERS_OF_PLAN = 12, NUMBERS_OF_CHANNEL = 8 };

static int put_into_plan(struct shmbus_plan *plan, int what, uint64_t odd)
{
    struct shmbus_plan_opts whole = {.struct_bytes = sizeof whole};
    struct shmbus_region_opts region = {sizeof region, odd};
    struct shmbus_block_opts blocks = {sizeof blocks, what == 10 ? odd : 7777,
                                       what == 10 ? 1 : odd};

    switch (what) {
    case 9:
        return shmbus_plan_add_region(plan, "r", &region);
    case 10:
    case 11:
        return shmbus_plan_add_blocks(plan, &blocks);
    default:
        break;
    }
    whole.processes = what == 1 ? (uint32_t)odd : 0;
    whole.spare_channels = what == 2 ? (uint32_t)odd : 0;
    whole.spare_depth = what == 3 ? (uint32_t)odd : 0;
    whole.heartbeat_interval_ns = what == 4 ? (int64_t)odd : 0;
    whole.heartbeat_timeout_ns = what == 5 ? (int64_t)odd : 0;
    whole.spare_message_bytes = what == 6 ? odd : 0;
    whole.spare_share = what == 7 ? (uint32_t)odd : 0;
    whole.mode = what == 8 ? (mode_t)odd : 0;
    return shmbus_plan_set(plan, &whole);
}

static int add_then_set(struct shmbus_plan *plan, const struct shmbus_channel_opts *c)
{
    int r = shmbus_plan_add_channel(plan, "c", NULL);

    return r < 0 ? r : shmbus_plan_set_channel(plan, "c", c);
}

static int put_into_channel(struct shmbus_plan *plan, int what, uint64_t odd)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c, .kind = SHMBUS_KIND_QUEUE};

    c.order = what < 4 ? SHMBUS_ORDER_PRODUCER : 0;
    c.depth = what == 0 ? (uint32_t)odd : 0;
    c.message_bytes = what == 1 ? odd : 0;
    c.producers = what == 2 ? (uint32_t)odd : 0;
    c.endpoints = what == 3 ? (uint32_t)odd : 0;
    c.on_full = what == 4 ? (uint32_t)odd : 0;
    c.order = what == 5 ? (uint32_t)odd : c.order;
    c.kind = what == 6 ? SHMBUS_KIND_STREAM : what == 7 ? (uint32_t)odd : c.kind;
    c.bytes = what == 6 ? odd : what == 7 ? 4096 : 0;
    return what % 2 == 0 ? shmbus_plan_add_channel(plan, "c", &c) : add_then_set(plan, &c);
}

/* What comes of it is said, and the number of bytes is right or untouched. */
static void check_plan(const struct shmbus_plan *plan, int what, int r)
{
    uint64_t bytes = 4711;

    if (r == 0) {
        r = shmbus_plan_check(plan, &bytes);
        CU_ASSERT_TRUE(r < 0 ? bytes == 4711 : bytes > 4096 && bytes <= 1ull << 46);
    }
    if (r < 0 && (strcmp(shmbus_strerrorname(r), "?") == 0 || shmbus_detail()[0] == '\0')) {
        wrong("shmbus_plan", what, r);
    }
}

/* Each number of a plan in turn; nothing overflows. */
T_TEST(numbers, a_plan_of_odd_numbers_is_made_or_refused)
{
    static const uint64_t odd[] = {
        0,        1,          2,          3,          255,        65535,     65536,      INT32_MAX,
        1u << 31, UINT32_MAX, 1ull << 33, 1ull << 40, 1ull << 46, INT64_MAX, 1ull << 63, UINT64_MAX,
    };

    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        for (int what = 0; what < NUMBERS_OF_PLAN + NUMBERS_OF_CHANNEL; what++) {
            struct shmbus_plan *plan = NULL;
            int r = shmbus_plan_new(what == 0 ? odd[i] : 0, &plan);
            CU_ASSERT_TRUE(r == 0 || (what == 0 && r < 0));
            if (r < 0) {
                continue;
            }
            r = what < NUMBERS_OF_PLAN ? put_into_plan(plan, what, odd[i])
                                       : put_into_channel(plan, what - NUMBERS_OF_PLAN, odd[i]);
            check_plan(plan, what, r);
            shmbus_plan_free(plan);
        }
    }
}

/* Every limit of a stop has a meaning; a time to wait for may have none. */
static void stop_with(struct rig *rig, int64_t odd)
{
    bool is_time = odd >= 0 || odd == SHMBUS_WAIT_FOREVER;
    struct shmbus_stop *stop = NULL;
    struct shmbus_msg msg;
    int64_t left_ns;
    int r;

    T_OK_FATAL(shmbus_stop_new(rig->bus, NULL, &stop));
    if (!is_time) {
        T_FAILS(shmbus_stop_sleep(stop, odd), -EINVAL);
        T_FAILS(shmbus_stop_recv(stop, rig->q, &msg, odd), -EINVAL);
    } else if (odd >= 0 && odd <= T_MS) {
        T_OK(shmbus_stop_sleep(stop, odd));
        T_FAILS(shmbus_stop_recv(stop, rig->q, &msg, odd), odd == 0 ? -EAGAIN : -ETIMEDOUT);
    }
    shmbus_stop_ask(stop, odd);
    left_ns = shmbus_stop_left_ns(stop);
    /* beyond what the clock can say there is none */
    CU_ASSERT_TRUE(odd < 0 || odd > INT64_MAX / 2 ? left_ns > INT64_MAX / 2
                                                  : left_ns >= 0 && left_ns <= odd);
    T_FAILS(shmbus_stop_sleep(stop, SHMBUS_WAIT_FOREVER), -ECANCELED);
    r = shmbus_stop_drain(stop, odd, NULL);
    CU_ASSERT_EQUAL(r, is_time ? 0 : -EINVAL);
    shmbus_stop_free(stop);
    shmbus_interrupt_clear(rig->bus);
}

T_TEST(numbers, a_stop_takes_any_limit_and_waits_for_no_negative_time)
{
    static const int64_t odd[] = {INT64_MIN, -2, -1, 0, 1, T_MS, INT64_MAX - 1, INT64_MAX};
    struct rig rig;

    rig_make(&rig);
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        stop_with(&rig, odd[i]);
        check_works(&rig);
    }
    rig_end(&rig);
}

static bool no_more(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    (void)severity, (void)what, (void)cure;
    return context != NULL;
}

T_TEST(numbers, a_check_with_odd_limits_is_made_or_refused)
{
    static const uint32_t odd[] = {0, 1, 99, 100, 101, INT32_MAX, UINT32_MAX - 1, UINT32_MAX};
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = t_bus_new(t_plan(2, 64, 8), name);

    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        bool is_limit = odd[i] <= 100 || odd[i] == SHMBUS_CHECK_NEVER;
        struct shmbus_check_opts full = SHMBUS_CHECK_OPTS_INIT, used = full, letters = full;

        full.full_percent = used.used_percent = letters.dead_letters = odd[i];
        CU_ASSERT_EQUAL(shmbus_check_with(bus, &full, no_more, NULL) >= 0, is_limit);
        CU_ASSERT_EQUAL(shmbus_check_with(bus, &used, no_more, NULL) >= 0, is_limit);
        CU_ASSERT_TRUE(shmbus_check_with(bus, &letters, no_more, NULL) >= 0);
    }
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------- no call forgotten */

/* Calls without a number but sizes of texts and structs, or tested as a whole elsewhere. */
static const char *const no_number[] = {
    "shmbus_abort",
    "shmbus_attach",
    "shmbus_bus_stat",
    "shmbus_channel_bus",
    "shmbus_channel_close",
    "shmbus_channel_fd",
    "shmbus_channel_name",
    "shmbus_channel_size_max",
    "shmbus_check",
    "shmbus_create",
    "shmbus_detach",
    "shmbus_detail",
    "shmbus_give_back",
    "shmbus_heartbeat",
    "shmbus_interrupt",
    "shmbus_interrupt_clear",
    "shmbus_list",
    "shmbus_plan_clear_blocks",
    "shmbus_plan_compare",
    "shmbus_plan_free",
    "shmbus_plan_get",
    "shmbus_plan_load",
    "shmbus_reclaim",
    "shmbus_region_bytes",
    "shmbus_region_close",
    "shmbus_region_open",
    "shmbus_release",
    "shmbus_requeue",
    "shmbus_shutdown",
    "shmbus_slot",
    "shmbus_stop_asked",
    "shmbus_stop_give_back",
    "shmbus_stop_signals",
    "shmbus_unlink",
    "shmbus_unlink_if_unused",
    "shmbus_version",
};

/* Every other one is called here by its name. */
T_TEST(numbers, no_call_of_the_interface_is_forgotten)
{
    FILE *list = fopen(t_source_path("test/abi/symbols-0.1"), "re");
    FILE *here = fopen(t_source_path("test/unit/test_numbers.c"), "re");
    static char text[65536];
    char line[128];

    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    CU_ASSERT_PTR_NOT_NULL_FATAL(here);
    text[fread(text, 1, sizeof text - 1, here)] = '\0';
    while (fgets(line, sizeof line, list) != NULL) {
        char call[132];
        bool exempt = line[0] == '#';
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < COUNT_OF(no_number) && !exempt; i++) {
            exempt = strcmp(no_number[i], line) == 0;
        }
        snprintf(call, sizeof call, "%s(", line);
        if (!exempt && strstr(text, call) == NULL) {
            printf("%s is called with no odd number\n", line);
            CU_FAIL("a call was forgotten");
        }
    }
    fclose(here);
    fclose(list);
}
