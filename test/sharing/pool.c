/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block is named by its class and its home: 0 common, otherwise queue + 1. */
struct block {
    uint8_t cls, home;
};

struct message {
    struct block block;
    uint8_t size, deliveries;
};

struct list {
    uint8_t count;
    struct message m[P_ROOM];
};

/* Bytes only, so that equal states are equal in memory. */
struct state {
    uint8_t at[P_ROLES], left[P_ROLES], kills;
    uint8_t free[P_CLASSES][P_QUEUES + 1];
    uint8_t stock[P_ROLES][P_CLASSES];
    uint8_t reserved[P_ROLES]; /* 1: reservation[] is one */
    struct block reservation[P_ROLES];
    struct list held[P_ROLES], ring[P_QUEUES], orphans[P_QUEUES], letters[P_QUEUES];
};

static const struct p_config *config;
static struct state *states; /* found so far, in the order in which they were found */
static uint32_t *table;      /* hash table of indices + 1 */
static uint32_t count, limit, mask;

/* ----------------------------------------------------------------------------------- the set */

static uint64_t hash_of(const struct state *s)
{
    const uint8_t *bytes = (const uint8_t *)s;
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < sizeof *s; i++) {
        h = (h ^ bytes[i]) * 0x100000001b3ull;
    }
    return h ^ h >> 29;
}

static void found(const struct state *s)
{
    uint32_t at = (uint32_t)hash_of(s) & mask;

    while (table[at] != 0) {
        if (memcmp(&states[table[at] - 1u], s, sizeof *s) == 0) {
            return;
        }
        at = (at + 1u) & mask;
    }
    if (count < limit) {
        states[count++] = *s;
        table[at] = count;
    }
}

/* ----------------------------------------------------------------------------------- blocks */

static void push(struct list *list, struct message m)
{
    if (list->count < P_ROOM) {
        list->m[list->count++] = m;
    }
}

static struct message pull(struct list *list)
{
    struct message m = list->m[0];

    list->count--;
    memmove(&list->m[0], &list->m[1], list->count * sizeof m);
    memset(&list->m[list->count], 0, sizeof m);
    return m;
}

/* @role P_NONE: whoever has no stock. */
static void give(struct state *s, uint8_t role, struct block b)
{
    if (b.home == 0 && role != P_NONE && s->stock[role][b.cls] < config->stock) {
        s->stock[role][b.cls]++;
    } else {
        s->free[b.cls][b.home]++;
    }
}

static void refill(struct state *s, uint8_t role, uint8_t cls)
{
    while (role != P_NONE && s->stock[role][cls] < config->stock && s->free[cls][0] > 0) {
        s->free[cls][0]--;
        s->stock[role][cls]++;
    }
}

static bool take(struct state *s, uint8_t role, uint8_t queue, uint8_t size, struct block *ret)
{
    for (uint8_t c = size; c < config->classes; c++) {
        *ret = (struct block){c, 0};
        if (role != P_NONE && s->stock[role][c] > 0) {
            s->stock[role][c]--;
            return true;
        }
        if (s->free[c][0] > 0) {
            s->free[c][0]--;
            refill(s, role, c);
            return true;
        }
    }
    for (uint8_t c = size; c < config->classes; c++) {
        *ret = (struct block){c, (uint8_t)(queue + 1u)};
        if (s->free[c][queue + 1u] > 0) {
            s->free[c][queue + 1u]--;
            return true;
        }
    }
    return false;
}

static bool flush(struct state *s, uint8_t role)
{
    bool any = false;

    for (uint8_t c = 0; c < config->classes; c++) {
        any |= s->stock[role][c] > 0;
        s->free[c][0] += s->stock[role][c];
        s->stock[role][c] = 0;
    }
    return any;
}

/* ------------------------------------------------------------------------------ dead letters */

static void drop_letter(struct state *s, uint8_t queue)
{
    give(s, P_NONE, pull(&s->letters[queue]).block);
}

/* The oldest go if there is no place; one in a block of another share moves to another block. */
static void bury(struct state *s, uint8_t queue, struct message m)
{
    struct list *letters = &s->letters[queue];
    struct block b;

    if (config->policy == P_POOL) {
        push(letters, m);
        return;
    }
    while (letters->count >= config->depth[queue]) {
        drop_letter(s, queue);
    }
    if (m.block.home != 0 && m.block.home != queue + 1) {
        while (!take(s, P_NONE, queue, m.size, &b)) {
            if (letters->count == 0) {
                push(letters, m); /* stays with its queue */
                return;
            }
            drop_letter(s, queue);
        }
        give(s, P_NONE, m.block);
        m.block = b;
    }
    push(letters, m);
}

