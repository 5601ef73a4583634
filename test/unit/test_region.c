/* SPDX-License-Identifier: MIT */
/*
 * Regions: bytes at any offset, half writes written by hand and by SIGKILL, the lock of the dead
 * and of the stopped, readers beside writers.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "bus/bus.h"
#include "fixture.h"
#include "harness.h"
#include "region.h"

#define BYTES 1003u /* no multiple of anything */
#define SECOND_NS 1000000000

static void make_bus(char *name)
{
    struct shmbus_plan *plan;
    T_OK_FATAL(shmbus_plan_new(1 << 20, &plan));
    T_OK_FATAL(t_add_region(plan, "data", BYTES));
    T_OK_FATAL(t_add_region(plan, "other", 8));
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
}

static struct shmbus *attach(const char *name, unsigned flags)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = flags | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_NO_WATCHER;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_region *region;
    struct sb_region_view *view;
};

static void rig_open(struct rig *rig)
{
    make_bus(rig->name);
    rig->bus = attach(rig->name, 0);
    T_OK_FATAL(shmbus_region_open(rig->bus, "data", &rig->region));
    rig->view = &rig->bus->view.regions[0];
}

static void rig_close(struct rig *rig)
{
    shmbus_region_close(rig->region);
    shmbus_detach(rig->bus);
    T_OK(shmbus_unlink(rig->name));
}

/* An incarnation that is not in the table any more. */
static uint64_t dead_owner(const struct rig *rig)
{
    return sb_owner64_make(rig->bus->member.slot, rig->bus->member.epoch + 1);
}

static sb_word *word(uint8_t *area, uint64_t index)
{
    return (sb_word *)(void *)(area + index * 8);
}

T_TEST(region, bytes_at_any_offset_come_back_and_their_neighbours_stay)
{
    struct rig rig;
    uint8_t model[BYTES] = {0}, data[BYTES], seen[BYTES];
    unsigned bad = 0;
    rig_open(&rig);
    CU_ASSERT_EQUAL(shmbus_region_bytes(rig.region), BYTES);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t offset = t_random_below(BYTES + 1);
        uint64_t size = t_random_below((i % 3 == 0 ? 20 : BYTES) + 1);
        size = size < BYTES - offset ? size : BYTES - offset;
        for (uint64_t k = 0; k < size; k++) {
            data[k] = (uint8_t)t_random();
        }
        memcpy(model + offset, data, size);
        bad += shmbus_region_write(rig.region, offset, data, size, 0) != 0;
        bad += shmbus_region_read(rig.region, 0, seen, BYTES, 0) != 0;
        bad += memcmp(seen, model, BYTES) != 0;
        offset = t_random_below(BYTES);
        size = t_random_below(BYTES - offset + 1);
        memset(seen, 0xee, sizeof seen);
        bad += shmbus_region_read(rig.region, offset, seen, size, 0) != 0;
        bad += memcmp(seen, model + offset, size) != 0;
        bad += size < BYTES && seen[size] != 0xee;
    }
    CU_ASSERT_EQUAL(bad, 0);
    rig_close(&rig);
}

T_TEST(region, what_lies_beyond_the_end_is_refused_and_nothing_is_written)
{
    struct rig rig;
    uint8_t data[16] = {1, 2, 3}, seen[BYTES], zero[BYTES] = {0};
    struct shmbus_region *none;
    rig_open(&rig);
    T_FAILS(shmbus_region_write(rig.region, BYTES - 15, data, 16, 0), -ERANGE);
    T_FAILS(shmbus_region_write(rig.region, BYTES + 1, data, 0, 0), -ERANGE);
    T_FAILS(shmbus_region_write(rig.region, UINT64_MAX, data, 16, 0), -ERANGE);
    T_FAILS(shmbus_region_write(rig.region, 1, data, SIZE_MAX, 0), -ERANGE);
    T_FAILS(shmbus_region_read(rig.region, BYTES, seen, 1, 0), -ERANGE);
    T_FAILS(shmbus_region_write(NULL, 0, data, 1, 0), -EINVAL);
    T_FAILS(shmbus_region_write(rig.region, 0, NULL, 1, 0), -EINVAL);
    T_FAILS(shmbus_region_read(rig.region, 0, NULL, 1, 0), -EINVAL);
    T_FAILS(shmbus_region_open(rig.bus, "nothing", &none), -ENOENT);
    T_OK(shmbus_region_write(rig.region, BYTES, NULL, 0, 0));
    T_OK(shmbus_region_read(rig.region, 0, seen, BYTES, 0));
    CU_ASSERT_EQUAL(memcmp(seen, zero, BYTES), 0);
    CU_ASSERT_EQUAL(shmbus_region_bytes(NULL), 0);
    shmbus_region_close(NULL);
    rig_close(&rig);
}

