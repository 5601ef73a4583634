/* SPDX-License-Identifier: MIT */
/*
 * An open channel: private memory of one thread.
 */
#ifndef SB_CHANNEL_H
#define SB_CHANNEL_H

#include "base/asked.h"
#include "base/branch.h"
#include "bus/bus.h"
#include "channel/kind.h"
#include "inspect/census.h"

struct sb_poll; /* poll.c */

struct shmbus_channel {
    /* Each message looks at these. */
    const uint64_t *cookie;  /* see sb_bus_is_ours() */
    const sb_word *shutdown; /* of the bus */
    struct sb_channel *shared;
    struct sb_endpoint *row; /* this handle's counters */
    size_t size_max;
    unsigned mode;
    uint32_t ops_left; /* operations until the next look at the clock */
    enum sb_kind_id kind;
    uint32_t slot; /* this process's */
    bool timestamps;
    bool gives_back;  /* SHMBUS_OPEN_GIVE_BACK: a close counts no delivery */
    uint64_t msg_tag; /* the bus's id where messages have it, see sb_msg_tag() */
    struct shmbus *bus;
    const struct sb_channel_view *view;
    const struct sb_kind *ops; /* of the kind */
    uint64_t in_cells;         /* messages received from cells and not given back */
    uint32_t index;
    uint32_t owner;
    uint64_t holder; /* marks blocks that this handle gave to the application */
    uint32_t ops_period;
    int64_t beat_ns;
    uint64_t bound_thread;        /* whose end closes it; 0: it is the application's to close */
    int64_t thread_ns;            /* when the row was told last which thread uses it */
    int64_t census_ns;            /* when census was written */
    char census[SB_CENSUS_BYTES]; /* who has what the last send found none of */
    const struct sb_asked *asked; /* ends the receive that it is in; NULL: nobody does */
    struct sb_poll *poll;
    struct shmbus_channel *next;
    char name[SHMBUS_NAME_BYTES];
    bool collects_dead_cells; /* dead-letter queue of queues that have lanes */
} __attribute__((aligned(SB_LINE)));

/* The part of the handle's kind, which is allocated with it, behind it: see struct sb_kind. A kind
 * has a name and a type for its own in its header or file. */
static inline void *sb_channel_part(const struct shmbus_channel *ch)
{
    return (void *)(ch + 1);
}

/* What is to be sent, and how long to try. */
struct sb_send {
    unsigned type;
    uint64_t correlation_id;
    const void *data;
    size_t size_bytes;
    int64_t timeout_ns;
};

static inline uint64_t sb_msg_tag(const struct shmbus_channel *ch, enum sb_msg_kind kind,
                                  uint32_t number)
{
    return ch->msg_tag | ((uint64_t)kind << 32) | number;
}

static inline enum sb_msg_kind sb_msg_kind(const struct shmbus_msg *msg)
{
    return (enum sb_msg_kind)((msg->opaque_[1] >> 32) & 0xffu);
}

static inline uint32_t sb_msg_number(const struct shmbus_msg *msg)
{
    return (uint32_t)msg->opaque_[1];
}

static inline void sb_count(struct shmbus_channel *ch, enum shmbus_counter counter, uint64_t n)
{
    sb_own_add(&ch->row->counters[counter], n);
}

/* A received message that its holder did not keep; @undo: as if it had not been received. */
static inline void sb_count_given_back(struct shmbus_channel *ch, const struct shmbus_msg *msg,
                                       bool undo)
{
    if (!undo) {
        sb_count(ch, SHMBUS_COUNT_requeued, 1);
        return;
    }
    sb_count(ch, SHMBUS_COUNT_received, UINT64_MAX);
    sb_count(ch, SHMBUS_COUNT_received_bytes, 0 - (uint64_t)msg->size_bytes);
    if (msg->delivery_count > 1) {
        sb_count(ch, SHMBUS_COUNT_redelivered, UINT64_MAX);
    }
}

/* Whether @ch waits in vain for @what: the segment was removed or replaced, and nobody is left who
 * could end the wait. Cheap as long as the segment can be found. */
bool sb_hope_is_gone(const struct shmbus_channel *ch, enum sb_waits what);

/* For who does not wait: from now on a look at ch->shutdown says so, or no longer. The thread of
 * the handle alone. 0; -SHMBUS_ERR_REMOVED. */
int sb_hope_tell(struct shmbus_channel *ch);

/* Whether the census of this handle is to be taken anew: it costs a look at every block. */
bool sb_census_is_due(struct shmbus_channel *ch);

/* Operations from beat to beat, at most: so many go without a heartbeat when a fast loop turns
 * slow. */
#define SB_BEAT_PERIOD_MAX 256u

#define SB_IDLE_OPS 16u /* an empty look counts as so many operations */

/* Heartbeat and progress, now and then: see channel.c. */
void sb_channel_beat(struct shmbus_channel *ch);

static inline void sb_channel_tick(struct shmbus_channel *ch)
{
    if (sb_unlikely(--ch->ops_left == 0)) {
        sb_channel_beat(ch);
    }
}

/* The same after an empty look: who only looks now and then comes to many operations late. */
static inline void sb_channel_tick_idle(struct shmbus_channel *ch)
{
    ch->ops_left = ch->ops_left > SB_IDLE_OPS ? ch->ops_left - SB_IDLE_OPS : 1;
}

#endif
