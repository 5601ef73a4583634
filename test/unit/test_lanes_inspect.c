/* SPDX-License-Identifier: MIT */
/*
 * What a look at lanes shows: waiting messages lane by lane, those given back first, dead letters
 * where they are waited for, and each kind of damage.
 */
#include "channel/lanes.h"
#include "fixture.h"

#define DEPTH 8u

static struct shmbus *make_bus(char *name)
{
    struct shmbus_plan *plan = t_plan(4, 64, 7);
    struct shmbus_channel_opts jobs = {.struct_bytes = sizeof jobs,
                                       .kind = SHMBUS_KIND_QUEUE,
                                       .depth = DEPTH,
                                       .on_full = SHMBUS_FULL_REJECT,
                                       .max_deliveries = 2,
                                       .dead_letter = "dead",
                                       .timestamps = SHMBUS_SWITCH_ON,
                                       .order = SHMBUS_ORDER_PRODUCER,
                                       .message_bytes = 1000,
                                       .producers = 3};
    T_OK_FATAL(shmbus_plan_add_channel(plan, "jobs", &jobs));
    t_plan_queue(plan, "dead", DEPTH, SHMBUS_FULL_REJECT, 0, NULL);
    return t_bus_new(plan, name);
}

static struct shmbus *observe(const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

/* -------------------------------------------------------------------------------------- peek */

struct seen {
    unsigned count;
    struct shmbus_msg msgs[32];
    uint64_t values[32];
};

static bool see(void *context, const struct shmbus_msg *msg)
{
    struct seen *seen = context;
    if (seen->count < 32) {
        seen->msgs[seen->count] = *msg;
        seen->values[seen->count++] = t_value(msg);
    }
    return true;
}

static struct seen peek(struct shmbus *bus, const char *channel)
{
    struct seen seen = {0};
    CU_ASSERT_EQUAL(shmbus_peek(bus, channel, 32, see, &seen), (int)seen.count);
    return seen;
}

T_TEST(lanes_inspect, peek_shows_lane_after_lane_each_in_order_and_takes_nothing)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *a = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *b = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "jobs", SHMBUS_OPEN_RECV);
    struct seen seen;
    for (uint64_t i = 0; i < 20; i++) { /* laps go by */
        t_put(a, i);
        CU_ASSERT_EQUAL(t_get(rx), i);
    }
    for (uint64_t i = 0; i < 5; i++) {
        uint64_t other = 100 + i;
        t_put(a, 20 + i);
        T_OK(t_send_as(b, SHMBUS_TYPE_REQUEST, 77, &other, sizeof other, 0));
    }
    for (unsigned round = 0; round < 2; round++) {
        seen = peek(observer, "jobs");
        CU_ASSERT_EQUAL_FATAL(seen.count, 10);
        for (unsigned i = 0; i < 5; i++) {
            CU_ASSERT_EQUAL(seen.values[i], 20 + i);
            CU_ASSERT_EQUAL(seen.msgs[i].sequence, 21 + i);
            CU_ASSERT_EQUAL(seen.values[5 + i], 100 + i);
            CU_ASSERT_EQUAL(seen.msgs[5 + i].sequence, 1 + i);
            CU_ASSERT_EQUAL(seen.msgs[5 + i].correlation_id, 77);
            CU_ASSERT_EQUAL(seen.msgs[5 + i].type, SHMBUS_TYPE_REQUEST);
            CU_ASSERT_EQUAL(seen.msgs[i].delivery_count, 1);
            CU_ASSERT_EQUAL(seen.msgs[i].sender, shmbus_slot(bus));
            CU_ASSERT_TRUE(seen.msgs[i].time_ns > 0);
        }
    }
    CU_ASSERT_EQUAL(shmbus_peek(observer, "jobs", 3, see, &seen), 3);
    CU_ASSERT_EQUAL(t_get(rx), 20);
    CU_ASSERT_EQUAL(peek(observer, "jobs").count, 9);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