/* ------------------------------------------------------------------- half-done states by hand */

/* The states that a writer of words 2 .. 4 leaves when killed before each of its steps. */
enum killed {
    BEFORE_UNDO,
    BEFORE_ODD,
    BEFORE_DATA,
    BETWEEN_DATA,
    BEFORE_EVEN,
    BEFORE_WRITES,
    BEFORE_UNLOCK,
    KILLED_END
};

static void leave_behind(struct rig *rig, enum killed killed)
{
    struct sb_region *r = rig->view->shared;
    uint64_t version = sb_load_relaxed(&r->version);
    sb_store_relaxed(&r->lock, dead_owner(rig));
    if (killed > BEFORE_UNDO) {
        for (uint64_t i = 2; i <= 4; i++) {
            sb_store_relaxed(word(rig->view->undo, i), sb_load_relaxed(word(rig->view->data, i)));
        }
        sb_store_relaxed(&r->undo, 2ull << 32 | 3);
    }
    if (killed > BEFORE_ODD) {
        sb_store_relaxed(&r->version, version + 1);
    }
    for (uint64_t i = 2; i <= 4 && killed > BEFORE_DATA; i++) {
        if (i == 2 || killed > BETWEEN_DATA) {
            sb_store_relaxed(word(rig->view->data, i), 0x1111111111111111ull);
        }
    }
    if (killed > BEFORE_EVEN) {
        sb_store_relaxed(&r->version, version + 2);
    }
    if (killed > BEFORE_WRITES) {
        sb_store_relaxed(&r->writes, sb_load_relaxed(&r->writes) + 1);
    }
}

static void check_after(struct rig *rig, enum killed killed, uint64_t writes)
{
    struct shmbus_region_stat stat = {.struct_bytes = sizeof stat};
    uint8_t seen[BYTES];
    bool committed = killed > BEFORE_EVEN;
    bool undone = killed > BEFORE_ODD && !committed;
    T_OK(shmbus_region_read(rig->region, 0, seen, BYTES, 0));
    for (unsigned i = 0; i < BYTES; i++) {
        uint8_t expected = committed && i >= 16 && i < 40 ? 0x11 : 0x77;
        CU_ASSERT_EQUAL_FATAL(seen[i], expected);
    }
    T_OK(shmbus_region_stat(rig->bus, 0, &stat));
    CU_ASSERT_EQUAL(stat.writes, writes + committed);
    CU_ASSERT_EQUAL(stat.rollbacks, undone);
    CU_ASSERT_EQUAL(sb_load_relaxed(&rig->view->shared->version) % 2, 0);
}

T_TEST(region, a_reader_undoes_half_a_write_of_the_dead)
{
    for (int killed = 0; killed < KILLED_END; killed++) {
        struct rig rig;
        uint8_t data[BYTES];
        rig_open(&rig);
        memset(data, 0x77, sizeof data);
        T_OK(shmbus_region_write(rig.region, 0, data, BYTES, 0));
        leave_behind(&rig, (enum killed)killed);
        check_after(&rig, (enum killed)killed, 1);
        rig_close(&rig);
    }
}

