/* SPDX-License-Identifier: MIT */
/*
 * Who looks for the dead
 *
 * The kernel is asked about each process of the table, one by one: that is dear, so one watcher
 * does it for all (the sweeper), three look at it (the deputies), and the cost of all the others
 * does not depend on how many there are. Nothing rests on there being exactly one: two who sweep at
 * once recover side by side, which reclaim.c allows.
 *
 *   places[0]       the sweeper, places[1..3] its deputies: owner64, 0 nobody
 *   sweep_seq       raised by whoever sweeps, with every round and within a long one
 *
 *   round of anybody but the sweeper            round of the sweeper
 *   E1 load places[0], sweep_seq                T1 ask the kernel about each ACTIVE slot
 *   E2 the sweeper is no member any more, or    T2 reclaim after the dead (reclaim.c)
 *      the kernel says it is dead, or no new    T3 sweep_seq + 1
 *      sign in LATE rounds: cas places[0] -> me
 *   E3 (won) places[k] me -> 0; T1 at once
 *   E4 without a place: a deputy who is no      leaving
 *      member any more: cas places[k] -> me     X1 each place me -> 0
 *
 * Rounds are counted, no clocks compared: each watcher counts its own, so a paused machine, another
 * time namespace or a busy processor makes nobody look late who is not; and being replaced does no
 * harm: it sees in E1 that another one is there and is one of the others from then on.
 *
 * Dead. A deputy is told by the kernel like the sweeper is (watcher.c), asks about it and replaces
 * it. When all four die at once the next round of any other does, and callers that wait have their
 * watcher make one when they see no sign (watcher.c).
 *
 * Stopped. A sweeper gives no sign; deputies replace it after LATE rounds, the others after one of
 * theirs, which is longer. A deputy that is stopped keeps its place; there are two more, and all
 * the others.
 *
 * Blind. A process whose descriptors were closed and that can open the segment no more gets no
 * answer about anybody, itself included. So nobody takes place 0 without asking about itself first,
 * nor gives a sign: E2 and T3 need sb_liveness_works(). A place it has goes to the next.
 *
 * No word here comes again: owner64 has 48 bits of epoch. sweep_seq is compared with its value of
 * one second ago, and takes ages to come round in 64 bits.
 * Killed before E2, T1: nothing. E2-E3: two places name a dead process, each is found on its own.
 * T1-T3: recovery is repeated by the next. X1: places of a process that is no member, found by E2
 * and E4. Damaged places name nobody or somebody who gives no sign: both are replaced.
 * Checked by: test/unit/test_sweep.c, test/process/test_sweep_deaths.c, test/model (sweep_*),
 *   test/crash (sweep)
 */
#include "protocol/sweep.h"

#include "base/clock.h"
#include "protocol/reclaim.h"

/* Asking about everybody takes at most one part in so many of a processor, but is never put off for
 * longer. The second pair while deaths are being told. */
#define SHARE 100
#define PAUSE_NS 400000000
#define SHARE_TOLD 5
#define PAUSE_TOLD_NS 20000000

/* Told of a death that is none yet: the lock goes right after the telling. */
#define AGAIN_NS 2000000

void sb_sweep_init(struct sb_sweep *sweep, const struct sb_view *view,
                   const struct sb_member *member)
{
    *sweep = (struct sb_sweep){
        .view = view,
        .slot = member->slot,
        .me = member->owner64,
        .seq = sb_load_acquire(&view->super->sweep_seq),
    };
}

static sb_word *place_of(const struct sb_view *view, uint32_t k)
{
    return &view->super->sweepers[k];
}

static bool is_gone(const struct sb_view *view, struct sb_liveness *liveness, uint64_t owner64)
{
    uint64_t w = sb_owner64_word(view, owner64);
    return w == 0 || sb_process_is_dead(view, liveness, sb_owner64_slot(owner64), w);
}

bool sb_sweep_is_kept(const struct sb_view *view, struct sb_liveness *liveness)
{
    return !is_gone(view, liveness, sb_load_acquire(place_of(view, 0)));
}

/* Only rounds that lie about a tick apart count: others are made because somebody was told. One of
 * an other one, which are long, is as good as all of a deputy's. */
static void count_signs(struct sb_sweep *sweep, int64_t now_ns)
{
    uint64_t seq = sb_load_acquire(&sweep->view->super->sweep_seq); /* E1 */
    int64_t passed_ns = now_ns - sweep->seen_ns;

    if (seq != sweep->seq || sweep->seen_ns == 0) {
        sweep->seq = seq;
        sweep->late = 0;
        sweep->seen_ns = now_ns;
    } else if (passed_ns >= SB_SWEEP_TICK_NS / 2) {
        sweep->late += passed_ns >= SB_SWEEP_REST_NS / 2 ? SB_SWEEP_LATE : 1u;
        sweep->seen_ns = now_ns;
    }
}