T_TEST(lanes_inspect, peek_shows_what_was_given_back_first_and_not_what_is_held)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *tx = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "jobs", SHMBUS_OPEN_RECV);
    struct shmbus_msg msgs[3];
    struct seen seen;
    for (uint64_t i = 0; i < DEPTH; i++) {
        t_put(tx, i);
    }
    CU_ASSERT_EQUAL_FATAL(shmbus_recv_batch(rx, msgs, 3, 0), 3);
    T_OK(shmbus_requeue(&msgs[1]));
    seen = peek(bus, "jobs");
    CU_ASSERT_EQUAL_FATAL(seen.count, DEPTH - 2);
    CU_ASSERT_EQUAL(seen.values[0], 1);
    CU_ASSERT_EQUAL(seen.msgs[0].delivery_count, 2);
    CU_ASSERT_EQUAL(seen.msgs[0].sequence, 2);
    CU_ASSERT_EQUAL(seen.values[1], 3);
    T_OK(shmbus_release(&msgs[2]));
    t_put(tx, 100); /* past what is held and what was given back */
    seen = peek(bus, "jobs");
    CU_ASSERT_EQUAL_FATAL(seen.count, DEPTH - 1);
    CU_ASSERT_EQUAL(seen.values[DEPTH - 2], 100);
    CU_ASSERT_EQUAL(t_get(rx), seen.values[0]);
    for (unsigned i = 1; i < seen.count; i++) {
        CU_ASSERT_EQUAL(t_get(rx), seen.values[i]);
    }
    t_bus_end(bus, name);
}

T_TEST(lanes_inspect, peek_shows_a_dead_letter_in_the_queue_it_was_meant_for)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *observer = observe(name);
    struct shmbus_channel *tx = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "jobs", SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    struct seen seen;
    unsigned char large[1000] = {0};
    t_put(tx, 5);
    for (unsigned i = 1; i <= 2; i++) {
        seen = peek(observer, "jobs");
        CU_ASSERT_EQUAL_FATAL(seen.count, 1);
        CU_ASSERT_EQUAL(seen.msgs[0].delivery_count, i);
        T_OK_FATAL(shmbus_recv(rx, &msg, 0));
        CU_ASSERT_EQUAL(msg.delivery_count, i);
        T_OK(shmbus_requeue(&msg));
    }
    t_put(dead, 6);
    CU_ASSERT_EQUAL(peek(observer, "jobs").count, 0);
    seen = peek(observer, "dead");
    CU_ASSERT_EQUAL_FATAL(seen.count, 2);
    CU_ASSERT_EQUAL(seen.values[0], 6);
    CU_ASSERT_EQUAL(seen.values[1], 5);
    CU_ASSERT_EQUAL(seen.msgs[1].delivery_count, 2);
    CU_ASSERT_EQUAL(t_channel_stat(observer, "dead").dead_letters, 1);
    CU_ASSERT_EQUAL(t_get(dead), 6);
    CU_ASSERT_EQUAL(peek(observer, "dead").count, 1);
    T_OK(shmbus_send(tx, large, sizeof large, 0)); /* larger than any block */
    CU_ASSERT_EQUAL(shmbus_peek(observer, "jobs", 0, see, NULL), 0);
    shmbus_detach(observer);
    t_bus_end(bus, name);
}

