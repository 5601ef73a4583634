/* SPDX-License-Identifier: MIT */
/*
 * Numbers, peek and health check: exact where nothing moves, harmless where everything is damaged,
 * and never a store to the segment.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fixture.h"

static struct shmbus *observe(const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

/* Order per producer: lanes of cells. */
static void plan_lanes(struct shmbus_plan *plan, const char *name)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = 8,
                                    .on_full = SHMBUS_FULL_REJECT,
                                    .max_deliveries = 2,
                                    .dead_letter = "dead",
                                    .order = SHMBUS_ORDER_PRODUCER,
                                    .message_bytes = 256,
                                    .producers = 3};
    T_OK_FATAL(shmbus_plan_add_channel(plan, name, &c));
}

/* A bus with one of everything. */
static struct shmbus *make_bus(char *name)
{
    struct shmbus_plan *plan = t_plan(4, 256, 64);
    t_plan_queue(plan, "tasks", 16, SHMBUS_FULL_REJECT, 2, "dead");
    t_plan_queue(plan, "dead", 16, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_stream(plan, "ticks", 4096);
    plan_lanes(plan, "jobs");
    T_OK_FATAL(t_add_region(plan, "data", 100));
    return t_bus_new(plan, name);
}

static uint64_t count_of(const uint64_t *counters, enum shmbus_counter counter)
{
    return counters[counter];
}

static struct shmbus_process_stat own_stat(struct shmbus *bus)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_process_stat(bus, bus->member.slot, &stat));
    return stat;
}

/* ----------------------------------------------------------------------------------- numbers */

T_TEST(stat, channel_and_process_count_every_message)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *other = t_attach(name);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(other, "tasks", SHMBUS_OPEN_RECV);
    struct shmbus_channel_stat stat;
    struct shmbus_process_stat process;
    struct shmbus_msg held[3];
    for (uint64_t i = 0; i < 10; i++) {
        t_put(tx, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        t_take(rx, &held[i]);
    }
    T_OK(shmbus_release(&held[0]));
    T_OK(shmbus_requeue(&held[1]));
    stat = t_channel_stat(bus, "tasks");
    CU_ASSERT_EQUAL(stat.kind, SHMBUS_KIND_QUEUE);
    CU_ASSERT_EQUAL(stat.on_full, SHMBUS_FULL_REJECT);
    CU_ASSERT_EQUAL(stat.max_deliveries, 2);
    CU_ASSERT_STRING_EQUAL(stat.dead_letter, "dead");
    CU_ASSERT_EQUAL(stat.capacity, 16);
    CU_ASSERT_EQUAL(stat.depth, 7);
    CU_ASSERT_EQUAL(stat.depth_max, 10);
    CU_ASSERT_EQUAL(stat.held, 1);
    CU_ASSERT_EQUAL(stat.redeliverable, 1);
    CU_ASSERT_EQUAL(stat.senders, 1);
    CU_ASSERT_EQUAL(stat.receivers, 1);
    CU_ASSERT_EQUAL(count_of(stat.counters, SHMBUS_COUNT_sent), 10);
    CU_ASSERT_EQUAL(count_of(stat.counters, SHMBUS_COUNT_sent_bytes), 80);
    CU_ASSERT_EQUAL(count_of(stat.counters, SHMBUS_COUNT_received), 3);
    CU_ASSERT_EQUAL(count_of(stat.counters, SHMBUS_COUNT_acknowledged), 1);
    CU_ASSERT_EQUAL(count_of(stat.counters, SHMBUS_COUNT_requeued), 1);
    process = own_stat(bus);
    CU_ASSERT_EQUAL(count_of(process.counters, SHMBUS_COUNT_sent), 10);
    CU_ASSERT_EQUAL(count_of(process.counters, SHMBUS_COUNT_received), 0);
    process = own_stat(other);
    CU_ASSERT_EQUAL(count_of(process.counters, SHMBUS_COUNT_received), 3);
    CU_ASSERT_EQUAL(process.held_blocks, 1);
    shmbus_channel_close(tx); /* the channel keeps the count, the next handle starts at its own */
    CU_ASSERT_EQUAL(count_of(t_channel_stat(bus, "tasks").counters, SHMBUS_COUNT_sent), 10);
    tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    t_put(tx, 10);
    CU_ASSERT_EQUAL(count_of(t_channel_stat(bus, "tasks").counters, SHMBUS_COUNT_sent), 11);
    CU_ASSERT_EQUAL(count_of(own_stat(bus).counters, SHMBUS_COUNT_sent), 1);
    shmbus_detach(other);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "tasks").receivers, 0);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "tasks").redeliverable, 2);
    t_bus_end(bus, name);
}

