/* SPDX-License-Identifier: MIT */
/*
 * A region, its writer and its repairer killed before every single access to shared memory. Runs
 * the very source of the library, compiled here once more with a hook in each access.
 */
#include "fixture.h"
#include "steps.h"

#define sb_load_relaxed(w) (access_step(), sb_load_relaxed(w))
#define sb_load_acquire(w) (access_step(), sb_load_acquire(w))
#define sb_store_relaxed(w, v) (access_step(), sb_store_relaxed((w), (v)))
#define sb_store_release(w, v) (access_step(), sb_store_release((w), (v)))
#define sb_cas(w, e, d) (access_step(), sb_cas((w), (e), (d)))
#define sb_region_take t_steps_region_take
#define sb_region_unlock t_steps_region_unlock
#define sb_region_repair t_steps_region_repair
#define sb_region_put t_steps_region_put
#define sb_region_get t_steps_region_get
#define sb_region_try_get t_steps_region_try_get
#define sb_region_recover t_steps_region_recover
#define sb_region_repair_all t_steps_region_repair_all
#define sb_region_writes t_steps_region_writes
#define shmbus_region_open t_steps_region_open
#define shmbus_region_close t_steps_region_close
#define shmbus_region_bytes t_steps_region_bytes
#define shmbus_region_read t_steps_region_read
#define shmbus_region_write t_steps_region_write
int shmbus_region_open(struct shmbus *bus, const char *name, struct shmbus_region **ret_region);
void shmbus_region_close(struct shmbus_region *region);
uint64_t shmbus_region_bytes(const struct shmbus_region *region);
int shmbus_region_write(struct shmbus_region *region, uint64_t offset_bytes, const void *data,
                        size_t size_bytes, int64_t timeout_ns);
int shmbus_region_read(struct shmbus_region *region, uint64_t offset_bytes, void *buffer,
                       size_t size_bytes, int64_t timeout_ns);
#include "region.c"
#undef QUICK_TRIES
#include "protocol/region_lock.c"

#define BYTES 100u
#define OFFSET 13u /* a write that begins and ends within a word */
#define SIZE 50u

static struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_region *region;
    uint64_t owner64; /* the living one */
    uint8_t old[BYTES], new[BYTES];
} rig;

static void op_write(void)
{
    CU_ASSERT_EQUAL(shmbus_region_write(rig.region, OFFSET, rig.new + OFFSET, SIZE, 0), 0);
}

static void op_read(void)
{
    uint8_t seen[BYTES];
    CU_ASSERT_EQUAL(shmbus_region_read(rig.region, 0, seen, BYTES, 0), 0);
}

/* A write that changes nothing, by somebody who has to repair first. */
static void op_write_elsewhere(void)
{
    CU_ASSERT_EQUAL(shmbus_region_write(rig.region, 80, rig.old + 80, 5, 0), 0);
}

/* Runs @op as incarnation @epoch of our slot, which is not listed and so is dead for everybody.
 * True if it came to its end before access @at. */
static bool run_dead(void (*op)(void), uint64_t epoch, uint64_t at)
{
    bool ended;
    rig.bus->member.owner64 = sb_owner64_make(rig.bus->member.slot, epoch);
    ended = run_until(op, at, die);
    rig.bus->member.owner64 = rig.owner64;
    return ended;
}

static void rig_start(void)
{
    struct sb_region_view *view = &rig.bus->view.regions[0];
    memset(view->shared, 0, sizeof *view->shared); /* and the name, which nobody needs here */
    memset(view->data, 0, 104);
    memset(view->undo, 0xee, 104);
    for (unsigned i = 0; i < BYTES; i++) {
        rig.old[i] = (uint8_t)(i + 1);
        rig.new[i] = i >= OFFSET &&i < OFFSET + SIZE ? 0xdd : rig.old[i];
    }
    CU_ASSERT_EQUAL(shmbus_region_write(rig.region, 0, rig.old, BYTES, 0), 0);
}

/* All or nothing, and the counters know which. @others: writes that were finished besides. */
static void check_end(bool finished, uint64_t least_others, uint64_t most_others)
{
    struct shmbus_region_stat stat = {.struct_bytes = sizeof stat};
    uint8_t seen[BYTES];
    bool is_new;
    CU_ASSERT_EQUAL_FATAL(shmbus_region_read(rig.region, 0, seen, BYTES, 0), 0);
    is_new = seen[OFFSET] == 0xdd;
    CU_ASSERT_EQUAL_FATAL(memcmp(seen, is_new ? rig.new : rig.old, BYTES), 0);
    CU_ASSERT_TRUE_FATAL(is_new || !finished);
    CU_ASSERT_EQUAL(shmbus_region_stat(rig.bus, 0, &stat), 0);
    CU_ASSERT_TRUE_FATAL(stat.writes >= 1 + least_others + is_new);
    CU_ASSERT_TRUE_FATAL(stat.writes <= 1 + most_others + is_new);
    CU_ASSERT_TRUE_FATAL(stat.rollbacks <= 2);
    CU_ASSERT_EQUAL_FATAL(shmbus_region_write(rig.region, OFFSET, rig.old + OFFSET, SIZE, 0), 0);
    CU_ASSERT_EQUAL_FATAL(shmbus_region_read(rig.region, 0, seen, BYTES, 0), 0);
    CU_ASSERT_EQUAL_FATAL(memcmp(seen, rig.old, BYTES), 0);
}

