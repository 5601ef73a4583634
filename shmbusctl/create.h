/* SPDX-License-Identifier: MIT */
/* The parts of the verb create: options to plan, plan to text. */
#ifndef SHMBUSCTL_CREATE_H
#define SHMBUSCTL_CREATE_H

#include <shmbus/shmbus.h>

enum create_what { CREATE_QUEUE, CREATE_STREAM, CREATE_REGION, CREATE_BLOCKS };

struct create_item {
    enum create_what what;
    const char *spec; /* as on the command line */
};

struct create_options {
    const char *config;    /* or NULL */
    uint64_t memory_bytes; /* 0: not given */
    uint32_t processes;    /* 0: not given */
    uint32_t spare;
    mode_t mode;
    bool mode_given, spare_given;
    struct create_item *items;
    size_t item_count;
};

/* False: no memory, said so. */
bool create_add(struct create_options *options, enum create_what what, const char *spec);
void create_options_free(struct create_options *options);

/* The plan of the file or the built-in one, with the options on top. Returns the exit code; all is
 * said. Free with shmbus_plan_free(). */
int create_plan(const struct create_options *options, struct shmbus_plan **ret_plan);

/* A plan read out once; what is in there is the plan's, which must not change meanwhile. */
struct create_channel {
    const char *name;
    struct shmbus_channel_opts is;
};

struct create_view {
    const struct shmbus_plan *plan;
    struct shmbus_plan_opts is;
    uint32_t spare_channels; /* 0: none */
    struct create_channel *channels;
    size_t channel_count;
    struct shmbus_block_opts blocks[SHMBUS_BLOCK_CLASSES_MAX];
    size_t block_count;
};

/* Returns the exit code; all is said. */
int create_view_read(const struct shmbus_plan *plan, struct create_view *ret_view);
void create_view_free(struct create_view *view);

/* What the library rounds up, one note each. */
void create_note_rounding(const struct create_view *plan);

/* Which queues are deeper than the blocks allow, one note each. */
void create_note_room(const struct create_view *plan);

/* What kind of place it is in, if not a good one. */
void create_note_place(const char *name);

/* Prints the plan, and whether @name could be made now; returns the exit code. */
int create_dry_run(const char *name, const struct create_view *plan, uint64_t bytes);

#endif
