/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: a small segment with some history as the starting point, records
 * that change words of it or call the library, and a world of open handles that the calls work on.
 *
 * An input is one byte of flags and then records of 12 bytes. So a mutation hits a word that means
 * something instead of one of thousands that do not.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

#include "layout/geometry.h"

#define FUZZ_SEGMENT_MAX (256u << 10)
#define FUZZ_RECORD_BYTES 12u
#define FUZZ_RECORDS_MAX 96u

/* The first byte of an input. */
enum fuzz_flags {
    FUZZ_FIX = 1,      /* repair length and hash after the changes, so that attach goes further */
    FUZZ_BARE = 2,     /* the segment that has streams and no blocks */
    FUZZ_SCRIBBLE = 4, /* live: a second thread applies the changes all the time */
    FUZZ_WATCHER = 8,  /* attach with the helper thread */
    FUZZ_RESIZE = 16,  /* attach: the first record's value is the length of the file */
    FUZZ_LANES = 32    /* the segment whose queues have order per producer, unless FUZZ_BARE */
};
#define FUZZ_FLAGS 6u

/* kind odd: a call, kind / 2 says which; even: a change, kind / 2 says of what. */
struct fuzz_record {
    uint8_t kind, index, word, how;
    uint64_t value;
};

enum fuzz_area {
    FUZZ_SUPER,
    FUZZ_PROCESS,
    FUZZ_CLASS,
    FUZZ_CHANNEL,
    FUZZ_REGION,
    FUZZ_ENDPOINT,
    FUZZ_RING,
    FUZZ_BLOCK,
    FUZZ_BITMAP,
    FUZZ_PAYLOAD,
    FUZZ_DATA,
    FUZZ_ANYWHERE,
    FUZZ_AREAS
};

/* Ends the process with a message; the fuzzer then keeps the input. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ------------------------------------------------------------------------------------- image.c */

struct fuzz_image {
    uint8_t *bytes; /* FUZZ_SEGMENT_MAX of room */
    size_t size;
    struct sb_geometry *geometry;
};

enum fuzz_kind { FUZZ_KIND_PLAIN, FUZZ_KIND_BARE, FUZZ_KIND_LANES, FUZZ_KINDS };

/* What an input starts from. */
static inline enum fuzz_kind fuzz_kind_of(unsigned flags)
{
    return (flags & FUZZ_BARE) != 0    ? FUZZ_KIND_BARE
           : (flags & FUZZ_LANES) != 0 ? FUZZ_KIND_LANES
                                       : FUZZ_KIND_PLAIN;
}

/* The segment to start from: made by shmbus_create(), used by two processes of which one died with
 * messages in hand (slot 0) and one is about to be taken for alive (slot 1). Always the same. */
void fuzz_image_make(const char *name, enum fuzz_kind kind, struct fuzz_image *ret);

/* Length and hash that fit the tables in @bytes, if there is such a length within the room. */
void fuzz_image_fix(uint8_t *bytes, size_t *size);

/* A file that the images are written into, one after the other, removed at exit. Whoever is in slot
 * 1 of it is alive. Returns the descriptor. */
int fuzz_file_make(const char *name);
void fuzz_file_write(int fd, const uint8_t *bytes, size_t size);

/* The name of this process's segment: fuzz-TARGET-PID. */
void fuzz_name(const char *target, char ret_name[SHMBUS_NAME_BYTES]);

/* ------------------------------------------------------------------------------------ record.c */

/* Takes an input apart; returns how many records it has. */
size_t fuzz_parse(const uint8_t *data, size_t size, unsigned *ret_flags,
                  struct fuzz_record ret_records[FUZZ_RECORDS_MAX]);

static inline bool fuzz_is_call(const struct fuzz_record *record)
{
    return (record->kind & 1u) != 0;
}

/* Applies a change to a segment of @size bytes at @base, laid out as @g says. */
void fuzz_change(uint8_t *base, size_t size, const struct sb_geometry *g,
                 const struct fuzz_record *record);

/* A random number generator (xorshift64*); the state must not be 0. */
uint64_t fuzz_random(uint64_t *state);

/* A record that is likely to hurt. */
void fuzz_invent(uint64_t *state, bool call, uint8_t out[FUZZ_RECORD_BYTES]);

/* Changes an input record by record; returns the new size. */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, uint64_t *state);

/* ------------------------------------------------------------------------------------- world.c */

#define FUZZ_HANDLES 8u
#define FUZZ_MESSAGES 8u
#define FUZZ_CALLS 24u

struct fuzz_held {
    bool used;
    struct shmbus_channel *from; /* gone when this is closed */
    struct shmbus_msg msg;
};

struct fuzz_world {
    const char *name;
    unsigned attach_flags;
    struct shmbus *bus;
    struct shmbus_channel *channels[FUZZ_HANDLES];
    struct shmbus_region *regions[2];
    struct fuzz_held held[FUZZ_MESSAGES];
};

/* Attaches, if the segment lets us. */
void fuzz_world_enter(struct fuzz_world *world, const char *name, unsigned attach_flags);
/* Opens the usual handles. */
void fuzz_world_open(struct fuzz_world *world);
/* One call; nothing happens if there is no bus. */
void fuzz_world_call(struct fuzz_world *world, const struct fuzz_record *record);
/* Receives from everything by every kind of receive, and peeks. */
void fuzz_world_drain(struct fuzz_world *world);
/* Each statistics call, peek and the check. */
void fuzz_world_look(struct shmbus *bus);
void fuzz_world_leave(struct fuzz_world *world);

#endif
