/* SPDX-License-Identifier: MIT */
/*
 * The world of one crash point: a small bus, a survivor attached to it, one or two children that
 * are stopped or killed in the middle of an operation, and a ledger of who must get what.
 */
#ifndef T_WORLD_H
#define T_WORLD_H

#include <shmbus/shmbus.h>
#include <stdbool.h>
#include <stdint.h>

/* Messages by number: 1.. sent before, 200.. and 210.. by the actors, 300 to 302 by the survivor
 * meanwhile, 400 only passes through. */
#define T_IDS 512u
#define T_ID_ACTOR 200u
#define T_ID_WORK 300u
#define T_ID_WORK_STREAM 301u
#define T_ID_WORK_LANES 302u
#define T_ID_PASS 400u
#define T_DEPTH 4u
#define T_REGION_BYTES 256u
#define T_ACTORS 2u
#define T_LANES 4u

/* How often a message may be delivered to the survivor in the end. */
struct t_bounds {
    uint8_t min, max;
};

/* Shared with the children. Written by an actor before the first mark (what may happen) and after
 * its operation (what did). */
struct t_ledger {
    struct t_bounds during[T_ACTORS][T_IDS];
    struct t_bounds after[T_ACTORS][T_IDS];
    bool concerns[T_ACTORS][T_IDS]; /* the actor has something to say about this message */
    bool ended[T_ACTORS];           /* `after` holds */
    bool broken[T_ACTORS];          /* a call answered what it must not */
    char what[T_ACTORS][160];
    uint8_t region_value[T_ACTORS]; /* what a region write of this actor fills it with; 0: none */
    uint8_t drop_max[T_ACTORS];     /* so many of the messages sent before may be thrown away */
    bool in_order;                  /* what comes again from "q" comes in its order */
    bool sweeps;                    /* the survivor must become the sweeper in the end */
};

struct t_world {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus; /* the survivor */
    struct shmbus_channel *q, *q2, *dead;
    struct shmbus_channel *tx, *rx; /* the survivor's end of the stream, if it has one */
    struct shmbus_channel *l, *ld;  /* queues with order per producer: blocking, drop_oldest */
    struct shmbus_channel *lanes;   /* that of the two that the operation is about, or NULL */
    struct shmbus_channel *lx;      /* with lanes, one delivery */
    struct shmbus_channel *letters; /* its dead letters, which drop */
    uint64_t again;                 /* sequence of what came again last */
    struct t_ledger *ledger;
    unsigned setup_ids; /* 1 .. setup_ids were sent before the operation */
    unsigned got[T_IDS];
    bool sent_work, sent_work_stream, sent_work_lanes;
    const char *failure; /* the first one */
    char failure_text[256];
};

/* What an operation is about: the queue, the stream and which end of it, or one of the queues with
 * lanes. */
enum t_end { T_QUEUE, T_STREAM_CHILD_SENDS, T_STREAM_CHILD_RECEIVES, T_LANES_BLOCK, T_LANES_DROP };

/* @cycle messages pass there before, then @fill stay; with lanes, in a lane that nobody has now and
 * that the next producer takes. False on failure. */
bool t_world_make(struct t_world *w, enum t_end end, unsigned fill, unsigned cycle);
void t_world_free(struct t_world *w);

/* What others do while an actor stands still: none of it may wait. */
void t_world_work(struct t_world *w);

/* Recovery by the survivor, who must find so many dead processes. */
void t_world_reclaim(struct t_world *w, unsigned dead_min, unsigned dead_max);

/* Takes everything there is and checks every invariant. */
void t_world_check(struct t_world *w);

void t_fail(struct t_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For survivor and actors alike. */
int t_send_id(struct shmbus_channel *ch, unsigned id);
unsigned t_msg_id(const struct shmbus_msg *msg); /* 0: not a message of ours, or damaged */

#endif
