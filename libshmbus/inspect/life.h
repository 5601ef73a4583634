/* SPDX-License-Identifier: MIT */
/*
 * Who is alive, idle, stalled or dead, and what is in whose hands. Works on a read-only mapping.
 */
#ifndef SB_LIFE_H
#define SB_LIFE_H

#include "base/here.h"
#include "bus/bus.h"

/* What one process has that others may want, at one instant. */
struct sb_hands {
    uint64_t messages;  /* received or reserved, in the application's hands */
    uint64_t stock;     /* free blocks kept for its next messages */
    uint64_t half_sent; /* blocks on their way into a queue: it stands in the middle of a call */
    uint32_t regions;   /* locked */
    uint32_t handles;   /* open */
    uint32_t calls;     /* asleep in a call */
    uint32_t waits_in;  /* one of the channels they wait for, SB_NONE: a region */
    enum sb_waits waits_for;
};

/* What the incarnation ACTIVE(@w) of @slot has in its hands. */
struct sb_hands sb_hands(const struct sb_view *view, uint32_t slot, uint64_t w);

/* The same for all at once: @ret_hands has one for each slot. */
void sb_hands_all(const struct sb_view *view, struct sb_hands *ret_hands);

/* Messages of a stream that this handle was given and has not released; 0 for others. */
uint64_t sb_in_hand_of_stream(const struct sb_channel_view *ch, const struct sb_endpoint *row);

/* Nothing that anybody else might miss. */
bool sb_hands_are_empty(const struct sb_hands *hands);

/* How long ago the process last beat, by the clock of @here; -1: cannot be known. */
int64_t sb_silence_ns(const struct sb_view *view, uint32_t slot, const struct sb_here *here);

/* Dead: the kernel says so. Otherwise silent for longer than the timeout and with anything in hand:
 * stalled; with nothing: idle. @hands is looked at only then. */
enum shmbus_life sb_life(struct shmbus *bus, uint32_t slot, uint64_t w, const struct sb_here *here,
                         const struct sb_hands *hands);

/* The numbers of processes of each kind. */
void sb_count_lives(struct shmbus *bus, struct shmbus_bus_stat *stat);

#endif