static void rig_open(void)
{
    struct shmbus_plan *plan = t_plan(2, 64, 4);
    T_OK_FATAL(t_add_region(plan, "data", BYTES));
    rig.bus = t_bus_new(plan, rig.name);
    rig.owner64 = rig.bus->member.owner64;
    T_OK_FATAL(shmbus_region_open(rig.bus, "data", &rig.region));
}

static void rig_close(void)
{
    shmbus_region_close(rig.region);
    t_bus_end(rig.bus, rig.name);
}

T_TEST(region_steps, a_writer_killed_before_any_access_wrote_all_or_nothing)
{
    bool ended = false;
    uint64_t at = 0;
    rig_open();
    for (; !ended; at++) {
        rig_start();
        ended = run_dead(op_write, 1000, at);
        check_end(ended, 0, 0);
    }
    CU_ASSERT_TRUE(at > 30);
    rig_close();
}

static void killed_twice(void (*op)(void), uint64_t most_others)
{
    bool ended = false;
    uint64_t runs = 0;
    rig_open();
    for (uint64_t at = 0; !ended; at++) {
        bool repaired = false;
        for (uint64_t then = 0; !repaired; then++, runs++) {
            rig_start();
            ended = run_dead(op_write, 1000, at);
            repaired = run_dead(op, 1001, then);
            check_end(ended, repaired ? most_others : 0, most_others);
        }
    }
    CU_ASSERT_TRUE(runs > 500);
    rig_close();
}

T_TEST(region_steps, a_repairer_killed_before_any_access_is_followed_by_the_next)
{
    killed_twice(op_read, 0);
}

T_TEST(region_steps, a_writer_killed_while_he_repairs_is_followed_by_the_next)
{
    killed_twice(op_write_elsewhere, 1);
}

/* ------------------------------------------------------------------------------------ paused */

static struct shmbus_region *other;
static unsigned other_writes, other_reads;

static void go_in_between(void)
{
    uint8_t seen[BYTES];
    int result = shmbus_region_write(other, 80, "\xcc\xcc\xcc", 3, 0);
    CU_ASSERT_TRUE_FATAL(result == 0 || result == -EAGAIN);
    other_writes += result == 0;
    result = shmbus_region_read(other, 0, seen, BYTES, 0);
    CU_ASSERT_TRUE_FATAL(result == 0 || result == -EAGAIN);
    if (result == 0) {
        const uint8_t *all = seen[OFFSET] == 0xdd ? rig.new : rig.old;
        CU_ASSERT_EQUAL_FATAL(memcmp(seen, all, 80), 0);
        other_reads++;
    }
}

T_TEST(region_steps, a_writer_paused_before_any_access_is_not_disturbed_and_disturbs_nobody)
{
    struct shmbus *bus;
    bool ended = false;
    unsigned writes = 0, reads = 0;
    uint64_t at = 0;
    rig_open();
    bus = t_attach(rig.name);
    T_OK_FATAL(shmbus_region_open(bus, "data", &other));
    for (; !ended; at++) {
        struct shmbus_region_stat stat = {.struct_bytes = sizeof stat};
        uint8_t seen[BYTES];
        rig_start();
        other_writes = 0;
        other_reads = 0;
        ended = run_until(op_write, at, go_in_between);
        CU_ASSERT_EQUAL_FATAL(shmbus_region_read(rig.region, 0, seen, BYTES, 0), 0);
        CU_ASSERT_EQUAL_FATAL(memcmp(seen, rig.new, 80), 0);
        CU_ASSERT_EQUAL_FATAL(seen[80], other_writes > 0 ? 0xcc : rig.old[80]);
        CU_ASSERT_EQUAL(shmbus_region_stat(rig.bus, 0, &stat), 0);
        CU_ASSERT_EQUAL_FATAL(stat.writes, 2 + other_writes);
        CU_ASSERT_EQUAL_FATAL(stat.rollbacks, 0);
        writes += other_writes;
        reads += other_reads;
    }
    CU_ASSERT_TRUE(writes > 0 && writes < at && reads > 2 && reads < at);
    shmbus_region_close(other);
    shmbus_detach(bus);
    rig_close();
}
