/* SPDX-License-Identifier: MIT */
/*
 * Who looks for the dead: one of all the watcher threads of a bus, and three that look at it. The
 * protocol is at the top of sweep.c. No thread, no sleep and no clock of its own in here.
 */
#ifndef SB_SWEEP_H
#define SB_SWEEP_H

#include "protocol/process.h"

#define SB_SWEEP_TICK_NS 100000000ll  /* from round to round, of the sweeper and of its deputies */
#define SB_SWEEP_REST_NS 1000000000ll /* of everybody else */
#define SB_SWEEP_LATE 3u /* so many rounds without a sign, and the sweeper is replaced */

enum sb_sweep_role { SB_SWEEP_OTHER, SB_SWEEP_DEPUTY, SB_SWEEP_SWEEPER };

/* One watcher's part. */
struct sb_sweep {
    const struct sb_view *view;
    uint32_t slot;
    uint64_t me; /* owner64 */
    enum sb_sweep_role role;
    uint64_t seq;      /* the last sign seen */
    int64_t seen_ns;   /* when the last round was that counts */
    uint32_t late;     /* rounds in a row without a new one */
    int64_t asked_ns;  /* sweeper: when all processes were asked about last */
    int64_t asking_ns; /* and how long that took */
    int64_t again_ns;  /* the next round is due by then, whatever the clock says; 0: it is not */
};

/* What a round is made for. */
enum sb_sweep_why {
    SB_SWEEP_BY_CLOCK,
    SB_SWEEP_TOLD,  /* by the kernel: somebody may have died */
    SB_SWEEP_CALLED /* by a thread of this process: it has seen no sign for long enough */
};

void sb_sweep_init(struct sb_sweep *sweep, const struct sb_view *view,
                   const struct sb_member *member);

/* One round at @now_ns: does what falls to this watcher. Returns what it is now. */
enum sb_sweep_role sb_sweep_round(struct sb_sweep *sweep, struct sb_liveness *liveness,
                                  int64_t now_ns, enum sb_sweep_why why);

/* Whether somebody alive has the sweeper's place. */
bool sb_sweep_is_kept(const struct sb_view *view, struct sb_liveness *liveness);

/* Gives up every place; the others find it empty. */
void sb_sweep_leave(const struct sb_sweep *sweep);

/* A sign for the others: somebody is at work. */
static inline void sb_sweep_sign(const struct sb_view *view)
{
    sb_fetch_add(&view->super->sweep_seq, 1);
}

#endif