T_TEST(region, a_writer_undoes_half_a_write_of_the_dead_and_goes_on)
{
    for (int killed = 0; killed < KILLED_END; killed++) {
        struct rig rig;
        uint8_t data[BYTES];
        rig_open(&rig);
        memset(data, 0x77, sizeof data);
        T_OK(shmbus_region_write(rig.region, 0, data, BYTES, 0));
        leave_behind(&rig, (enum killed)killed);
        T_OK(shmbus_region_write(rig.region, 100, data, 7, 0));
        check_after(&rig, (enum killed)killed, 2);
        CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view->shared->lock), 0);
        CU_ASSERT_EQUAL(sb_load_relaxed(&rig.view->shared->writes),
                        2u + (killed > BEFORE_EVEN ? 1u : 0u));
        rig_close(&rig);
    }
}

/* A repairer that is killed itself: the next one finds its lock and the same undo area. */
T_TEST(region, a_repair_that_was_interrupted_is_repeated)
{
    for (unsigned words = 0; words <= 3; words++) {
        for (uint64_t counted = 0; counted <= 1; counted++) {
            struct rig rig;
            uint8_t data[BYTES];
            rig_open(&rig);
            memset(data, 0x77, sizeof data);
            T_OK(shmbus_region_write(rig.region, 0, data, BYTES, 0));
            leave_behind(&rig, BEFORE_EVEN);
            for (uint64_t i = 0; i < words; i++) {
                sb_store_relaxed(word(rig.view->data, 2 + i), 0x7777777777777777ull);
            }
            sb_store_relaxed(&rig.view->shared->rollbacks, counted);
            sb_store_relaxed(&rig.view->shared->lock, dead_owner(&rig) + (1u << 18));
            check_after(&rig, BEFORE_EVEN, 1);
            rig_close(&rig);
        }
    }
}

T_TEST(region, an_observer_reads_but_neither_writes_nor_repairs)
{
    struct rig rig;
    struct shmbus *observer;
    struct shmbus_region *region;
    uint8_t data[BYTES], seen[BYTES];
    rig_open(&rig);
    memset(data, 0x77, sizeof data);
    T_OK(shmbus_region_write(rig.region, 0, data, BYTES, 0));
    observer = attach(rig.name, SHMBUS_ATTACH_OBSERVE);
    T_OK_FATAL(shmbus_region_open(observer, "data", &region));
    T_OK(shmbus_region_read(region, 0, seen, BYTES, 0));
    CU_ASSERT_EQUAL(memcmp(seen, data, BYTES), 0);
    T_FAILS(shmbus_region_write(region, 0, data, 1, 0), -EROFS);
    leave_behind(&rig, BEFORE_EVEN);
    T_FAILS(shmbus_region_read(region, 0, seen, BYTES, 0), -EAGAIN);
    T_FAILS(shmbus_region_read(region, 0, seen, BYTES, SHMBUS_WAIT_FOREVER), -EAGAIN);
    CU_ASSERT_EQUAL(sb_region_repair_all(observer), 0);
    CU_ASSERT_EQUAL(sb_region_repair_all(rig.bus), 1);
    CU_ASSERT_EQUAL(sb_region_repair_all(rig.bus), 0);
    T_OK(shmbus_region_read(region, 0, seen, BYTES, 0));
    CU_ASSERT_EQUAL(memcmp(seen, data, BYTES), 0);
    sb_store_relaxed(&rig.view->shared->lock, rig.bus->member.owner64); /* alive, before B */
    T_OK(shmbus_region_read(region, 0, seen, BYTES, 0));
    sb_store_relaxed(&rig.view->shared->version, sb_load_relaxed(&rig.view->shared->version) + 1);
    T_FAILS(shmbus_region_read(region, 0, seen, BYTES, 0), -EAGAIN);
    T_FAILS(shmbus_region_read(region, 0, seen, BYTES, 1000000), -ETIMEDOUT);
    sb_store_relaxed(&rig.view->shared->version, sb_load_relaxed(&rig.view->shared->version) + 1);
    sb_store_relaxed(&rig.view->shared->lock, 0);
    shmbus_region_close(region);
    shmbus_detach(observer);
    rig_close(&rig);
}

