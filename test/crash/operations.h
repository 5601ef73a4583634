/* SPDX-License-Identifier: MIT */
/* Every public call that changes shared state, as something a child does between two marks. */
#ifndef T_OPERATIONS_H
#define T_OPERATIONS_H

#include "protocol/sweep.h"
#include "world.h"

struct t_actor;

struct t_operation {
    const char *name;
    unsigned fill;  /* messages in the queue, stream or lane before */
    unsigned cycle; /* messages that went through before: where the ring stands */
    enum t_end end;
    bool (*prepare)(struct t_actor *a);
    void (*run)(struct t_actor *a);
    bool alone;                 /* not in pairs: needs an end of the stream, or most of the slots */
    bool long_run;              /* thousands of instructions: only every so many are tried */
    bool waiter;                /* somebody sleeps on the queue meanwhile */
    uint8_t dead_min, dead_max; /* processes that recovery finds dead if the child is killed */
};

extern const struct t_operation t_operations[];
extern const unsigned t_operation_count;

struct t_actor {
    const struct t_operation *operation;
    const char *bus_name;
    struct t_ledger *ledger;
    unsigned number;   /* 0 or 1 */
    unsigned first_id; /* of the messages it sends */
    struct shmbus *bus;
    struct shmbus_channel *q, *q2, *s;
    struct shmbus_region *region;
    struct shmbus_msg msg, msgs[3];
    struct sb_sweep sweep;
    int64_t swept_ns;
    int result;
};

/* The child: prepares, marks, runs, marks. */
void t_actor_main(void *actor);

#endif