static void give_back(struct state *s, uint8_t queue, struct message m)
{
    uint8_t max = config->max_deliveries[queue];

    if (max > 0 && m.deliveries >= max) {
        bury(s, config->dead_letter[queue], m);
    } else {
        push(&s->orphans[queue], m);
    }
}

/* ------------------------------------------------------------------------------------ calls */

/* The queue from which the message in hand came. */
static uint8_t origin(const struct p_role *role, uint8_t at)
{
    while (at > 0) {
        if (role->ops[--at].what == P_RECV) {
            return role->ops[at].queue;
        }
    }
    return P_NONE;
}

static bool receive(struct state *s, uint8_t p, uint8_t queue)
{
    struct list *from = s->orphans[queue].count > 0   ? &s->orphans[queue]
                        : s->letters[queue].count > 0 ? &s->letters[queue]
                                                      : &s->ring[queue];
    struct message m;

    if (from->count == 0) {
        return false;
    }
    m = pull(from);
    m.deliveries++;
    push(&s->held[p], m);
    return true;
}

static bool is_full(const struct state *s, uint8_t queue)
{
    return s->ring[queue].count >= config->depth[queue];
}

static void commit(struct state *s, const struct p_op *op, struct block b)
{
    push(&s->ring[op->queue], (struct message){b, op->size, 0});
}

static bool send(struct state *s, uint8_t p, const struct p_op *op)
{
    bool drops = op->what == P_DROPPING;
    struct block b;

    while (drops && is_full(s, op->queue)) {
        give(s, p, pull(&s->ring[op->queue]).block);
    }
    if (is_full(s, op->queue)) {
        return false;
    }
    while (!take(s, p, op->queue, op->size, &b)) {
        if (!drops || s->ring[op->queue].count == 0) {
            return false;
        }
        give(s, p, pull(&s->ring[op->queue]).block);
    }
    commit(s, op, b);
    return true;
}

/* Two steps: 1 reserved, 2 committed, 0 waits. */
static int reserve(struct state *s, uint8_t p, const struct p_op *op)
{
    if (s->reserved[p] == 0) {
        s->reserved[p] = take(s, p, op->queue, op->size, &s->reservation[p]);
        return s->reserved[p];
    }
    if (is_full(s, op->queue)) {
        return 0;
    }
    commit(s, op, s->reservation[p]);
    s->reserved[p] = 0;
    s->reservation[p] = (struct block){0, 0};
    return 2;
}

static bool forward(struct state *s, uint8_t p, const struct p_op *op)
{
    struct message m = s->held[p].m[0];
    struct block b = m.block;

    if (is_full(s, op->queue)) {
        return false;
    }
    if (config->policy == P_SHARES && b.home != 0 && b.home != op->queue + 1) {
        if (!take(s, p, op->queue, m.size, &b)) {
            return false;
        }
        give(s, p, m.block);
    }
    pull(&s->held[p]);
    push(&s->ring[op->queue], (struct message){b, m.size, 0});
    return true;
}

static bool finish(struct state *s, uint8_t p, const struct p_op *op)
{
    struct message m = pull(&s->held[p]);

    if (op->what == P_RELEASE) {
        give(s, p, m.block);
    } else {
        give_back(s, origin(&config->role[p], s->at[p]), m);
    }
    return true;
}

static void next_call(struct state *s, uint8_t p)
{
    s->at[p]++;
    if (s->at[p] == P_OPS || config->role[p].ops[s->at[p]].what == P_END) {
        s->at[p] = 0;
        s->left[p] = s->left[p] != P_FOR_EVER ? (uint8_t)(s->left[p] - 1u) : s->left[p];
    }
}

/* The next call of process @p. False: it waits, and has given its stock back before. */
static bool step(const struct state *before, uint8_t p)
{
    const struct p_op *op = &config->role[p].ops[before->at[p]];
    struct state s = *before;
    int done;

    if (s.left[p] == 0) {
        return false;
    }
    switch (op->what) {
    case P_RECV:
        done = receive(&s, p, op->queue) ? 2 : 0;
        break;
    case P_RESERVE:
        done = reserve(&s, p, op);
        break;
    case P_FORWARD:
        done = forward(&s, p, op) ? 2 : 0;
        break;
    case P_RELEASE:
    case P_REQUEUE:
        done = finish(&s, p, op) ? 2 : 0;
        break;
    default:
        done = send(&s, p, op) ? 2 : 0;
    }
    if (done == 0) {
        s = *before;
        if (!flush(&s, p)) {
            return false;
        }
    } else if (done == 2) {
        next_call(&s, p);
    }
    found(&s);
    return true;
}

