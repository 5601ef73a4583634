/* SPDX-License-Identifier: MIT */
/* How cost grows: what the rows of shmbus-scale share. */
#ifndef SCALE_H
#define SCALE_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define SCALE_MEMBERS_MAX 64
#define SCALE_MESSAGE_BYTES 64

/* What was asked for on the command line. */
struct scale {
    uint64_t n;   /* processes, channels, blocks or bytes */
    int64_t ms;   /* of one measurement */
    bool polling; /* never sleep: ask again, and give the core away when there is nothing */
    bool on_huge; /* on a file system of its own that uses huge pages */
};

/* place.c: where the segment is, and that nothing stays behind; @scale_name is what the library
 * calls it. */
extern char scale_name[128];
void scale_place(bool on_huge);
void scale_clean_up(void); /* async-signal-safe */

/* Ends the program with a sentence when @result is a failure. */
void scale_must(int result, const char *what);
_Noreturn void scale_fail(const char *what);

/* plan.c */
struct shmbus_plan *scale_plan_new(uint32_t processes, uint64_t block_bytes, uint64_t blocks);
void scale_plan_add_queue(struct shmbus_plan *plan, const char *name, uint32_t depth);
void scale_create(const struct shmbus_plan *plan);
struct shmbus *scale_attach(unsigned flags);
struct shmbus_channel *scale_open(struct shmbus *bus, const char *name, unsigned mode);

/* team.c: @count processes run @body until the time is over. */
struct scale_tally {
    uint64_t count; /* messages; written by its member only */
    uint64_t pad_[15];
};
struct scale_scene {
    uint32_t go;
    uint32_t stop;
    uint64_t pad_[15];
    uint32_t ready;
    uint32_t pad2_[31];
    struct scale_tally tallies[SCALE_MEMBERS_MAX];
};
struct scale_member {
    const struct scale *scale;
    struct scale_scene *scene;
    struct scale_tally *tally;
    unsigned index;
};
typedef void (*scale_body)(struct scale_member *m);
void scale_ready(struct scale_member *m); /* returns when all are */
/* How many messages each counted within the time, and how long that was. */
int64_t scale_team_run(const struct scale *s, unsigned count, scale_body body,
                       uint64_t *ret_counts);

static inline bool scale_stopped(const struct scale_member *m)
{
    return __atomic_load_n(&m->scene->stop, __ATOMIC_RELAXED) != 0;
}

static inline void scale_count(struct scale_member *m)
{
    __atomic_store_n(&m->tally->count, m->tally->count + 1, __ATOMIC_RELAXED);
}

int64_t scale_now_ns(void);
double scale_median(double *values, size_t count); /* sorts them */

/* The rows: each prints one JSON object. */
void scale_processes(const struct scale *s);
void scale_channels(const struct scale *s);
void scale_blocks(const struct scale *s);
void scale_sizes(const struct scale *s);
#endif
