/* SPDX-License-Identifier: MIT */
/*
 * What a process does with its bus whoever of its threads calls: repairing after the dead,
 * waking who sleeps.
 */
#include "bus/bus.h"

#include "protocol/event.h"
#include "protocol/reclaim.h"
#include "protocol/sweep.h"

/* In the keeper, if there is one: one call for all, not one a process. */
static int sweep_job(void *argument)
{
    struct shmbus *bus = argument;
    struct sb_liveness of_keeper = sb_liveness_of_keeper(&bus->liveness);
    struct sb_liveness *liveness = bus->keeper == NULL ? &bus->liveness : &of_keeper;
    uint32_t freed = sb_reclaim_dead(&bus->view, liveness);

    if (sb_liveness_works(liveness, bus->member.slot)) {
        sb_sweep_sign(&bus->view);
    }
    return (int)freed;
}

uint32_t sb_bus_sweep(struct shmbus *bus)
{
    int freed;

    if (bus->observer) {
        return 0;
    }
    pthread_mutex_lock(&bus->liveness_lock);
    freed = sb_keeper_do(bus->keeper, sweep_job, bus);
    pthread_mutex_unlock(&bus->liveness_lock);
    return freed < 0 ? 0 : (uint32_t)freed;
}

void sb_bus_wake_sleepers(const struct shmbus *bus)
{
    for (uint32_t i = 0; i < bus->view.channel_count; i++) {
        sb_event_wake(&bus->view.channels[i].shared->readable);
        sb_event_wake(&bus->view.channels[i].shared->writable);
    }
    for (uint32_t i = 0; i < bus->view.region_count; i++) {
        sb_event_wake(&bus->view.regions[i].shared->unlocked);
    }
    sb_event_wake(bus->view.blocks.freed);
}
