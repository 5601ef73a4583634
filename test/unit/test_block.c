/* SPDX-License-Identifier: MIT */
/*
 * The allocator: headers decide, hints may be wrong in every way, and no block is ever missing or
 * given twice.
 */
#include <pthread.h>

#include "fixture.h"
#include "protocol/block.h"
#include "protocol/event.h"

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    const struct sb_blocks *blocks;
    uint32_t owner;
};

/* Up to three classes of 64, 256 and 1024 bytes. 2 processes: a stock is a quarter of a class. */
static void rig_make(struct rig *rig, uint64_t small, uint64_t middle, uint64_t large,
                     uint32_t processes)
{
    struct shmbus_plan *plan = t_plan_alone(processes, 64, small);
    if (middle > 0)
        T_OK_FATAL(t_add_blocks(plan, 256, middle));
    if (large > 0)
        T_OK_FATAL(t_add_blocks(plan, 1024, large));
    rig->bus = t_bus_new(plan, rig->name);
    rig->blocks = &rig->bus->view.blocks;
    rig->owner = rig->bus->member.owner;
}

static void rig_end(struct rig *rig)
{
    t_bus_end(rig->bus, rig->name);
}

static struct sb_block *block_at(const struct rig *rig, uint32_t block)
{
    return sb_block_at(rig->blocks, block);
}

static uint64_t hdr_of(const struct rig *rig, uint32_t block)
{
    return sb_load_acquire(&block_at(rig, block)->hdr);
}

static bool is_hinted(const struct rig *rig, uint32_t block)
{
    const struct sb_class_view *cls = sb_class_of(rig->blocks, block);
    uint32_t i = block - cls->first;
    return (sb_load_acquire(&cls->bitmap[i / 64]) & (1ull << (i % 64))) != 0;
}

static void unhint(const struct rig *rig, uint32_t block)
{
    const struct sb_class_view *cls = sb_class_of(rig->blocks, block);
    uint32_t i = block - cls->first;
    sb_and(&cls->bitmap[i / 64], ~(1ull << (i % 64)));
}

/* Takes all there is, checks that each came once, returns how many. */
static uint32_t take_all(const struct rig *rig, struct sb_stock *stock, uint32_t *out)
{
    uint32_t n = 0;
    static uint8_t seen[4096];
    memset(seen, 0, sizeof seen);
    for (;;) {
        uint32_t block = sb_block_alloc(rig->blocks, stock, 0, rig->owner);
        if (block == SB_NONE)
            return n;
        CU_ASSERT_TRUE_FATAL(block < rig->blocks->count && block < sizeof seen);
        CU_ASSERT_EQUAL_FATAL(seen[block]++, 0);
        CU_ASSERT_EQUAL(sb_hdr_state(hdr_of(rig, block)), SB_BLOCK_FILLING);
        CU_ASSERT_EQUAL(sb_hdr_owner(hdr_of(rig, block)), rig->owner);
        sb_store_relaxed(&block_at(rig, block)->holder, 1); /* as if the application had it */
        out[n++] = block;
    }
}

static void free_all(const struct rig *rig, struct sb_stock *stock, const uint32_t *list,
                     uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        CU_ASSERT_TRUE(sb_block_free(rig->blocks, stock, list[i], rig->owner));
}

T_TEST(block, the_smallest_class_that_fits_is_chosen)
{
    struct rig rig;
    rig_make(&rig, 8, 8, 8, 64);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 0), 0);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 64), 0);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 65), 1);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 256), 1);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 1024), 2);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, 1025), SB_NONE);
    CU_ASSERT_EQUAL(sb_class_for(rig.blocks, UINT64_MAX), SB_NONE);
    rig_end(&rig);
}

/* Counts around the width of a bitmap word. */
T_TEST(block, every_block_is_given_once_and_comes_back)
{
    static const uint64_t counts[] = {1, 2, 63, 64, 65, 128, 200};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (uint32_t processes = 2; processes <= 1000;
             processes += 998) { /* with and without stock */
            struct rig rig;
            struct sb_stock stock = {0};
            uint32_t list[512];
            rig_make(&rig, counts[k], counts[k], 0, processes);
            for (int round = 0; round < 3; round++) {
                uint32_t n = take_all(&rig, &stock, list);
                CU_ASSERT_EQUAL(n, 2 * counts[k]); /* the larger class when the small one is out */
                free_all(&rig, &stock, list, n);
                CU_ASSERT_EQUAL(t_blocks(rig.bus).free + t_blocks(rig.bus).stock, 2 * counts[k]);
            }
            sb_stock_flush(rig.blocks, &stock);
            CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), 2 * counts[k]);
            rig_end(&rig);
        }
    }
}

