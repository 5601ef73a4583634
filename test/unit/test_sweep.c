/* SPDX-License-Identifier: MIT */
/*
 * Who looks for the dead: the rounds of several watchers, made by hand, each by a clock of its own.
 */
#include "fixture.h"
#include "protocol/sweep.h"

#define WATCHERS 6u
#define TICK SB_SWEEP_TICK_NS

struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus[WATCHERS];
    struct sb_sweep sweep[WATCHERS];
    struct sb_liveness *liveness[WATCHERS], blind[WATCHERS];
    int64_t now_ns[WATCHERS];
};

static void rig_make(struct rig *rig)
{
    rig->bus[0] = t_bus_new(t_plan(16, 64, 16), rig->name);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        if (i > 0)
            rig->bus[i] = t_attach(rig->name);
        t_nobody_looks(rig->bus[i]);
        sb_sweep_init(&rig->sweep[i], &rig->bus[i]->view, &rig->bus[i]->member);
        rig->liveness[i] = &rig->bus[i]->liveness;
        rig->now_ns[i] = 1 + (int64_t)(i * T_S); /* whatever it is */
    }
}

static void rig_end(struct rig *rig)
{
    for (uint32_t i = 1; i < WATCHERS; i++)
        shmbus_detach(rig->bus[i]);
    t_bus_end(rig->bus[0], rig->name);
}

static enum sb_sweep_role go_on(struct rig *rig, uint32_t i, int64_t ns, enum sb_sweep_why why)
{
    rig->now_ns[i] += ns;
    return sb_sweep_round(&rig->sweep[i], rig->liveness[i], rig->now_ns[i], why);
}

static enum sb_sweep_role tick(struct rig *rig, uint32_t i)
{
    return go_on(rig, i, TICK, SB_SWEEP_BY_CLOCK);
}

static uint64_t seq(const struct rig *rig)
{
    return sb_load_acquire(&rig->bus[0]->view.super->sweep_seq);
}

static sb_word *place(const struct rig *rig, uint32_t k)
{
    return &rig->bus[0]->view.super->sweepers[k];
}

/* Watcher 0 sweeps, 1 to 3 are its deputies, 4 and 5 are others. */
static void settle(struct rig *rig)
{
    rig_make(rig);
    for (uint32_t i = 0; i < WATCHERS; i++)
        tick(rig, i);
}

static bool is_role_of(const struct rig *rig, uint32_t k, uint32_t i)
{
    return sb_load_acquire(place(rig, k)) == rig->bus[i]->member.owner64;
}

T_TEST(sweep_round, the_first_one_sweeps_three_are_deputies_the_others_rest)
{
    struct rig rig;
    rig_make(&rig);
    CU_ASSERT_EQUAL(tick(&rig, 0), SB_SWEEP_SWEEPER);
    for (uint32_t i = 1; i < SB_SWEEPERS; i++)
        CU_ASSERT_EQUAL(tick(&rig, i), SB_SWEEP_DEPUTY);
    CU_ASSERT_EQUAL(tick(&rig, 4), SB_SWEEP_OTHER);
    CU_ASSERT_EQUAL(tick(&rig, 5), SB_SWEEP_OTHER);
    uint64_t before = seq(&rig);
    CU_ASSERT_EQUAL(tick(&rig, 0), SB_SWEEP_SWEEPER);
    CU_ASSERT_EQUAL(tick(&rig, 1), SB_SWEEP_DEPUTY);
    CU_ASSERT_EQUAL(seq(&rig), before + 1); /* of the sweeper alone */
    rig_end(&rig);
}

T_TEST(sweep_round, a_sweeper_without_a_sign_is_replaced_by_a_deputy_and_steps_back)
{
    struct rig rig;
    settle(&rig);
    for (uint32_t n = 1; n < SB_SWEEP_LATE; n++)
        CU_ASSERT_EQUAL(tick(&rig, 2), SB_SWEEP_DEPUTY);
    tick(&rig, 0); /* a sign in time */
    for (uint32_t n = 0; n < SB_SWEEP_LATE; n++)
        CU_ASSERT_EQUAL(tick(&rig, 2), SB_SWEEP_DEPUTY);
    CU_ASSERT_EQUAL(tick(&rig, 2), SB_SWEEP_SWEEPER);
    CU_ASSERT_TRUE(is_role_of(&rig, 0, 2));
    for (uint32_t k = 1; k < SB_SWEEPERS; k++)
        CU_ASSERT_FALSE(is_role_of(&rig, k, 2)); /* one place is enough */
    uint64_t before = seq(&rig);
    CU_ASSERT_EQUAL(tick(&rig, 0), SB_SWEEP_DEPUTY); /* in the place that became empty */
    CU_ASSERT_EQUAL(seq(&rig), before);
    CU_ASSERT_TRUE(is_role_of(&rig, 2, 0));
    rig_end(&rig);
}

/* Rounds that are made because somebody was told are no time that has passed. */
T_TEST(sweep_round, being_told_often_makes_nobody_late)
{
    struct rig rig;
    settle(&rig);
    for (int n = 0; n < 20; n++)
        CU_ASSERT_EQUAL(go_on(&rig, 1, T_MS, SB_SWEEP_TOLD), SB_SWEEP_DEPUTY);
    CU_ASSERT_TRUE(is_role_of(&rig, 0, 0));
    rig_end(&rig);
}