/* Each look at least as high as the one before, and as what waits. */
static uint64_t high_of(struct shmbus *bus, const char *channel, uint64_t before, bool exact)
{
    struct shmbus_channel_stat stat = t_channel_stat(bus, channel);
    CU_ASSERT_TRUE(stat.depth_max >= before);
    CU_ASSERT_TRUE(!exact || stat.depth_max >= stat.depth);
    return stat.depth_max;
}

T_TEST(stat, a_high_water_mark_never_falls)
{
    static const char *const channels[] = {"tasks", "ticks"};
    for (size_t c = 0; c < 2; c++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = make_bus(name);
        struct shmbus_channel *rx = t_open(bus, channels[c], SHMBUS_OPEN_RECV);
        uint64_t high = high_of(bus, channels[c], 0, true);
        CU_ASSERT_EQUAL(high, 0);
        for (unsigned round = 0; round < 3; round++) {
            struct shmbus_channel *tx = t_open(bus, channels[c], SHMBUS_OPEN_SEND);
            for (unsigned n = 0; n < 300; n++) {
                while (t_send(tx, n, 0) == 0 && n % (7 + round) != 0) {
                    high = high_of(bus, channels[c], high, n < 100);
                }
                while (n % 3 == 0 && t_get(rx) != UINT64_MAX) {
                }
            }
            while (t_get(rx) != UINT64_MAX) {
            }
            high = high_of(bus, channels[c], high, true);
            shmbus_channel_close(tx);
            high = high_of(bus, channels[c], high, true);
            if (round == 1) { /* a sender of few messages, perhaps in the row of that of many */
                tx = t_open(bus, channels[c], SHMBUS_OPEN_SEND);
                t_put(tx, 1);
                shmbus_channel_close(tx);
            }
        }
        shmbus_channel_close(rx);
        t_bus_end(bus, name);
    }
}

T_TEST(stat, a_dead_letter_waits_in_the_queue_it_was_meant_for)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ch = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    t_put(ch, 5);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(t_take(ch, &msg), 5);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 1);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "tasks").dead_letters, 0);
    CU_ASSERT_EQUAL(count_of(t_channel_stat(bus, "tasks").counters, SHMBUS_COUNT_dead_lettered), 1);
    CU_ASSERT_EQUAL(t_blocks(bus).dead_letters, 1);
    t_bus_end(bus, name);
}

T_TEST(stat, blocks_in_hand_are_told_from_blocks_in_stock)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ch = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg reserved, held;
    struct shmbus_process_stat stat;
    t_put(ch, 1);
    t_take(ch, &held);
    T_OK(shmbus_reserve(ch, 8, &reserved, 0));
    stat = own_stat(bus);
    CU_ASSERT_EQUAL(stat.held_blocks, 2);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 2);
    CU_ASSERT_EQUAL(t_blocks(bus).stock, stat.stock_blocks);
    T_OK(shmbus_abort(&reserved));
    T_OK(shmbus_release(&held));
    CU_ASSERT_EQUAL(own_stat(bus).held_blocks, 0);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 0);
    t_bus_end(bus, name);
}

T_TEST(stat, the_bus_tells_who_it_is_and_who_lives)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_STRING_EQUAL(stat.name, name);
    CU_ASSERT_EQUAL(strlen(stat.uuid), 36);
    CU_ASSERT_EQUAL(stat.uuid[14], '4');
    CU_ASSERT_EQUAL(stat.processes_max, 4);
    CU_ASSERT_EQUAL(stat.processes_alive, 1);
    CU_ASSERT_EQUAL(stat.channels_max, 6);
    CU_ASSERT_EQUAL(stat.channels_used, 4);
    CU_ASSERT_EQUAL(stat.regions, 1);
    CU_ASSERT_EQUAL(stat.block_classes, 1);
    CU_ASSERT_EQUAL(stat.mode, 0600);
    CU_ASSERT_FALSE(stat.unlinked || stat.shutting_down);
    t_corpse(bus);
    T_OK(shmbus_shutdown(bus, true));
    CU_ASSERT_EQUAL(chmod(stat.path, 0640), 0);
    sb_store_relaxed(&bus->view.processes[bus->member.slot].heartbeat_ns, 1);
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_EQUAL(stat.processes_alive, 0);
    CU_ASSERT_EQUAL(stat.processes_idle, 1);
    CU_ASSERT_EQUAL(stat.processes_stalled, 0);
    CU_ASSERT_EQUAL(stat.processes_dead, 1);
    CU_ASSERT_EQUAL(stat.mode, 0640);
    CU_ASSERT_TRUE(stat.shutting_down);
    T_OK(shmbus_unlink(name));
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_TRUE(stat.unlinked);
    shmbus_detach(bus);
}

