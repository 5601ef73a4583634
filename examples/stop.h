/* SPDX-License-Identifier: MIT */
/*
 * Stopping a tree of threads within a limit, on top of a bus: no more is taken, what is in hand is
 * finished, and what is not finished in time is counted and stays for others.
 *
 * A node is something that can be stopped: the whole program, one kind of its workers, one thread.
 * Asking a node to stop asks all below it. A node is asked once: a second time changes nothing, not
 * the deadline either.
 *
 * stop_ask() and stop_asked() may be called by any thread and by a signal handler. Everything else
 * here is for the thread that owns the node or the channel. After fork() the child has no use of a
 * node.
 */
#ifndef SHMBUS_EXAMPLE_STOP_H
#define SHMBUS_EXAMPLE_STOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

struct stop {
    struct stop *parent; /* or NULL */
    struct shmbus *bus;  /* its waiting calls end when this node is asked; NULL: they do not */
    int event;           /* readable from then on */
    _Atomic int64_t asked_ns, deadline_ns; /* 0: not asked */
    atomic_uint given_back;                /* messages that stay for others, because of the stop */
};

/* -errno. @bus: all its calls are interrupted, so a node that is to be stopped alone has a handle
 * of its own (one more shmbus_attach()); one that is only stopped with its parent has none. */
int stop_init(struct stop *node, struct stop *parent, struct shmbus *bus);
void stop_free(struct stop *node);

void stop_ask(struct stop *node, int64_t limit_ns);
bool stop_asked(const struct stop *node);       /* it, or one above it */
int64_t stop_left_ns(const struct stop *node);  /* to the deadline; INT64_MAX: not asked */
int64_t stop_since_ns(const struct stop *node); /* when it was asked, CLOCK_MONOTONIC; 0: not */

/* Like shmbus_recv(); -ECANCELED from the moment it was asked, whatever is in the queue. */
int stop_recv(struct stop *node, struct shmbus_channel *ch, struct shmbus_msg *ret_msg,
              int64_t timeout_ns);
/* Puts the message back, for this or another process, and counts it. */
int stop_give_back(struct stop *node, struct shmbus_msg *msg);

/* True: all of @ns has passed. The first is false as soon as it is asked, the second at the
 * deadline. */
bool stop_pause(struct stop *node, int64_t ns);
bool stop_finish(struct stop *node, int64_t ns);

/* Joins the threads, until 1 s behind the deadline of @node, which was asked: at the deadline they
 * give back what they have. Returns how many have not ended even then.
 * The process then ends without them: what they held is delivered again, as after any death. */
size_t stop_join(struct stop *node, const pthread_t *threads, size_t count);

#endif
