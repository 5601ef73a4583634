/* SPDX-License-Identifier: MIT */
/*
 * Private memory of an attached process: struct shmbus and what belongs to it.
 */
#ifndef SB_BUS_H
#define SB_BUS_H

#include <pthread.h>

#include "bus/segment.h"
#include "protocol/process.h"

struct sb_watcher; /* watcher.c */

struct shmbus {
    uint32_t id; /* 24 bits, tells the buses of this process apart */
    struct sb_segment segment;
    struct sb_geometry *geometry;
    bool made_it; /* the segment was created by this attach */
    struct sb_view view;
    struct sb_keeper *keeper; /* NULL: no thread wanted, or to be had */
    struct sb_liveness liveness;
    pthread_mutex_t liveness_lock; /* the process's threads share it */
    struct sb_member member;
    bool observer;
    bool no_watcher;
    int64_t spin_ns;
    bool minds_signals; /* SHMBUS_ATTACH_EINTR */
    /* A page that fork() wipes in the child: 0 there, SB_COOKIE here. */
    const uint64_t *cookie;
    sb_word32 interrupted;
    pthread_mutex_t lock; /* guards the lists and the watcher */
    struct shmbus_channel *channels;
    pthread_key_t thread_key; /* has a value in each thread with handles bound to it: threads.c */
    bool has_thread_key;
    struct shmbus_region *regions;
    struct sb_watcher *watcher;
    sb_word looked_ns;  /* when a thread of this process last looked whether the dead are swept */
    sb_word looked_seq; /* the sign it saw, see sweep.c */
    bool minds_no_name; /* SHMBUS_ATTACH_UNLINKED */
    uint64_t dir_device, dir_inode; /* of the segment's directory; inode 0: unknown */
    sb_word32 reach;                /* enum sb_reach */
    sb_word no_hope; /* never 0: what handles look at in place of super->shutdown, see channel.c */
};

#define SB_COOKIE 0x73686d6275730001ull

static inline bool sb_bus_is_ours(const struct shmbus *bus)
{
    return *bus->cookie == SB_COOKIE;
}

/* Asks the kernel about incarnation @w of @slot; thread-safe. */
static inline bool sb_bus_is_dead(struct shmbus *bus, uint32_t slot, uint64_t w)
{
    bool dead;

    pthread_mutex_lock(&bus->liveness_lock);
    dead = sb_process_is_dead(&bus->view, &bus->liveness, slot, w);
    pthread_mutex_unlock(&bus->liveness_lock);
    return dead;
}

/* The same of the incarnation that an owner64 names, dead also if it is no member any more. */
static inline bool sb_bus_owner64_is_dead(struct shmbus *bus, uint64_t owner64)
{
    uint64_t w = sb_owner64_word(&bus->view, owner64);

    return w == 0 || sb_bus_is_dead(bus, sb_owner64_slot(owner64), w);
}

/* Reclaims after dead processes; thread-safe. Returns how many. */
uint32_t sb_bus_sweep(struct shmbus *bus);

/* Wakes every call that sleeps, of this process or another; async-signal-safe. Who is to see
 * something then has it stored before, with sb_fence() in between. */
void sb_bus_wake_sleepers(const struct shmbus *bus);

#endif