T_TEST(stat, rows_end_with_enoent_and_gaps_are_enodata)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel_stat channel = {.struct_bytes = sizeof channel};
    struct shmbus_process_stat process = {.struct_bytes = sizeof process};
    struct shmbus_block_stat block = {.struct_bytes = sizeof block};
    struct shmbus_region_stat region = {.struct_bytes = sizeof region};
    T_FAILS(shmbus_channel_stat(bus, 4, &channel), -ENODATA);
    T_FAILS(shmbus_channel_stat(bus, 6, &channel), -ENOENT);
    T_FAILS(shmbus_process_stat(bus, 3, &process), -ENODATA);
    T_FAILS(shmbus_process_stat(bus, 4, &process), -ENOENT);
    T_FAILS(shmbus_block_stat(bus, 1, &block), -ENOENT);
    T_OK(shmbus_region_stat(bus, 0, &region));
    CU_ASSERT_STRING_EQUAL(region.name, "data");
    CU_ASSERT_EQUAL(region.bytes, 100);
    T_FAILS(shmbus_region_stat(bus, 1, &region), -ENOENT);
    T_FAILS(shmbus_bus_stat(bus, NULL), -EINVAL);
    T_FAILS(shmbus_bus_stat(NULL, NULL), -EINVAL);
    channel.struct_bytes = 0;
    T_FAILS(shmbus_channel_stat(bus, 0, &channel), -EINVAL);
    t_bus_end(bus, name);
}

T_TEST(stat, an_older_and_a_newer_caller_get_what_both_know)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel_stat full = {.struct_bytes = sizeof full};
    uint8_t room[sizeof full + 64];
    size_t older = offsetof(struct shmbus_channel_stat, capacity), newer = sizeof full + 32;
    struct shmbus_channel_stat *stat = malloc(sizeof room);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stat);
    T_OK(shmbus_channel_stat(bus, 0, &full));
    memset(stat, 0xee, sizeof room);
    memcpy(stat, &older, sizeof older);
    T_OK(shmbus_channel_stat(bus, 0, stat));
    memset(room, 0xee, sizeof room);
    memcpy(room, &full, older);
    memcpy(room, &older, sizeof older);
    CU_ASSERT_EQUAL(memcmp(stat, room, sizeof room), 0);
    memset(stat, 0xee, sizeof room);
    memcpy(stat, &newer, sizeof newer);
    T_OK(shmbus_channel_stat(bus, 0, stat));
    memset(room, 0xee, sizeof room);
    memset(room, 0, newer);
    memcpy(room, &full, sizeof full);
    memcpy(room, &newer, sizeof newer);
    CU_ASSERT_EQUAL(memcmp(stat, room, sizeof room), 0);
    free(stat);
    t_bus_end(bus, name);
}

/* -------------------------------------------------------------------------------------- peek */

struct seen {
    uint64_t values[64], sequences[64];
    uint32_t deliveries[64];
    unsigned count, stop_at;
};

static bool see(void *context, const struct shmbus_msg *msg)
{
    struct seen *seen = context;
    seen->sequences[seen->count] = msg->sequence;
    seen->deliveries[seen->count] = msg->delivery_count;
    seen->values[seen->count++] = t_value(msg);
    return seen->count != seen->stop_at;
}