static void give_up(const struct sb_sweep *sweep, uint32_t k)
{
    if (sb_load_relaxed(place_of(sweep->view, k)) == sweep->me) {
        sb_cas(place_of(sweep->view, k), sweep->me, 0);
    }
}

void sb_sweep_leave(const struct sb_sweep *sweep)
{
    for (uint32_t k = 0; k < SB_SWEEPERS; k++) {
        give_up(sweep, k); /* X1 */
    }
}

/* E1 to E3. */
static bool become_sweeper(struct sb_sweep *sweep, struct sb_liveness *liveness, bool is_late)
{
    uint64_t now = sb_load_acquire(place_of(sweep->view, 0)); /* E1 */

    if (!is_late && !is_gone(sweep->view, liveness, now)) {
        return false;
    }
    if (!sb_liveness_works(liveness, sweep->slot) ||
        !sb_cas(place_of(sweep->view, 0), now, sweep->me)) { /* E2 */
        return false;
    }
    for (uint32_t k = 1; k < SB_SWEEPERS; k++) {
        give_up(sweep, k); /* E3 */
    }
    sweep->asking_ns = 0; /* T1 at once */
    return true;
}

static bool has_place(const struct sb_sweep *sweep)
{
    bool has = false;
    for (uint32_t k = 1; k < SB_SWEEPERS; k++) {
        has = has || sb_load_relaxed(place_of(sweep->view, k)) == sweep->me;
    }
    return has;
}

/* E4. */
static bool take_place(const struct sb_sweep *sweep, struct sb_liveness *liveness)
{
    for (uint32_t k = 1; k < SB_SWEEPERS; k++) {
        uint64_t now = sb_load_acquire(place_of(sweep->view, k));
        if (sb_owner64_word(sweep->view, now) == 0 && sb_liveness_works(liveness, sweep->slot) &&
            sb_cas(place_of(sweep->view, k), now, sweep->me)) {
            return true;
        }
    }
    return false;
}

static enum sb_sweep_role look_on(const struct sb_sweep *sweep, struct sb_liveness *liveness)
{
    if (!has_place(sweep)) {
        return take_place(sweep, liveness) ? SB_SWEEP_DEPUTY : SB_SWEEP_OTHER;
    }
    if (sb_liveness_works(liveness, sweep->slot)) {
        return SB_SWEEP_DEPUTY;
    }
    sb_sweep_leave(sweep);
    return SB_SWEEP_OTHER;
}

/* How long not to ask again. */
static int64_t pause_ns(const struct sb_sweep *sweep, bool told)
{
    int64_t pause = sweep->asking_ns * (told ? SHARE_TOLD : SHARE);
    int64_t most = told ? PAUSE_TOLD_NS : PAUSE_NS;
    return pause < most ? pause : most;
}

/* T1 and T2. @told: of a death, just now or a moment ago. @just_now: the former. */
static void ask_about_all(struct sb_sweep *sweep, struct sb_liveness *liveness, int64_t now_ns,
                          bool told, bool just_now)
{
    uint32_t recovered;

    if (now_ns - sweep->asked_ns < pause_ns(sweep, told)) {
        if (told) {
            sweep->again_ns = sweep->asked_ns + pause_ns(sweep, told);
        }
        return;
    }
    recovered = sb_reclaim_dead(sweep->view, liveness);
    sweep->asked_ns = sb_now_ns();
    sweep->asking_ns = sweep->asked_ns - now_ns;
    sweep->again_ns = just_now && recovered == 0 ? sweep->asked_ns + AGAIN_NS : 0;
}

static enum sb_sweep_role sweep_all(struct sb_sweep *sweep, struct sb_liveness *liveness,
                                    int64_t now_ns, bool told, bool just_now)
{
    if (!sb_liveness_works(liveness, sweep->slot)) {
        sb_sweep_leave(sweep);
        return SB_SWEEP_OTHER;
    }
    ask_about_all(sweep, liveness, now_ns, told, just_now);
    sb_sweep_sign(sweep->view); /* T3 */
    return SB_SWEEP_SWEEPER;
}

enum sb_sweep_role sb_sweep_round(struct sb_sweep *sweep, struct sb_liveness *liveness,
                                  int64_t now_ns, enum sb_sweep_why why)
{
    bool just_now = why == SB_SWEEP_TOLD;
    bool told = just_now || (sweep->again_ns != 0 && now_ns >= sweep->again_ns);

    sweep->again_ns = 0;
    if (sb_load_acquire(place_of(sweep->view, 0)) != sweep->me) {
        count_signs(sweep, now_ns);
        if (!become_sweeper(sweep, liveness,
                            sweep->late >= SB_SWEEP_LATE || why == SB_SWEEP_CALLED)) {
            sweep->role = look_on(sweep, liveness);
            sweep->again_ns = just_now ? now_ns + AGAIN_NS : 0;
            return sweep->role;
        }
    }
    sweep->late = 0;
    sweep->role = sweep_all(sweep, liveness, now_ns, told, just_now);
    return sweep->role;
}