/* What a producer leaves that is stopped, or killed, between two stores. */
T_TEST(lanes_inspect, peek_shows_what_was_sent_where_the_hints_lag)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *tx = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "jobs", SHMBUS_OPEN_RECV);
    struct sb_lane *lane = sb_lanes_of(tx)->lane.lane;
    struct shmbus_msg held[DEPTH];
    struct seen seen;
    t_put(tx, 1);
    sb_store_relaxed(&lane->next, 0); /* between P2 and P3 */
    CU_ASSERT_EQUAL(peek(bus, "jobs").count, 1);
    for (uint64_t i = 2; i <= DEPTH; i++) {
        t_put(tx, i);
    }
    CU_ASSERT_EQUAL_FATAL(shmbus_recv_batch(rx, held, DEPTH, 0), (int)DEPTH);
    T_OK(shmbus_release(&held[5]));
    t_put(tx, 9); /* P1, P2 */
    sb_store_relaxed(&lane->next, DEPTH);
    seen = peek(bus, "jobs");
    CU_ASSERT_EQUAL_FATAL(seen.count, 1);
    CU_ASSERT_EQUAL(seen.values[0], 9);
    CU_ASSERT_EQUAL(seen.msgs[0].sequence, DEPTH + 6);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------------ numbers */

T_TEST(lanes_inspect, messages_held_in_cells_are_counted_for_their_holder)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name), *other = t_attach(name);
    struct shmbus_channel *tx = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(other, "jobs", SHMBUS_OPEN_RECV);
    struct shmbus_process_stat process = {.struct_bytes = sizeof process};
    struct shmbus_channel_stat stat;
    struct shmbus_msg msgs[4], reserved;
    for (uint64_t i = 0; i < 6; i++) {
        t_put(tx, i);
    }
    CU_ASSERT_EQUAL_FATAL(shmbus_recv_batch(rx, msgs, 4, 0), 4);
    T_OK(shmbus_requeue(&msgs[0]));
    T_OK(shmbus_release(&msgs[1]));
    T_OK(shmbus_reserve(tx, 8, &reserved, 0));
    stat = t_channel_stat(bus, "jobs");
    CU_ASSERT_EQUAL(stat.order, SHMBUS_ORDER_PRODUCER);
    CU_ASSERT_EQUAL(stat.lanes, 3);
    CU_ASSERT_EQUAL(stat.lanes_used, 1);
    CU_ASSERT_EQUAL(stat.capacity, DEPTH);
    CU_ASSERT_EQUAL(stat.depth, 2);
    CU_ASSERT_EQUAL(stat.held, 2);
    CU_ASSERT_EQUAL(stat.redeliverable, 1);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").order, SHMBUS_ORDER_TOTAL);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").lanes, 0);
    T_OK(shmbus_process_stat(bus, (uint32_t)shmbus_slot(other), &process));
    CU_ASSERT_EQUAL(process.held_blocks, 2);
    T_OK(shmbus_process_stat(bus, (uint32_t)shmbus_slot(bus), &process));
    CU_ASSERT_EQUAL(process.held_blocks, 0); /* a reserved cell is free until it is sent */
    t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "jobs").capacity, 2 * DEPTH);
    shmbus_detach(other);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "jobs").redeliverable, 3);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------- health check */

struct wanted {
    enum shmbus_severity severity;
    const char *words;
    unsigned hits, others;
};

static bool compare(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    struct wanted *wanted = context;
    bool hit = severity == wanted->severity && strstr(what, wanted->words) != NULL;
    wanted->hits += hit && cure[0] != '\0';
    wanted->others += !hit && severity > SHMBUS_SEVERITY_NOTE;
    if (!hit) {
        printf("%d: %s (%s)\n", (int)severity, what, cure);
    }
    return true;
}

/* Whether this is the one finding. */
static bool finds(struct shmbus *bus, enum shmbus_severity severity, const char *words)
{
    struct wanted wanted = {severity, words, 0, 0};
    CU_ASSERT_EQUAL(shmbus_check(bus, compare, &wanted), severity > SHMBUS_SEVERITY_NOTE);
    return wanted.hits == 1 && wanted.others == 0;
}

static bool is_healthy(struct shmbus *bus)
{
    struct wanted wanted = {SHMBUS_SEVERITY_CRITICAL, "no such words", 0, 0};
    return shmbus_check(bus, compare, &wanted) == 0;
}

/* A queue whose lane 0 went round twice and holds everything: a message that is held, one that was
 * given back, one set aside, waiting ones, free cells. */
struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_channel *tx, *rx, *dead;
    const struct sb_channel_view *ch;
};

static void rig_up(struct rig *rig)
{
    struct shmbus_msg msg, dead;
    rig->bus = make_bus(rig->name);
    rig->tx = t_open(rig->bus, "jobs", SHMBUS_OPEN_SEND);
    rig->rx = t_open(rig->bus, "jobs", SHMBUS_OPEN_RECV);
    rig->dead = t_open(rig->bus, "dead", SHMBUS_OPEN_RECV);
    rig->ch = &rig->bus->view.channels[t_index(rig->bus, "jobs")];
    for (uint64_t i = 0; i < 2 * DEPTH; i++) {
        t_put(rig->tx, i);
        CU_ASSERT_EQUAL(t_get(rig->rx), i);
    }
    t_put(rig->tx, 20);
    T_OK_FATAL(shmbus_recv(rig->rx, &msg, 0)); /* held */
    t_put(rig->tx, 21);
    T_OK_FATAL(shmbus_recv(rig->rx, &msg, 0));
    T_OK(shmbus_requeue(&msg));
    T_OK_FATAL(shmbus_recv(rig->rx, &msg, 0));
    T_OK(shmbus_requeue(&msg)); /* dead */
    T_OK_FATAL(shmbus_recv(rig->dead, &dead, 0));
    t_put(rig->tx, 22);
    T_OK_FATAL(shmbus_recv(rig->rx, &msg, 0));
    T_OK(shmbus_requeue(&msg));
    t_put(rig->tx, 23);
    t_put(rig->tx, 24);
}

static struct sb_cell *cell_in_state(const struct rig *rig, enum sb_block_state state)
{
    for (uint64_t i = 0; i < DEPTH; i++) {
        struct sb_cell *cell = sb_cell_at(rig->ch, i);
        if (sb_hdr_state(sb_load_acquire(&cell->w)) == state) {
            return cell;
        }
    }
    CU_FAIL_FATAL("no cell in that state");
    return NULL;
}

T_TEST(lanes_inspect, impossible_words_of_cells_are_found)
{
    static const struct {
        enum sb_block_state of;
        uint64_t xor ;
    } damage[] = {
        {SB_BLOCK_FREE, 7ull << 14},     /* no such state */
        {SB_BLOCK_FREE, 1},              /* free, and somebody's */
        {SB_BLOCK_FREE, 1ull << 18},     /* free, and delivered */
        {SB_BLOCK_FREE, 1ull << 30},     /* many laps ahead */
        {SB_BLOCK_QUEUED, 5},            /* waiting, and somebody's */
        {SB_BLOCK_QUEUED, 1ull << 18},   /* waiting, and delivered */
        {SB_BLOCK_QUEUED, 3ull << 24},   /* of lap 0 instead of 3: passed over, though it waits */
        {SB_BLOCK_ORPHAN, 17},           /* given back, and somebody's */
        {SB_BLOCK_RECEIVED, 1ull << 40}, /* many laps ahead */
    };
    struct rig rig;
    rig_up(&rig);
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct sb_cell *cell = cell_in_state(&rig, damage[i].of);
        uint64_t sound = sb_load_acquire(&cell->w);
        sb_store_release(&cell->w, sound ^ damage[i].xor);
        CU_ASSERT_TRUE(
            finds(rig.bus, SHMBUS_SEVERITY_CRITICAL, "1 cells with impossible contents"));
        sb_store_release(&cell->w, sound);
    }
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    t_bus_end(rig.bus, rig.name);
}