T_TEST(block, a_small_class_is_never_used_for_a_large_payload)
{
    struct rig rig;
    struct sb_stock stock = {0};
    rig_make(&rig, 100, 2, 2, 1000);
    for (int i = 0; i < 4; i++) {
        uint32_t block = sb_block_alloc(rig.blocks, &stock, 1, rig.owner);
        CU_ASSERT_TRUE_FATAL(block != SB_NONE);
        CU_ASSERT_TRUE(sb_class_of(rig.blocks, block)->size_bytes >= 256);
    }
    CU_ASSERT_EQUAL(sb_block_alloc(rig.blocks, &stock, 1, rig.owner), SB_NONE);
    CU_ASSERT_NOT_EQUAL(sb_block_alloc(rig.blocks, &stock, 0, rig.owner), SB_NONE);
    rig_end(&rig);
}

T_TEST(block, only_the_owner_frees_and_only_what_he_holds)
{
    struct rig rig;
    struct sb_stock stock = {0};
    rig_make(&rig, 4, 0, 0, 1000);
    uint32_t block = sb_block_alloc(rig.blocks, &stock, 0, rig.owner);
    uint64_t hdr = hdr_of(&rig, block), gen = sb_hdr_gen(hdr);
    CU_ASSERT_FALSE(sb_block_free(rig.blocks, &stock, block, rig.owner + 16)); /* another slot */
    CU_ASSERT_FALSE(sb_block_free(rig.blocks, &stock, block, rig.owner ^ 1));  /* another epoch */
    static const enum sb_block_state not_held[] = {SB_BLOCK_QUEUED, SB_BLOCK_FORWARDED};
    for (size_t i = 0; i < 2; i++) {
        sb_store_release(&block_at(&rig, block)->hdr, sb_hdr_make(gen, 0, not_held[i], rig.owner));
        CU_ASSERT_FALSE(sb_block_free(rig.blocks, &stock, block, rig.owner));
    }
    sb_store_release(&block_at(&rig, block)->hdr,
                     sb_hdr_make(gen, 1, SB_BLOCK_RECEIVED, rig.owner));
    CU_ASSERT_TRUE(sb_block_free(rig.blocks, &stock, block, rig.owner));
    CU_ASSERT_FALSE(sb_block_free(rig.blocks, &stock, block, rig.owner));
    CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), 4);
    rig_end(&rig);
}

/* An old handle of a message must not fit the next use of its block, whatever way it took. */
T_TEST(block, each_use_of_a_block_has_a_generation_of_its_own)
{
    for (uint32_t processes = 2; processes <= 1000; processes += 998) {
        struct rig rig;
        struct sb_stock stock = {0};
        static uint64_t seen[4096];
        uint32_t n = 0;
        rig_make(&rig, 16, 0, 0, processes);
        for (int i = 0; i < 300; i++) {
            uint32_t block = sb_block_alloc(rig.blocks, &stock, 0, rig.owner);
            uint64_t use = sb_hdr_gen(hdr_of(&rig, block)) << 8 | block;
            for (uint32_t k = 0; k < n; k++)
                CU_ASSERT_NOT_EQUAL(seen[k], use);
            seen[n++] = use;
            CU_ASSERT_TRUE(sb_block_free(rig.blocks, &stock, block, rig.owner));
            CU_ASSERT_NOT_EQUAL(hdr_of(&rig, block),
                                sb_hdr_make(use >> 8, 0, SB_BLOCK_FILLING, rig.owner));
        }
        rig_end(&rig);
    }
}

/* --------------------------------------------------------------------------- hints and pictures */

