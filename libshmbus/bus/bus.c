/* SPDX-License-Identifier: MIT */
/*
 * What a process does with its bus whoever of its threads calls: so far, repairing after the dead.
 */
#include "bus/bus.h"

#include "protocol/reclaim.h"
#include "protocol/sweep.h"

/* In the keeper, if there is one: one call for all, not one a process. */
static int sweep_job(void *argument)
{
    struct shmbus *bus = argument;
    struct sb_oracle of_keeper = sb_oracle_of_keeper(&bus->oracle);
    struct sb_oracle *oracle = bus->keeper == NULL ? &bus->oracle : &of_keeper;
    uint32_t freed = sb_reclaim_dead(&bus->view, oracle);

    if (sb_oracle_works(oracle, bus->member.slot)) {
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
    pthread_mutex_lock(&bus->oracle_lock);
    freed = sb_keeper_do(bus->keeper, sweep_job, bus);
    pthread_mutex_unlock(&bus->oracle_lock);
    return freed < 0 ? 0 : (uint32_t)freed;
}