T_TEST(sweep_round, one_long_round_of_an_other_one_is_as_good_or_a_call)
{
    struct rig rig;
    settle(&rig);
    CU_ASSERT_EQUAL(go_on(&rig, 4, SB_SWEEP_REST_NS, SB_SWEEP_BY_CLOCK), SB_SWEEP_SWEEPER);
    CU_ASSERT_EQUAL(go_on(&rig, 5, T_MS, SB_SWEEP_CALLED), SB_SWEEP_SWEEPER);
    CU_ASSERT_TRUE(is_role_of(&rig, 0, 5));
    rig_end(&rig);
}

T_TEST(sweep_round, a_dead_sweeper_is_replaced_by_whoever_looks_first)
{
    for (uint32_t first = 1; first < WATCHERS; first++) {
        struct rig rig;
        settle(&rig);
        struct t_corpse corpse = t_corpse_to_be_found(rig.bus[0]);
        sb_store_release(place(&rig, 0), corpse.owner64);
        CU_ASSERT_EQUAL(go_on(&rig, first, 1, SB_SWEEP_TOLD), SB_SWEEP_SWEEPER);
        CU_ASSERT_NOT_EQUAL(sb_load_acquire(&rig.bus[0]->view.processes[corpse.slot].w), corpse.w);
        rig_end(&rig);
    }
}

/* A place names an incarnation, not a slot: its successor there is somebody else. */
T_TEST(sweep_round, the_place_of_one_who_has_left_goes_to_the_next)
{
    struct rig rig;
    settle(&rig);
    shmbus_detach(rig.bus[2]);
    rig.bus[2] = t_attach(rig.name); /* the same slot */
    t_nobody_looks(rig.bus[2]);
    CU_ASSERT_EQUAL(rig.bus[2]->member.slot, 2);
    CU_ASSERT_EQUAL(tick(&rig, 5), SB_SWEEP_DEPUTY);
    CU_ASSERT_TRUE(is_role_of(&rig, 2, 5));
    sb_sweep_leave(&rig.sweep[0]);
    CU_ASSERT_EQUAL(sb_load_acquire(place(&rig, 0)), 0);
    CU_ASSERT_EQUAL(tick(&rig, 4), SB_SWEEP_SWEEPER);
    rig_end(&rig);
}

/* It finds nobody dead because it gets no answer: that is no sign. */
T_TEST(sweep_round, who_gets_no_answer_from_the_kernel_neither_sweeps_nor_is_a_deputy)
{
    struct rig rig;
    settle(&rig);
    for (uint32_t i = 0; i < 2; i++) {
        rig.blind[i] = (struct sb_liveness){.path = "/nonexistent", .fd = -1};
        rig.liveness[i] = &rig.blind[i];
    }
    uint64_t before = seq(&rig);
    CU_ASSERT_EQUAL(tick(&rig, 0), SB_SWEEP_OTHER);
    CU_ASSERT_EQUAL(seq(&rig), before);
    CU_ASSERT_EQUAL(sb_load_acquire(place(&rig, 0)), 0);
    CU_ASSERT_EQUAL(tick(&rig, 1), SB_SWEEP_OTHER);
    CU_ASSERT_EQUAL(tick(&rig, 4), SB_SWEEP_SWEEPER);
    rig_end(&rig);
}

T_TEST(sweep_round, damaged_places_are_taken_sooner_or_later)
{
    struct rig rig;
    settle(&rig);
    for (int n = 0; n < 2000; n++) {
        for (uint32_t k = 0; k < SB_SWEEPERS; k++)
            sb_store_release(place(&rig, k), t_random() >> (n % 60));
        for (uint32_t i = 0; i < WATCHERS; i++) {
            for (uint32_t r = 0; r <= SB_SWEEP_LATE; r++)
                tick(&rig, i);
        }
        bool has = false;
        for (uint32_t i = 0; i < WATCHERS; i++)
            has = has || is_role_of(&rig, 0, i);
        CU_ASSERT_TRUE(has);
    }
    rig_end(&rig);
}

/* However often it is told of deaths, asking about everybody has its share and no more; and what it
 * was told of meanwhile is looked at when the time has come. */
T_TEST(sweep_round, being_told_without_end_does_not_take_the_processor)
{
    struct rig rig;
    settle(&rig);
    rig.sweep[0].asking_ns = 3 * T_MS;
    rig.sweep[0].asked_ns = rig.now_ns[0];
    struct t_corpse corpse = t_corpse_to_be_found(rig.bus[0]);
    CU_ASSERT_EQUAL(go_on(&rig, 0, T_MS, SB_SWEEP_TOLD), SB_SWEEP_SWEEPER);
    CU_ASSERT_EQUAL(sb_load_acquire(&rig.bus[0]->view.processes[corpse.slot].w), corpse.w);
    CU_ASSERT_TRUE(rig.sweep[0].again_ns > rig.now_ns[0]);
    rig.now_ns[0] = rig.sweep[0].again_ns;
    CU_ASSERT_EQUAL(go_on(&rig, 0, 0, SB_SWEEP_BY_CLOCK), SB_SWEEP_SWEEPER);
    CU_ASSERT_NOT_EQUAL(sb_load_acquire(&rig.bus[0]->view.processes[corpse.slot].w), corpse.w);
    rig_end(&rig);
}