T_TEST(region, a_damaged_undo_area_is_told_and_touches_nothing)
{
    const uint64_t undos[] = {UINT64_MAX, 126ull << 32 | 1, 125ull << 32 | 2, 1ull << 32 | 126,
                              UINT32_MAX};
    for (size_t i = 0; i < sizeof undos / sizeof undos[0]; i++) {
        struct rig rig;
        uint8_t data[BYTES] = {0}, seen[8];
        rig_open(&rig);
        leave_behind(&rig, BEFORE_EVEN);
        sb_store_relaxed(&rig.view->shared->undo, undos[i]);
        T_FAILS(shmbus_region_read(rig.region, 0, seen, 8, 0), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_region_write(rig.region, 0, data, 8, 0), -SHMBUS_ERR_CORRUPT);
        sb_store_relaxed(&rig.view->shared->undo, 2ull << 32 | 3);
        sb_store_relaxed(&rig.view->shared->lock, UINT64_MAX); /* names nobody */
        T_OK(shmbus_region_read(rig.region, 0, seen, 8, 0));
        rig_close(&rig);
    }
}

/* ------------------------------------------------------------------------ other processes */

struct other {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready;
    sb_word written, bad;
};

/* Each word of the region has the number of the write. */
static int endless_writer(void *arg)
{
    struct other *other = arg;
    struct shmbus *bus = attach(other->name, 0);
    struct shmbus_region *region;
    uint64_t data[BYTES / 8], n = sb_load_acquire(&other->written);
    T_OK_FATAL(shmbus_region_open(bus, "data", &region));
    t_gate_post(&other->ready);
    for (;;) {
        n++;
        for (unsigned i = 0; i < BYTES / 8; i++) {
            data[i] = n;
        }
        if (shmbus_region_write(region, 0, data, sizeof data, SECOND_NS) == 0) {
            sb_store_release(&other->written, n);
        }
        if (n == UINT64_MAX) {
            return 0;
        }
    }
}

static bool is_whole(const uint64_t *data)
{
    for (unsigned i = 1; i < BYTES / 8; i++) {
        if (data[i] != data[0]) {
            return false;
        }
    }
    return true;
}

T_TEST(region, a_killed_writer_leaves_all_or_nothing)
{
    struct rig rig;
    struct other *other = t_shared(sizeof *other);
    unsigned rounds = t_is_sanitized() ? 10 : 100;
    rig_open(&rig);
    memcpy(other->name, rig.name, sizeof other->name);
    for (unsigned i = 1; i <= rounds; i++) {
        uint64_t data[BYTES / 8], before = sb_load_acquire(&other->written), written;
        uint64_t enough = before + t_random_below(50);
        pid_t writer = t_fork(endless_writer, other);
        t_gate_wait(&other->ready, i);
        while (sb_load_acquire(&other->written) < enough) {
            sched_yield();
        }
        CU_ASSERT_EQUAL(t_kill_wait(writer, SIGKILL), 128 + SIGKILL);
        written = sb_load_acquire(&other->written);
        T_OK(shmbus_region_read(rig.region, 0, data, sizeof data, SECOND_NS));
        CU_ASSERT_TRUE(is_whole(data));
        CU_ASSERT_TRUE(data[0] == written || data[0] == written + 1);
        sb_store_release(&other->written, data[0]);
    }
    rig_close(&rig);
}

/* Takes the lock as a writer does and then waits to be killed. */
static int holding_writer(void *arg)
{
    struct other *other = arg;
    struct shmbus *bus = attach(other->name, 0);
    struct sb_region_view *view = &bus->view.regions[0];
    CU_ASSERT_TRUE(sb_cas(&view->shared->lock, 0, bus->member.owner64));
    sb_store_relaxed(word(view->undo, 0), sb_load_relaxed(word(view->data, 0)));
    sb_store_relaxed(&view->shared->undo, 1);
    sb_store_release(&view->shared->version, sb_load_relaxed(&view->shared->version) + 1);
    sb_store_release(word(view->data, 0), UINT64_MAX);
    t_gate_post(&other->ready);
    t_gate_wait(&other->ready, 1000);
    return 0;
}

