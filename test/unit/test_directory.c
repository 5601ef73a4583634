/* SPDX-License-Identifier: MIT */
/*
 * Names of channels: found, taken from the spare ones once, by many at the same time, and finished
 * for whoever stopped half-way.
 */
#include <pthread.h>

#include "fixture.h"
#include "layout/name.h"

static struct shmbus *bus_with_spares(uint32_t spares, char *name)
{
    struct shmbus_plan *plan = t_plan(64, 64, 256);
    t_plan_queue(plan, "planned", 4, SHMBUS_FULL_REJECT, 0, NULL);
    plan->spare_channels = spares;
    return t_bus_new(plan, name);
}

static int claim(const struct shmbus *bus, const char *channel)
{
    uint32_t index = 12345;
    int r = sb_directory_claim(&bus->view, channel, &index);
    CU_ASSERT_TRUE(r == 0 ? index < bus->view.channel_count : index == 12345);
    return r < 0 ? r : (int)index;
}

static int find(const struct shmbus *bus, const char *channel)
{
    uint32_t index = 12345;
    int r = sb_directory_find(&bus->view, channel, &index);
    CU_ASSERT_TRUE(r == 0 ? index < bus->view.channel_count : index == 12345);
    return r < 0 ? r : (int)index;
}

static uint64_t dir_word(const char *channel, enum sb_dir_state state)
{
    return (sb_name_hash(channel) << 8) | (uint64_t)state;
}

T_TEST(directory, a_name_is_one_channel_however_it_is_asked_for)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_spares(3, name);
    CU_ASSERT_EQUAL(find(bus, "planned"), claim(bus, "planned"));
    CU_ASSERT_EQUAL(find(bus, "new"), -ENOENT);
    int index = claim(bus, "new");
    CU_ASSERT_TRUE(index >= 0);
    CU_ASSERT_EQUAL(find(bus, "new"), index);
    CU_ASSERT_EQUAL(claim(bus, "new"), index);
    CU_ASSERT_NOT_EQUAL(claim(bus, "newer"), index);
    t_bus_end(bus, name);
}

T_TEST(directory, when_the_spare_channels_are_used_up_only_new_names_are_refused)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_spares(2, name);
    int a = claim(bus, "a"), b = claim(bus, "b");
    CU_ASSERT_TRUE(a >= 0 && b >= 0 && a != b);
    CU_ASSERT_EQUAL(claim(bus, "c"), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "spare"));
    CU_ASSERT_EQUAL(claim(bus, "b"), b);
    struct shmbus_channel *ch = NULL;
    CU_ASSERT_EQUAL(shmbus_channel_open(bus, "c", SHMBUS_OPEN_SEND, NULL, &ch),
                    -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_EQUAL(
        shmbus_channel_open(bus, "c", SHMBUS_OPEN_SEND | SHMBUS_OPEN_EXISTING, NULL, &ch), -ENOENT);
    CU_ASSERT_PTR_NULL(ch);
    t_bus_end(bus, name);
}

/* Killed D1-D2 and D2-D3. */
T_TEST(directory, whoever_wants_the_name_finishes_what_a_dead_process_began)
{
    for (int named = 0; named < 2; named++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_spares(3, name);
        struct sb_channel *spare = bus->view.channels[1].shared;
        sb_store_release(&spare->dir, dir_word("half", SB_DIR_NAMING));
        if (named)
            sb_name_store(spare->name, "half");
        CU_ASSERT_EQUAL(find(bus, "half"), -ENOENT);
        CU_ASSERT_EQUAL(claim(bus, "other"), 2); /* passes by */
        CU_ASSERT_EQUAL(find(bus, "other"), 2);
        CU_ASSERT_EQUAL(claim(bus, "half"), 1);
        CU_ASSERT_EQUAL(find(bus, "half"), 1);
        CU_ASSERT_EQUAL(sb_load_acquire(&spare->dir), dir_word("half", SB_DIR_READY));
        struct shmbus_channel_stat stat = t_channel_stat(bus, "half");
        CU_ASSERT_STRING_EQUAL(stat.name, "half");
        t_bus_end(bus, name);
    }
}

T_TEST(directory, two_names_with_the_same_hash_are_not_mixed_up)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_spares(3, name);
    CU_ASSERT_EQUAL(claim(bus, "first"), 1);
    sb_name_store(bus->view.channels[1].shared->name, "second"); /* as if it had that hash, too */
    CU_ASSERT_EQUAL(find(bus, "first"), -EEXIST);
    CU_ASSERT_EQUAL(claim(bus, "first"), -EEXIST);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------------- threads */

#define THREADS 8
#define NAMES 12

struct race {
    struct shmbus *bus;
    int found[THREADS][NAMES];
    pthread_barrier_t start;
};

struct racer {
    struct race *race;
    uint32_t id;
    pthread_t thread;
};

static void *race_main(void *argument)
{
    const struct racer *me = argument;
    struct race *race = me->race;
    char channel[SHMBUS_NAME_BYTES];
    uint32_t index = 0;
    pthread_barrier_wait(&race->start);
    for (uint32_t i = 0; i < NAMES; i++) {
        uint32_t n = (i * 5 + me->id * 7) % NAMES; /* each in an order of its own */
        snprintf(channel, sizeof channel, "name-%u", n);
        int r = sb_directory_claim(&race->bus->view, channel, &index);
        race->found[me->id][n] = r == 0 ? (int)index : r;
    }
    return NULL;
}

T_TEST(directory, many_that_want_the_same_new_names_get_the_same_channels)
{
    for (int round = 0; round < 20; round++) {
        char name[SHMBUS_NAME_BYTES];
        struct race race = {.bus = bus_with_spares(NAMES, name)};
        struct racer racers[THREADS];
        pthread_barrier_init(&race.start, NULL, THREADS);
        for (uint32_t i = 0; i < THREADS; i++) {
            racers[i] = (struct racer){.race = &race, .id = i};
            CU_ASSERT_EQUAL_FATAL(pthread_create(&racers[i].thread, NULL, race_main, &racers[i]),
                                  0);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(racers[i].thread, NULL);
        pthread_barrier_destroy(&race.start);
        uint32_t used = 0;
        for (int n = 0; n < NAMES; n++) {
            int index = race.found[0][n];
            CU_ASSERT_TRUE(index >= 1 && index <= NAMES);
            used |= 1u << index;
            for (int t = 1; t < THREADS; t++)
                CU_ASSERT_EQUAL(race.found[t][n], index);
        }
        CU_ASSERT_EQUAL(__builtin_popcount(used), NAMES);
        t_bus_end(race.bus, name);
    }
}