/* Another one takes its place. */
static void kill_one(const struct state *before, uint8_t p)
{
    struct state s = *before;
    uint8_t from = origin(&config->role[p], s.at[p]);

    if (s.kills == 0 || s.left[p] == 0) {
        return;
    }
    s.kills--;
    flush(&s, p);
    if (s.reserved[p] != 0) {
        give(&s, P_NONE, s.reservation[p]);
        s.reserved[p] = 0;
        s.reservation[p] = (struct block){0, 0};
    }
    while (s.held[p].count > 0) {
        give_back(&s, from, pull(&s.held[p]));
    }
    s.at[p] = 0;
    found(&s);
}

/* ------------------------------------------------------------------------------------ the end */

static bool is_read(uint8_t queue)
{
    for (uint8_t p = 0; p < config->roles; p++) {
        for (int i = 0; i < P_OPS; i++) {
            const struct p_op *op = &config->role[p].ops[i];
            if (op->what == P_RECV && op->queue == queue && config->role[p].times == P_FOR_EVER) {
                return true;
            }
        }
    }
    return false;
}

/* The sources are done and what is read was read. */
static bool is_over(const struct state *s)
{
    for (uint8_t p = 0; p < config->roles; p++) {
        if (config->role[p].source ? s->left[p] != 0 : s->held[p].count > 0) {
            return false;
        }
    }
    for (uint8_t q = 0; q < config->queues; q++) {
        if (is_read(q) && s->ring[q].count + s->orphans[q].count + s->letters[q].count > 0) {
            return false;
        }
    }
    return true;
}

static void describe(const struct state *s, char *text, size_t bytes)
{
    static const char *const names[] = {"end",     "receive from", "send to", "reserve in",
                                        "drop in", "forward to",   "release", "requeue"};
    size_t n = 0;

    text[0] = '\0';
    for (uint8_t p = 0; p < config->roles && n < bytes; p++) {
        const struct p_op *op = &config->role[p].ops[s->at[p]];
        if (s->left[p] != 0) {
            n += (size_t)snprintf(text + n, bytes - n, "p%u would %s q%u, holds %u; ", p,
                                  names[op->what], op->queue, s->held[p].count);
        }
    }
    for (uint8_t q = 0; q < config->queues && n < bytes; q++) {
        n += (size_t)snprintf(text + n, bytes - n, "q%u has %u of %u; ", q, s->ring[q].count,
                              config->depth[q]);
    }
}

/* Lists have an end here that queues do not have: what comes near to it is not followed. */
static bool is_beyond(const struct state *s)
{
    for (uint8_t q = 0; q < config->queues; q++) {
        if (s->ring[q].count >= P_ROOM || s->orphans[q].count >= P_ROOM ||
            s->letters[q].count >= P_ROOM) {
            return true;
        }
    }
    return false;
}

static void begin(struct state *s)
{
    memset(s, 0, sizeof *s);
    s->kills = config->kills;
    for (uint8_t p = 0; p < config->roles; p++) {
        s->left[p] = config->role[p].times;
    }
    for (uint8_t c = 0; c < config->classes; c++) {
        s->free[c][0] = config->common[c];
    }
    for (uint8_t q = 0; q < config->queues; q++) { /* one of the largest for each */
        s->free[config->classes - 1][config->policy == P_POOL ? 0 : q + 1]++;
    }
}

static enum p_result explore(char ret_why[400])
{
    struct state s;

    begin(&s);
    found(&s);
    for (uint32_t i = 0; i < count; i++) {
        bool stuck = true;
        s = states[i];
        if (count >= limit) {
            return P_TOO_LARGE;
        }
        if (is_beyond(&s)) {
            continue;
        }
        for (uint8_t p = 0; p < config->roles; p++) {
            stuck = !step(&s, p) && stuck;
        }
        if (stuck && !is_over(&s)) {
            describe(&s, ret_why, 400);
            return P_STANDS_STILL;
        }
        for (uint8_t p = 0; p < config->roles; p++) {
            kill_one(&s, p);
        }
    }
    return P_GOES_ON;
}

enum p_result p_explore(const struct p_config *what, uint32_t most, uint32_t *ret_states,
                        char ret_why[400])
{
    enum p_result r = P_TOO_LARGE;

    config = what;
    count = 0;
    limit = most;
    for (mask = 1; mask < 2 * most; mask *= 2) {
    }
    states = malloc(most * sizeof *states);
    table = calloc(mask, sizeof *table);
    mask--;
    ret_why[0] = '\0';
    if (states != NULL && table != NULL) {
        r = explore(ret_why);
    }
    free(states);
    free(table);
    *ret_states = count;
    return r;
}