T_TEST(stat, peek_shows_a_queue_in_the_order_of_delivery_and_takes_nothing)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *ch = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    struct seen seen = {0};
    for (uint64_t i = 0; i < 30; i++) { /* round the ring */
        t_put(ch, i);
        CU_ASSERT_EQUAL(t_get(ch), i);
    }
    for (uint64_t i = 30; i < 35; i++) {
        t_put(ch, i);
    }
    CU_ASSERT_EQUAL(t_take(ch, &msg), 30);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_EQUAL(shmbus_peek(observer, "tasks", 100, see, &seen), 5);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(seen.values[i], 30 + i);
        CU_ASSERT_EQUAL(seen.sequences[i], 31 + i);
        CU_ASSERT_EQUAL(seen.deliveries[i], i == 0 ? 2 : 1);
    }
    CU_ASSERT_EQUAL(shmbus_peek(observer, "tasks", 2, see, &(struct seen){0}), 2);
    CU_ASSERT_EQUAL(shmbus_peek(observer, "tasks", 0, see, &(struct seen){0}), 0);
    CU_ASSERT_EQUAL(shmbus_peek(observer, "tasks", 9, see, &(struct seen){.stop_at = 3}), 3);
    T_FAILS(shmbus_peek(observer, "nothing", 9, see, &seen), -ENOENT);
    T_FAILS(shmbus_peek(observer, "tasks", 9, NULL, &seen), -EINVAL);
    T_FAILS(shmbus_peek(observer, NULL, 9, see, &seen), -EINVAL);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 30);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_requeue(&msg)); /* becomes a dead letter */
    seen = (struct seen){0};
    CU_ASSERT_EQUAL(shmbus_peek(observer, "tasks", 100, see, &seen), 4);
    CU_ASSERT_EQUAL(seen.values[0], 31);
    seen = (struct seen){0};
    CU_ASSERT_EQUAL(shmbus_peek(observer, "dead", 100, see, &seen), 1);
    CU_ASSERT_EQUAL(seen.values[0], 30);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(stat, peek_shows_a_stream_and_who_sends)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *tx = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "ticks", SHMBUS_OPEN_RECV);
    struct seen seen = {0};
    for (uint64_t i = 0; i < 500; i++) {
        t_put(tx, i);
        CU_ASSERT_EQUAL(t_get(rx), i);
    }
    for (uint64_t i = 500; i < 520; i++) {
        t_put(tx, i);
    }
    CU_ASSERT_EQUAL(shmbus_peek(observer, "ticks", 100, see, &seen), 20);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(seen.values[i], 500 + i);
        CU_ASSERT_EQUAL(seen.sequences[i], 501 + i);
    }
    CU_ASSERT_EQUAL(t_channel_stat(observer, "ticks").depth, 20 * 16);
    CU_ASSERT_EQUAL(t_channel_stat(observer, "ticks").capacity, 4096);
    CU_ASSERT_EQUAL(t_get(rx), 500);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

/* Messages of one value in every byte, as fast as they go round. */
struct whirl {
    char name[SHMBUS_NAME_BYTES];
    const char *channel;
    sb_word stop;
};

static void *whirl(void *arg)
{
    struct whirl *w = arg;
    struct shmbus *bus = t_attach(w->name);
    struct shmbus_channel *ch = t_open(bus, w->channel, SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    uint8_t data[256];
    for (unsigned i = 0; sb_load_acquire(&w->stop) == 0; i++) {
        memset(data, (int)(i & 0xff), sizeof data);
        shmbus_send(ch, data, 64 + i % 192, 0);
        if (i % 3 > 0 && shmbus_recv(ch, &msg, 0) == 0) {
            shmbus_release(&msg);
        }
        if (i % 16 == 0) {
            while (shmbus_recv(ch, &msg, 0) == 0) {
                shmbus_release(&msg);
            }
        }
    }
    shmbus_detach(bus);
    return NULL;
}

static bool is_one_value(void *context, const struct shmbus_msg *msg)
{
    const uint8_t *data = msg->data;
    uint64_t *bad = context;
    for (size_t i = 1; i < msg->size_bytes; i++) {
        *bad += data[i] != data[0];
    }
    *bad += msg->size_bytes < 64 || msg->size_bytes > 255;
    return true;
}

static bool is_clean_finding(const char *what)
{
    return strstr(what, "full") != NULL || strstr(what, "is free") != NULL;
}

static bool note_bad(void *context, enum shmbus_severity severity, const char *what,
                     const char *cure)
{
    (void)cure;
    if (severity > SHMBUS_SEVERITY_NOTE && !is_clean_finding(what)) {
        puts(what);
        ++*(uint64_t *)context;
    }
    return true;
}

/* TSan cannot see that a racy copy is thrown away. */
static void look_while_busy(const char *channel)
{
    struct whirl w = {.channel = channel};
    struct shmbus *bus, *observer;
    pthread_t thread;
    uint64_t bad = 0, shown = 0, peeks = t_is_sanitized() ? 2000 : 40000;
#ifdef SB_TSAN
    t_skip("peek reads what a sender may write and throws it away");
#endif
    bus = make_bus(w.name);
    observer = observe(w.name);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, whirl, &w), 0);
    for (uint64_t i = 0; i < peeks || (shown < 100 && i < 1000000); i++) {
        int n = shmbus_peek(observer, channel, 16, is_one_value, &bad);
        CU_ASSERT_TRUE_FATAL(n >= 0);
        shown += (unsigned)n;
        if (i % 200 == 0) {
            CU_ASSERT_TRUE(shmbus_check(observer, note_bad, &bad) >= 0);
        }
    }
    sb_store_release(&w.stop, 1);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(bad, 0);
    shmbus_detach(observer);
    t_bus_end(bus, w.name);
}