/* A1..A2: held, but the hint still says free. */
T_TEST(block, a_hint_on_a_held_block_is_mended)
{
    struct rig rig;
    struct sb_stock stock = {0};
    uint32_t list[8];
    rig_make(&rig, 4, 0, 0, 1000);
    sb_store_release(&block_at(&rig, 0)->hdr, sb_hdr_make(9, 0, SB_BLOCK_FILLING, rig.owner + 16));
    CU_ASSERT_TRUE(is_hinted(&rig, 0));
    CU_ASSERT_EQUAL(take_all(&rig, &stock, list), 3);
    CU_ASSERT_FALSE(is_hinted(&rig, 0));
    CU_ASSERT_EQUAL(hdr_of(&rig, 0), sb_hdr_make(9, 0, SB_BLOCK_FILLING, rig.owner + 16));
    rig_end(&rig);
}

/* F1..F2, or a stale A3: free, but the hint says held. Found when there is nothing else. */
T_TEST(block, a_free_block_without_a_hint_is_found_in_need)
{
    struct rig rig;
    struct sb_stock stock = {0};
    uint32_t list[80];
    rig_make(&rig, 70, 0, 0, 1000);
    unhint(&rig, 3);
    unhint(&rig, 66);
    uint32_t n = take_all(&rig, &stock, list);
    for (int i = 0; i < 200 && n < 70; i++) { /* the scan is made only now and then */
        uint32_t block = sb_block_alloc(rig.blocks, &stock, 0, rig.owner);
        if (block != SB_NONE)
            list[n++] = block;
    }
    CU_ASSERT_EQUAL(n, 70);
    free_all(&rig, &stock, list, n);
    CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), 70);
    rig_end(&rig);
}

T_TEST(block, hints_beyond_the_last_block_are_ignored)
{
    struct rig rig;
    struct sb_stock stock = {0};
    uint32_t list[80];
    rig_make(&rig, 65, 0, 0, 1000);
    sb_or(&rig.blocks->classes[0].bitmap[0], UINT64_MAX);
    sb_or(&rig.blocks->classes[0].bitmap[1], UINT64_MAX);
    CU_ASSERT_EQUAL(take_all(&rig, &stock, list), 65);
    CU_ASSERT_EQUAL(take_all(&rig, &stock, list), 0);
    rig_end(&rig);
}

/* -------------------------------------------------------------------------------------- stocks */

T_TEST(block, a_stock_never_exceeds_its_share_and_is_counted)
{
    struct rig rig;
    struct sb_stock stock = {0};
    uint32_t list[64];
    rig_make(&rig, 64, 0, 0, 2);
    uint32_t most = rig.blocks->classes[0].stock_max;
    CU_ASSERT_TRUE(most > 0 && most <= 4);
    uint32_t n = take_all(&rig, &stock, list);
    CU_ASSERT_EQUAL(n, 64);
    for (uint32_t i = 0; i < n; i++) {
        CU_ASSERT_TRUE(sb_block_free(rig.blocks, &stock, list[i], rig.owner));
        CU_ASSERT_TRUE(stock.count[0] <= most);
        struct shmbus_block_stat sum = t_blocks(rig.bus);
        CU_ASSERT_EQUAL(sum.free + sum.stock, i + 1);
        CU_ASSERT_EQUAL(sum.stock >= stock.count[0], 1);
    }
    sb_stock_flush(rig.blocks, &stock);
    CU_ASSERT_EQUAL(stock.count[0], 0);
    CU_ASSERT_EQUAL(t_blocks(rig.bus).free, 64);
    CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), 64);
    rig_end(&rig);
}

T_TEST(block, while_somebody_is_short_nothing_goes_into_a_stock)
{
    struct rig rig;
    struct sb_stock stock = {0};
    uint32_t list[64];
    rig_make(&rig, 64, 0, 0, 2);
    uint32_t n = take_all(&rig, &stock, list);
    uint32_t asleep = sb_event_announce(rig.blocks->freed);
    CU_ASSERT_TRUE(sb_block_free(rig.blocks, &stock, list[0], rig.owner));
    CU_ASSERT_EQUAL(stock.count[0], 0);
    CU_ASSERT_EQUAL(t_blocks(rig.bus).free, 1);
    CU_ASSERT_NOT_EQUAL(sb_load32_acquire(&rig.blocks->freed->word), asleep); /* woken */
    free_all(&rig, &stock, list + 1, n - 1);
    rig_end(&rig);
}