T_TEST(lanes_inspect, what_a_stopped_producer_has_not_noted_yet_is_no_damage)
{
    struct rig rig;
    uint64_t next;
    rig_up(&rig);
    next = sb_load_relaxed(&sb_lanes_of(rig.tx)->lane.lane->next);
    sb_store_relaxed(&sb_lanes_of(rig.tx)->lane.lane->next, next - 1); /* between P2 and P3 */
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    sb_store_relaxed(&sb_lanes_of(rig.tx)->lane.lane->next,
                     next - 2); /* that it cannot have left */
    CU_ASSERT_TRUE(finds(rig.bus, SHMBUS_SEVERITY_CRITICAL, "1 cells with impossible contents"));
    sb_store_relaxed(&sb_lanes_of(rig.tx)->lane.lane->next, next);
    t_bus_end(rig.bus, rig.name);
}

T_TEST(lanes_inspect, a_message_held_by_nobody_in_the_table_is_found)
{
    struct rig rig;
    struct sb_cell *cell;
    uint64_t sound, w;
    rig_up(&rig);
    cell = cell_in_state(&rig, SB_BLOCK_RECEIVED);
    sound = sb_load_acquire(&cell->w);
    w = sb_hdr_make(sb_hdr_gen(sound), 1, SB_BLOCK_RECEIVED, sb_owner_make(2, 3));
    sb_store_release(&cell->w, w);
    CU_ASSERT_TRUE(
        finds(rig.bus, SHMBUS_SEVERITY_CRITICAL, "1 received messages are held by no process"));
    w = sb_hdr_make(sb_hdr_gen(sound), 1, SB_BLOCK_RECEIVED,
                    sb_owner_make(rig.bus->member.slot, rig.bus->member.epoch - 1u));
    sb_store_release(&cell->w, w);
    CU_ASSERT_TRUE(
        finds(rig.bus, SHMBUS_SEVERITY_CRITICAL, "1 received messages are held by no process"));
    sb_store_release(&cell->w, sound);
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    t_bus_end(rig.bus, rig.name);
}

T_TEST(lanes_inspect, a_lane_of_nobody_in_the_table_is_found)
{
    struct rig rig;
    struct t_corpse dead;
    sb_word *owner;
    rig_up(&rig);
    owner = &rig.ch->lanes[2].owner;
    sb_store_release(owner, sb_owner64_make(2, 9));
    CU_ASSERT_TRUE(finds(rig.bus, SHMBUS_SEVERITY_CRITICAL, "1 of 3 lanes belong to no process"));
    sb_store_release(owner, 0);
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    dead = t_corpse(rig.bus); /* one that recovery will take care of */
    sb_store_release(owner, dead.owner64);
    CU_ASSERT_TRUE(finds(rig.bus, SHMBUS_SEVERITY_WARNING, "is dead and not cleaned up after"));
    CU_ASSERT_EQUAL(shmbus_reclaim(rig.bus), 1);
    CU_ASSERT_TRUE(is_healthy(rig.bus));
    t_bus_end(rig.bus, rig.name);
}

T_TEST(lanes_inspect, a_full_lane_beside_others_that_have_room_is_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *a = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *b = t_open(bus, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "jobs", SHMBUS_OPEN_RECV);
    struct shmbus_msg held[DEPTH];
    uint64_t n = 0;
    while (t_send(b, n, 0) == 0) {
        n++;
    }
    CU_ASSERT_EQUAL(n, DEPTH);
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_WARNING, "1 of 2 lanes are full"));
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_WARNING, "lane 1 of shmbus-test"));
    shmbus_channel_close(b);
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_WARNING, "lane 1 of nobody"));
    while (t_send(a, n, 0) == 0) {
        n++;
    }
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_NOTE, "is 100 % full")); /* it rejects */
    CU_ASSERT_EQUAL(shmbus_recv_batch(rx, held, DEPTH, 0), (int)DEPTH);
    T_OK(shmbus_release(&held[0]));
    CU_ASSERT_TRUE(finds(bus, SHMBUS_SEVERITY_WARNING, "1 of 2 lanes are full"));
    for (unsigned i = 1; i < DEPTH; i++) {
        T_OK(shmbus_release(&held[i]));
    }
    t_bus_end(bus, name);
}