T_TEST(stat, looking_at_a_busy_bus_shows_no_torn_message_and_no_false_alarm)
{
    look_while_busy("tasks");
}

T_TEST(stat, looking_at_busy_lanes_shows_no_torn_message_and_no_false_alarm)
{
    look_while_busy("jobs");
}

/* ------------------------------------------------------------------------------ health check */

struct findings {
    unsigned count;
    struct {
        enum shmbus_severity severity;
        char what[320], cure[320];
    } list[32];
};

static bool collect(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    struct findings *f = context;
    if (f->count < 32) {
        f->list[f->count].severity = severity;
        snprintf(f->list[f->count].what, sizeof f->list[0].what, "%s", what);
        snprintf(f->list[f->count++].cure, sizeof f->list[0].cure, "%s", cure);
    }
    return true;
}

/* Whether exactly one finding of this severity has these words in it, and a cure. */
static bool finds(struct shmbus *bus, enum shmbus_severity severity, const char *words)
{
    struct findings f = {0};
    unsigned hits = 0, bad = 0;
    int result = shmbus_check(bus, collect, &f);
    for (unsigned i = 0; i < f.count; i++) {
        bad += f.list[i].severity > SHMBUS_SEVERITY_NOTE;
        hits += f.list[i].severity == severity && strstr(f.list[i].what, words) != NULL &&
                f.list[i].cure[0] != '\0';
    }
    if (hits != 1 || result != (int)bad) {
        for (unsigned i = 0; i < f.count; i++) {
            printf("%d: %s\n   %s\n", (int)f.list[i].severity, f.list[i].what, f.list[i].cure);
        }
        printf("wanted: %s\n", words);
    }
    return hits == 1 && result == (int)bad;
}

static bool is_healthy(struct shmbus *bus)
{
    struct findings f = {0};
    int result = shmbus_check(bus, collect, &f);
    for (unsigned i = 0; i < f.count; i++) {
        puts(f.list[i].what);
    }
    return result == 0;
}

T_TEST(check, a_sound_bus_has_no_finding_and_a_dead_process_is_one)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct t_corpse dead;
    CU_ASSERT_TRUE(is_healthy(observer));
    T_FAILS(shmbus_check(observer, NULL, NULL), -EINVAL);
    dead = t_corpse(bus);
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, "is dead and not cleaned up after"));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1);
    CU_ASSERT_TRUE(is_healthy(observer));
    CU_ASSERT_NOT_EQUAL(sb_load_relaxed(&bus->view.processes[dead.slot].w), dead.w);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

static bool only_one(void *context, enum shmbus_severity severity, const char *what,
                     const char *cure)
{
    (void)severity, (void)what, (void)cure;
    ++*(unsigned *)context;
    return false;
}

T_TEST(check, whoever_has_seen_enough_sees_no_more)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ticks = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct findings all = {0};
    unsigned seen = 0;
    t_corpse(bus);
    while (t_send(ticks, 0, 0) == 0) { /* to nobody */
    }
    CU_ASSERT_TRUE(shmbus_check(bus, collect, &all) >= 1);
    CU_ASSERT_TRUE(all.count >= 2);
    CU_ASSERT_TRUE(shmbus_check(bus, only_one, &seen) <= 1);
    CU_ASSERT_EQUAL(seen, 1);
    t_bus_end(bus, name);
}