/* Handles that sent once and then stand still must not keep what others need. */
T_TEST(block, stocks_of_idle_handles_leave_blocks_for_the_others)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 64, 64);
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_REJECT, 0, NULL);
    plan->channels[0].endpoints = 64;
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = NULL;
    for (int i = 0; i < 40; i++) {
        ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        T_OK(t_send(ch, 1, 0));
        CU_ASSERT_EQUAL(t_get(ch), 1);
        if (t_blocks(bus).free < 64 / 4)
            break;
    }
    CU_ASSERT_TRUE(t_blocks(bus).free >= 64 / 4);
    t_bus_end(bus, name);
}

/* -------------------------------------------------------------------------------------- shares */

struct shares {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    const struct sb_blocks *blocks;
    struct sb_stock a, b; /* of a handle of each queue */
    uint32_t owner;
};

/* 62 common blocks, three for a, five for b: shares lie on both sides of a bitmap word's end. */
static void shares_make(struct shares *s, uint32_t processes)
{
    struct shmbus_plan *plan = t_plan_alone(processes, 64, 70);
    t_plan_queue(plan, "a", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "b", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    plan->channels[0].share = 3;
    plan->channels[1].share = 5;
    memset(s, 0, sizeof *s);
    s->bus = t_bus_new(plan, s->name);
    s->blocks = &s->bus->view.blocks;
    s->owner = s->bus->member.owner;
    s->a.own = s->bus->view.channels[t_index(s->bus, "a")].share;
    s->b.own = s->bus->view.channels[t_index(s->bus, "b")].share;
}

static uint32_t take_for(const struct shares *s, struct sb_stock *stock, uint32_t *list)
{
    uint32_t n = 0;
    for (uint32_t block; (block = sb_block_alloc(s->blocks, stock, 0, s->owner)) != SB_NONE;)
        list[n++] = block;
    return n;
}

T_TEST(block, a_share_is_taken_last_and_by_its_queue_only)
{
    for (uint32_t processes = 2; processes <= 1000; processes += 998) {
        struct shares s;
        uint32_t list[80], of_b[80];
        shares_make(&s, processes);
        CU_ASSERT_EQUAL(s.blocks->classes[0].common_end, 62);
        uint32_t n = take_for(&s, &s.a, list);
        CU_ASSERT_EQUAL_FATAL(n, 65);
        for (uint32_t i = 0; i < n; i++) {
            bool is_own = list[i] >= 62;
            CU_ASSERT_EQUAL(is_own, i >= 62);
            CU_ASSERT_TRUE(list[i] < 65);
        }
        CU_ASSERT_EQUAL_FATAL(take_for(&s, &s.b, of_b), 5);
        for (uint32_t i = 0; i < 5; i++)
            CU_ASSERT_TRUE(of_b[i] >= 65 && of_b[i] < 70);
        for (uint32_t i = 0; i < n; i++)
            CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.a, list[i], s.owner));
        for (uint32_t i = 0; i < 5; i++)
            CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.a, of_b[i], s.owner)); /* by anybody */
        sb_stock_flush(s.blocks, &s.a);
        CU_ASSERT_EQUAL(t_free_and_hinted(s.bus), 70);
        t_bus_end(s.bus, s.name);
    }
}

/* An idle stock holds no promise. */
T_TEST(block, a_block_of_a_share_never_goes_into_a_stock)
{
    struct shares s;
    uint32_t list[80];
    shares_make(&s, 2);
    CU_ASSERT_TRUE(s.blocks->classes[0].stock_max > 0);
    uint32_t n = take_for(&s, &s.a, list);
    CU_ASSERT_EQUAL_FATAL(n, 65);
    CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.a, list[64], s.owner));
    CU_ASSERT_EQUAL(s.a.count[0], 0);
    CU_ASSERT_EQUAL(t_blocks(s.bus).free, 6);
    CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.b, list[63], s.owner));
    CU_ASSERT_EQUAL(s.b.count[0], 0);
    CU_ASSERT_EQUAL(t_blocks(s.bus).free, 7);
    CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.b, list[0], s.owner));
    CU_ASSERT_EQUAL(s.b.count[0], 1); /* a common one */
    t_bus_end(s.bus, s.name);
}

