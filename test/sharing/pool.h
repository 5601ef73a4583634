/* SPDX-License-Identifier: MIT */
/*
 * A model of how queues share blocks: nothing but who has which block and who waits for what. Rings
 * and crash protocols are taken as right (test/model explores them); here every order in which
 * whole calls may happen is tried, with every wait endless, and kills at every place between calls.
 */
#ifndef T_POOL_H
#define T_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum { P_QUEUES = 4, P_ROLES = 5, P_CLASSES = 2, P_ROOM = 6, P_OPS = 4, P_HELD = 2 };
#define P_FOR_EVER 255u
#define P_NONE 255u

/* What a process does with a queue, one call each. */
enum p_what { P_END, P_RECV, P_SEND, P_RESERVE, P_DROPPING, P_FORWARD, P_RELEASE, P_REQUEUE };

struct p_op {
    uint8_t what, queue, size; /* size: the smallest class that holds the message */
};

/* A process: a loop of calls. */
struct p_role {
    struct p_op ops[P_OPS];
    uint8_t times; /* rounds, P_FOR_EVER */
    bool source;   /* the run is over when the sources are done and all was read */
};

enum p_policy { P_POOL, P_SHARES, P_SHARES_KEPT }; /* kept: a forward keeps its block */

struct p_config {
    enum p_policy policy;
    uint8_t queues, roles, classes, stock, kills;
    uint8_t common[P_CLASSES];
    uint8_t depth[P_QUEUES], max_deliveries[P_QUEUES], dead_letter[P_QUEUES];
    struct p_role role[P_ROLES];
};

enum p_result { P_GOES_ON, P_STANDS_STILL, P_TOO_LARGE };

/* Tries everything. *ret_states: how many states there are; @ret_why: where it stands still. */
enum p_result p_explore(const struct p_config *config, uint32_t limit, uint32_t *ret_states,
                        char ret_why[400]);

#endif