T_TEST(check, messages_that_wait_for_nobody_are_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *tx = t_open(bus, "tasks", SHMBUS_OPEN_SEND), *rx;
    struct shmbus_channel *ticks = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct shmbus_msg msg;
    t_put(tx, 1);
    rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    t_take(rx, &msg);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_TRUE(is_healthy(observer));
    shmbus_channel_close(rx);
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, "nobody receives"));
    rx = t_open(bus, "tasks", SHMBUS_OPEN_RECV);
    t_take(rx, &msg);
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, "queue \"dead\": 1 dead letters wait"));
    for (uint64_t i = 0; i < 15; i++) {
        t_put(tx, i);
    }
    /* it rejects: its senders know */
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_NOTE, "queue \"tasks\" is 94 % full, 1 receivers"));
    while (t_send(ticks, 0, 0) == 0) {
    }
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_WARNING, "stream \"ticks\" is 100 % full, 0 receivers"));
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(check, a_small_queue_with_one_message_is_not_nearly_full)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 256, 64);
    struct shmbus_channel *ch;
    struct shmbus *bus;
    t_plan_queue(plan, "small", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    bus = t_bus_new(plan, name);
    ch = t_open(bus, "small", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 7; i++) {
        t_put(ch, i);
        CU_ASSERT_TRUE(is_healthy(bus));
    }
    t_put(ch, 7);
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_WARNING, "queue \"small\" is 100 % full"));
    t_bus_end(bus, name);
}

T_TEST(check, blocks_that_nobody_will_give_back_are_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct sb_block *b = sb_block_at(&bus->view.blocks, 7);
    const enum sb_block_state states[] = {SB_BLOCK_FILLING, SB_BLOCK_RECEIVED, SB_BLOCK_QUEUED,
                                          SB_BLOCK_FORWARDED};
    uint32_t nobody = sb_owner_make(3, 9);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        sb_store_relaxed(&b->hdr, sb_hdr_make(5, 1, states[i], nobody));
        CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_CRITICAL,
                             "1 blocks of 256 bytes belong to no process"));
        sb_store_relaxed(&b->hdr, sb_hdr_make(5, 1, states[i], bus->member.owner));
        CU_ASSERT_TRUE(is_healthy(observer));
    }
    sb_store_relaxed(&b->hdr, sb_hdr_make(5, 0, (enum sb_block_state)9, 0));
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_CRITICAL, "1 blocks of 256 bytes belong to no process"));
    sb_store_relaxed(&b->hdr, sb_hdr_make(5, 0, (enum sb_block_state)9, bus->member.owner));
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_CRITICAL, "1 blocks of 256 bytes belong to no process"));
    sb_store_relaxed(&b->hdr, sb_hdr_make(5, 0, SB_BLOCK_FREE, 0));
    sb_and(&bus->view.blocks.classes[0].bitmap[0], ~(1ull << 7));
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_NOTE, "1 free blocks of 256 bytes are not on offer"));
    for (uint32_t i = 0; i < 64; i++) {
        sb_store_relaxed(&sb_block_at(&bus->view.blocks, i)->hdr,
                         sb_hdr_make(5, 1, SB_BLOCK_RECEIVED, bus->member.owner));
    }
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_WARNING, "none of the 64 blocks of 256 bytes is free"));
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(check, a_message_of_a_process_that_has_left_is_no_finding)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name), *other = t_attach(name);
    t_put(t_open(other, "tasks", SHMBUS_OPEN_SEND), 1);
    shmbus_detach(other);
    CU_ASSERT_TRUE(is_healthy(observer));
    CU_ASSERT_EQUAL(t_blocks(observer).queued, 1);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(check, damage_in_rings_and_regions_is_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    const struct sb_channel_view *tasks = &bus->view.channels[t_index(bus, "tasks")];
    struct sb_channel *ticks = bus->view.channels[t_index(bus, "ticks")].shared;
    struct sb_region *region = bus->view.regions[0].shared;
    const uint64_t slots[] = {sb_slot_make(7, SB_SLOT_EMPTY), sb_slot_make(0, 64),
                              sb_slot_make(UINT64_MAX >> 24, SB_SLOT_EMPTY)};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        uint64_t sound = sb_load_relaxed(&tasks->slots[3]);
        sb_store_relaxed(&tasks->slots[3], slots[i]);
        CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_CRITICAL, "queue \"tasks\" has 1 slots"));
        sb_store_relaxed(&tasks->slots[3], sound);
    }
    sb_store_relaxed(&ticks->room, 8); /* ahead of acked */
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_CRITICAL, "stream \"ticks\" has impossible positions"));
    sb_store_relaxed(&ticks->room, 0);
    CU_ASSERT_TRUE(is_healthy(observer));
    sb_store_relaxed(&region->lock, bus->member.owner64);
    CU_ASSERT_TRUE(is_healthy(observer));
    sb_store_relaxed(&region->lock, bus->member.owner64 + (1u << 18));
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, "region \"data\": a process died"));
    sb_store_relaxed(&region->lock, 0);
    sb_store_relaxed(&region->version, 1);
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, "region \"data\": a process died"));
    sb_store_relaxed(&region->version, 0);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(check, a_lost_name_and_open_permissions_are_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name), *other;
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat}, other_stat = stat;
    char text[200];
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_EQUAL(chmod(stat.path, 0666), 0);
    CU_ASSERT_TRUE(
        finds(observer, SHMBUS_SEVERITY_WARNING, "every user of this machine may write"));
    CU_ASSERT_EQUAL(chmod(stat.path, 0660), 0);
    CU_ASSERT_TRUE(is_healthy(observer));
    T_OK(shmbus_shutdown(bus, true));
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_NOTE, "is shutting down"));
    T_OK(shmbus_unlink(name));
    snprintf(text, sizeof text, "was removed (uuid %s, inode %llu)", stat.uuid,
             (unsigned long long)stat.inode);
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, text));
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_TRUE(stat.unlinked);
    CU_ASSERT_STRING_EQUAL(stat.other_uuid, "");
    T_OK(shmbus_create(name, NULL, NULL)); /* another one under that name */
    other = observe(name);
    T_OK(shmbus_bus_stat(other, &other_stat));
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_STRING_EQUAL(stat.other_uuid, other_stat.uuid);
    CU_ASSERT_TRUE(stat.inode != other_stat.inode);
    CU_ASSERT_TRUE(!other_stat.unlinked && other_stat.other_uuid[0] == '\0');
    snprintf(text, sizeof text, "another bus of that name (uuid %s); this one (uuid %s)",
             other_stat.uuid, stat.uuid);
    CU_ASSERT_TRUE(finds(observer, SHMBUS_SEVERITY_WARNING, text));
    shmbus_detach(other);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