T_TEST(block, a_free_block_of_a_share_without_a_hint_is_found_in_need)
{
    struct shares s;
    uint32_t list[80], n;
    shares_make(&s, 1000);
    sb_and(&s.blocks->classes[0].bitmap[1], 0); /* those of the share of b, and one of a */
    n = take_for(&s, &s.b, list);
    for (int i = 0; i < 500 && n < 67; i++) {
        uint32_t block = sb_block_alloc(s.blocks, &s.b, 0, s.owner);
        if (block != SB_NONE)
            list[n++] = block;
    }
    CU_ASSERT_EQUAL(n, 67);
    t_bus_end(s.bus, s.name);
}

T_TEST(block, a_freed_block_of_a_share_wakes_who_sleeps_for_it)
{
    struct shares s;
    uint32_t list[80];
    shares_make(&s, 2);
    uint32_t n = take_for(&s, &s.a, list);
    CU_ASSERT_EQUAL_FATAL(n, 65);
    uint32_t asleep = sb_event_announce(s.blocks->freed);
    CU_ASSERT_TRUE(sb_block_free(s.blocks, &s.a, list[64], s.owner));
    CU_ASSERT_NOT_EQUAL(sb_load32_acquire(&s.blocks->freed->word), asleep);
    t_bus_end(s.bus, s.name);
}

/* ------------------------------------------------------------------------------------- threads */

#define THREADS 4
#define ROUNDS 20000

struct stress {
    const struct rig *rig;
    sb_word failures;
    sb_word holder[256]; /* who has it: 0 nobody */
};

struct stress_thread {
    struct stress *all;
    uint64_t id;
    pthread_t thread;
};

/* Whoever gets a block marks it; a mark that is there already means that it was given twice. */
static void *stress_main(void *argument)
{
    struct stress_thread *me = argument;
    struct stress *all = me->all;
    const struct sb_blocks *blocks = all->rig->blocks;
    struct sb_stock stock = {0};
    uint32_t held[8], n = 0;
    uint64_t random = me->id;

    for (int i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        if (n < 8 && (random >> 33) % 2 == 0) {
            uint32_t block = sb_block_alloc(blocks, &stock, (random >> 40) % 2, all->rig->owner);
            if (block == SB_NONE)
                continue;
            if (!sb_cas(&all->holder[block], 0, me->id))
                sb_fetch_add(&all->failures, 1);
            *(uint64_t *)sb_payload_in(sb_class_of(blocks, block), block) = me->id;
            held[n++] = block;
        } else if (n > 0) {
            uint32_t block = held[--n];
            if (*(uint64_t *)sb_payload_in(sb_class_of(blocks, block), block) != me->id ||
                !sb_cas(&all->holder[block], me->id, 0) ||
                !sb_block_free(blocks, &stock, block, all->rig->owner))
                sb_fetch_add(&all->failures, 1);
        } else if ((random >> 50) % 4 == 0) {
            sb_stock_flush(blocks, &stock);
        }
    }
    while (n > 0) {
        uint32_t block = held[--n];
        sb_store_release(&all->holder[block], 0);
        if (!sb_block_free(blocks, &stock, block, all->rig->owner))
            sb_fetch_add(&all->failures, 1);
    }
    sb_stock_flush(blocks, &stock);
    return NULL;
}

static void stress(uint64_t small, uint64_t middle, uint32_t processes)
{
    struct rig rig;
    struct stress_thread threads[THREADS];
    static struct stress all;
    memset(&all, 0, sizeof all);
    rig_make(&rig, small, middle, 0, processes);
    all.rig = &rig;
    for (uint64_t i = 0; i < THREADS; i++) {
        threads[i] = (struct stress_thread){.all = &all, .id = i + 1};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i].thread, NULL, stress_main, &threads[i]),
                              0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    CU_ASSERT_EQUAL(sb_load_acquire(&all.failures), 0);
    CU_ASSERT_EQUAL(t_free_and_hinted(rig.bus), small + middle);
    rig_end(&rig);
}

T_TEST(block, threads_never_get_the_same_block_and_none_is_lost)
{
    stress(3, 2, 1000); /* always short */
    stress(20, 12, 1000);
    stress(128, 64, 2); /* stocks */
    stress(8, 8, 2);    /* stocks of one or two */
}