T_TEST(region, nobody_takes_the_lock_of_a_stopped_writer_but_everybody_that_of_a_dead_one)
{
    struct rig rig;
    struct other *other = t_shared(sizeof *other);
    uint64_t data = 5, seen = 0;
    pid_t writer;
    rig_open(&rig);
    T_OK(shmbus_region_write(rig.region, 0, &data, 8, 0));
    memcpy(other->name, rig.name, sizeof other->name);
    writer = t_fork(holding_writer, other);
    t_gate_wait(&other->ready, 1);
    t_stop(writer);
    T_FAILS(shmbus_region_read(rig.region, 0, &seen, 8, 0), -EAGAIN);
    T_FAILS(shmbus_region_read(rig.region, 0, &seen, 8, 20000000), -ETIMEDOUT);
    T_FAILS(shmbus_region_write(rig.region, 0, &data, 8, 0), -EAGAIN);
    T_FAILS(shmbus_region_write(rig.region, 0, &data, 8, 20000000), -ETIMEDOUT);
    CU_ASSERT_EQUAL(sb_region_repair_all(rig.bus), 0);
    t_kill_wait(writer, SIGKILL);
    T_OK(shmbus_region_read(rig.region, 0, &seen, 8, 0));
    CU_ASSERT_EQUAL(seen, 5);
    rig_close(&rig);
}

/* Waits for the region with all patience. */
static int waiting_reader(void *arg)
{
    struct other *other = arg;
    struct shmbus *bus = attach(other->name, 0);
    struct shmbus_region *region;
    uint64_t seen = 0;
    T_OK_FATAL(shmbus_region_open(bus, "data", &region));
    t_gate_post(&other->ready);
    T_OK(shmbus_region_read(region, 0, &seen, 8, SHMBUS_WAIT_FOREVER));
    CU_ASSERT_EQUAL(seen, 5);
    shmbus_region_close(region);
    shmbus_detach(bus);
    return 0;
}

T_TEST(region, a_sleeping_reader_goes_on_when_the_writer_dies)
{
    struct rig rig;
    struct other *other = t_shared(sizeof *other);
    uint64_t data = 5;
    pid_t writer, reader;
    rig_open(&rig);
    T_OK(shmbus_region_write(rig.region, 0, &data, 8, 0));
    memcpy(other->name, rig.name, sizeof other->name);
    writer = t_fork(holding_writer, other);
    t_gate_wait(&other->ready, 1);
    reader = t_fork(waiting_reader, other);
    t_gate_wait(&other->ready, 2);
    CU_ASSERT_TRUE(t_wait_asleep(reader));
    t_kill_wait(writer, SIGKILL);
    CU_ASSERT_EQUAL(t_wait_exit(reader), 0);
    rig_close(&rig);
}

/* --------------------------------------------------------------------------------- threads */

struct readers {
    struct shmbus_region *region;
    sb_word stop, reads, bad;
};

static void *read_all_the_time(void *arg)
{
    struct readers *readers = arg;
    uint64_t data[BYTES / 8];
    while (sb_load_acquire(&readers->stop) == 0) {
        if (shmbus_region_read(readers->region, 0, data, sizeof data, SECOND_NS) != 0 ||
            !is_whole(data)) {
            sb_fetch_add(&readers->bad, 1);
        }
        sb_fetch_add(&readers->reads, 1);
    }
    return NULL;
}

static void *write_all_the_time(void *arg)
{
    struct readers *readers = arg;
    uint64_t data[BYTES / 8];
    for (uint64_t n = 1; sb_load_acquire(&readers->stop) == 0; n++) {
        for (unsigned i = 0; i < BYTES / 8; i++) {
            data[i] = n;
        }
        if (shmbus_region_write(readers->region, 0, data, sizeof data, SECOND_NS) != 0) {
            sb_fetch_add(&readers->bad, 1);
        }
    }
    return NULL;
}

T_TEST(region, readers_and_writers_of_one_handle_never_see_half_a_write)
{
    struct rig rig;
    struct readers readers = {0};
    pthread_t threads[4];
    rig_open(&rig);
    readers.region = rig.region;
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL,
                                             i < 2 ? read_all_the_time : write_all_the_time,
                                             &readers),
                              0);
    }
    while (sb_load_acquire(&readers.reads) < (t_is_sanitized() ? 2000 : 20000)) {
        sched_yield();
    }
    sb_store_release(&readers.stop, 1);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(sb_load_acquire(&readers.bad), 0);
    rig_close(&rig);
}