/* --------------------------------------------------------------------------- never in the way */

static bool keep_on(void *context, const struct shmbus_msg *msg)
{
    const uint8_t *data = msg->data;
    uint64_t *sum = context;
    for (size_t i = 0; i < msg->size_bytes; i++) {
        *sum += data[i];
    }
    return true;
}

/* Every call there is, on every row. */
static void look_at_everything(struct shmbus *bus)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_channel_stat channel = {.struct_bytes = sizeof channel};
    struct shmbus_process_stat process = {.struct_bytes = sizeof process};
    struct shmbus_block_stat block = {.struct_bytes = sizeof block};
    struct shmbus_region_stat region = {.struct_bytes = sizeof region};
    struct findings f = {0};
    uint64_t sum = 0;
    shmbus_bus_stat(bus, &stat);
    for (uint32_t i = 0; i < 8; i++) {
        shmbus_process_stat(bus, i, &process);
        shmbus_block_stat(bus, i, &block);
        shmbus_region_stat(bus, i, &region);
        if (shmbus_channel_stat(bus, i, &channel) == 0) {
            CU_ASSERT_TRUE(channel.depth <= channel.capacity);
            shmbus_peek(bus, channel.name, 100, keep_on, &sum);
        }
    }
    CU_ASSERT_TRUE(shmbus_check(bus, collect, &f) >= 0);
}

T_TEST(stat, looking_changes_not_one_byte)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *tasks = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *ticks = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *jobs = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    uint8_t *before = malloc(bus->view.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(before);
    t_put(tasks, 1);
    t_put(ticks, 2);
    t_put(jobs, 3);
    t_corpse(bus);
    memcpy(before, bus->view.base, bus->view.bytes);
    look_at_everything(observer); /* mapped read-only: a store would be a crash */
    look_at_everything(bus);      /* mapped for writing */
    CU_ASSERT_EQUAL(memcmp(before, bus->view.base, bus->view.bytes), 0);
    free(before);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

static uint64_t nasty_word(uint64_t sound)
{
    switch (t_random_below(5)) {
    case 0:
        return t_random();
    case 1:
        return t_random_below(512);
    case 2:
        return sound ^ (1ull << t_random_below(64));
    case 3:
        return UINT64_MAX - t_random_below(16);
    default:
        return sound + (1ull << t_random_below(60));
    }
}

/* Something of each state: held, given back, a dead letter. */
static void bury_one(struct shmbus_channel *ch)
{
    struct shmbus_msg msg;
    for (unsigned i = 0; i < 3; i++) {
        T_OK_FATAL(shmbus_recv(ch, &msg, 0));
        T_OK(shmbus_requeue(&msg));
    }
    T_OK_FATAL(shmbus_recv(ch, &msg, 0)); /* kept until the handle is closed */
}

T_TEST(stat, looking_at_a_damaged_segment_ends_well)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *tasks = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *ticks = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *jobs[2] = {t_open(bus, "jobs", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV),
                                      t_open(bus, "jobs", SHMBUS_OPEN_SEND)};
    uint64_t words = bus->view.bytes / 8, *sound = malloc(bus->view.bytes);
    uint64_t rounds = t_is_sanitized() ? 100 : 1000;
    sb_word *all = (sb_word *)(void *)bus->view.base;
    CU_ASSERT_PTR_NOT_NULL_FATAL(sound);
    for (uint64_t i = 0; i < 12; i++) {
        t_put(tasks, i);
        t_put(ticks, i);
        T_OK(t_send(jobs[i % 2], i, 0));
    }
    bury_one(jobs[0]);
    memcpy(sound, bus->view.base, bus->view.bytes);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t share = round % 4 == 0 ? 1 : 2 + t_random_below(200); /* one word in so many */
        for (uint64_t i = 0; i < words; i++) {
            sb_store_relaxed(&all[i], t_random_below(share) == 0 ? nasty_word(sound[i]) : sound[i]);
        }
        look_at_everything(observer);
    }
    memcpy(bus->view.base, sound, bus->view.bytes);
    free(sound);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

/* Of this handle and since it was opened: not what others counted, nor who had the row before. */
T_TEST(stat, a_handle_reads_its_own_counters)
{
    char name[SHMBUS_NAME_BYTES];
    uint64_t counters[SHMBUS_COUNTER_COUNT + 1];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *first = t_open(bus, "tasks", SHMBUS_OPEN_SEND), *other, *again;
    T_OK_FATAL(shmbus_send(first, "1", 1, 0));
    T_OK_FATAL(shmbus_send(first, "22", 2, 0));
    other = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    counters[SHMBUS_COUNTER_COUNT] = 77;
    CU_ASSERT_EQUAL(shmbus_channel_counters(first, counters, SHMBUS_COUNTER_COUNT + 1),
                    SHMBUS_COUNTER_COUNT);
    CU_ASSERT_EQUAL(counters[SHMBUS_COUNTER_COUNT], 77);
    CU_ASSERT_EQUAL(counters[SHMBUS_COUNT_sent], 2);
    CU_ASSERT_EQUAL(counters[SHMBUS_COUNT_sent_bytes], 3);
    CU_ASSERT_EQUAL(shmbus_channel_counters(other, counters, SHMBUS_COUNTER_COUNT),
                    SHMBUS_COUNTER_COUNT);
    CU_ASSERT_EQUAL(counters[SHMBUS_COUNT_sent], 0);
    shmbus_channel_close(first);
    again = t_open(bus, "tasks", SHMBUS_OPEN_SEND); /* the same row */
    counters[1] = 77;
    CU_ASSERT_EQUAL(shmbus_channel_counters(again, counters, 1), 1);
    CU_ASSERT_EQUAL(counters[0], 0);
    CU_ASSERT_EQUAL(counters[1], 77);
    T_FAILS(shmbus_channel_counters(NULL, counters, 1), -EINVAL);
    T_FAILS(shmbus_channel_counters(again, NULL, 1), -EINVAL);
    shmbus_channel_close(other);
    shmbus_channel_close(again);
    t_bus_end(bus, name);
}
