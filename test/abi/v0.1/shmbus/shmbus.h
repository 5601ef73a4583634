/* SPDX-License-Identifier: MIT */
/*
 * shmbus: a broker-less message bus in shared memory.
 *
 * Read this first
 *   - Death is what the kernel proves. A process that is merely paused keeps everything it holds.
 *     Nor is silence a fault: see enum shmbus_life. exec() ends the membership as a death does:
 *     what was held comes again to others; the new program attaches for itself.
 *   - A queue delivers at least once: a message that a dead consumer held comes again, with its
 *     delivery count raised. Nothing else is ever delivered twice.
 *   - After fork() the child must not use the parent's handles: every call answers
 *     -SHMBUS_ERR_FORKED. The child attaches for itself.
 *   - Do not start asynchronous kernel I/O (io_uring, O_DIRECT, RDMA) into payload memory: it may
 *     still be running when the kernel has already reported the process as dead.
 *
 * Threads
 *   handle                  one thread at a time       several threads at once
 *   struct shmbus           everything                 everything but detach
 *   struct shmbus_channel   everything                 nothing: each thread opens its own
 *   struct shmbus_region    everything                 read; write (they exclude each other)
 *   struct shmbus_msg       with the channel it came from
 *   struct shmbus_stop      its work                   ask, asked, left_ns; new nodes below it
 *   Only shmbus_interrupt(), shmbus_interrupt_clear(), shmbus_stop_ask(), _asked() and _left_ns()
 *   are async-signal-safe.
 *   No call is a cancellation point, not even one that waits forever: pthread_cancel() works
 *   only when the thread has returned from it, so call shmbus_interrupt() as well, or attach with
 *   SHMBUS_ATTACH_EINTR. Asynchronous cancellation (PTHREAD_CANCEL_ASYNCHRONOUS) is not supported.
 *
 * Results
 *   0 or a count on success, a negative number on failure: -errno where one fits, otherwise
 *   -SHMBUS_ERR_x. shmbus_detail() has the sentence with the names and the numbers in it.
 *   A ret_ parameter is untouched when the call fails. What holds for every call, and is not said
 *   again below: a NULL where none is allowed is -EINVAL; a handle of the parent in a forked child
 *   is -SHMBUS_ERR_FORKED; a call that has no timeout waits for no other process.
 *
 * Time
 *   Every timeout is in nanoseconds, counts from the call, and is exact. 0 never blocks: -EAGAIN
 *   (on a full or just emptied queue it may spin for a few microseconds first).
 *   SHMBUS_WAIT_FOREVER waits without limit; any other negative number is -EINVAL where the call
 *   would have to wait. A timeout that runs out is -ETIMEDOUT
 *   (shmbus_send() has more). Signals do not shorten a wait unless you ask for it: see
 *   shmbus_interrupt() and SHMBUS_ATTACH_EINTR.
 *
 * Sent, taken, released: since when
 *   What a call did is there for everybody who learns through memory (a message, or a word stored
 *   with release and read with acquire) or through the kernel (a pipe, a signal, a wake-up, an
 *   exit, a death) that it has returned; and it stays done if its process is killed at that very
 *   instruction. Not by the clock alone: into a lane (SHMBUS_ORDER_PRODUCER) or a stream a message
 *   is sent by a plain store, and every release is one. Another core may see it up to about a
 *   microsecond after the call has returned and until then answer "empty", or "full". It comes by
 *   itself; nothing is lost, and nothing changes places. Two consequences:
 *   - to compare times of several processes, put a full fence between the call and the look at the
 *     clock: atomic_thread_fence(memory_order_seq_cst);
 *   - two processes that each send and then ask, with a timeout of 0, whether the other one has may
 *     both find nothing. Wait with a timeout, ask again, or put that fence in between.
 */
#ifndef SHMBUS_H
#define SHMBUS_H

#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#error "shmbus is for 64-bit programs only: compile without -m32 and -mx32"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <shmbus/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SHMBUS_API __attribute__((visibility("default")))
#else
#define SHMBUS_API
#endif

struct shmbus;
struct shmbus_channel;
struct shmbus_region;
struct shmbus_plan;

/* Structs of options
 *   Each begins with struct_bytes, its size where the program was compiled: set it, or begin with
 *   the _INIT macro. Zero in any other field is the default; NULL for the whole struct is all
 *   defaults. Fields are only ever added, at the end: a program that is older than the library has
 *   the defaults of what it does not know; one that is newer works as long as it asks for nothing
 *   that the library does not know, and gets -E2BIG otherwise. -EINVAL if struct_bytes is not set.
 *   The struct is the caller's and is not looked at after the call. What is an enum is a uint32_t
 *   in every struct: a newer library may know more of them, and a compiler choose another size. */

#define SHMBUS_WAIT_FOREVER ((int64_t)-1)
#define SHMBUS_NAME_BYTES 48  /* of a bus, channel, region or process, with the final 0 */
#define SHMBUS_PATH_BYTES 256 /* of a segment, likewise; a longer one is -ENAMETOOLONG */
#define SHMBUS_DIR_DEFAULT "/dev/shm"
#define SHMBUS_BLOCK_CLASSES_MAX 8
#define SHMBUS_PROCESSES_MAX 1023
#define SHMBUS_CHANNELS_MAX 4096
#define SHMBUS_REGIONS_MAX 256
#define SHMBUS_DELIVERIES_MAX 63 /* delivery counts stop here */

/* ------------------------------------------------------------------------------------ errors */

/* Own error numbers, above every errno of the kernel; never renumbered.
 * X(name, number, text, class): R retryable, F fatal for this handle, N neither. */
#define SHMBUS_ERRORS(X)                                                                           \
    X(LAYOUT, 5000, "segment layout is not supported", F)                                          \
    X(CORRUPT, 5001, "shared state failed validation", F)                                          \
    X(FORKED, 5002, "handle belongs to the parent process; attach again after fork", F)            \
    X(PEER_DEAD, 5003, "the process at the other end of the stream died", R)                       \
    X(PEER_CLOSED, 5004, "the process at the other end of the stream closed it", R)                \
    X(SHUTDOWN, 5005, "the bus is shutting down", F)                                               \
    X(OWNER, 5006, "segment belongs to another user", N)                                           \
    X(CONFIG, 5007, "configuration is not valid", N)                                               \
    X(IN_USE, 5008, "segment is in use", N)                                                        \
    X(NO_BLOCKS, 5009, "no free block of a sufficient size", R)                                    \
    X(STALE, 5010, "message was already released, committed or aborted", N)                        \
    X(TOO_MANY, 5011, "a limit fixed at creation is reached", N)                                   \
    X(KIND, 5012, "operation does not fit the kind of the channel", N)                             \
    X(REMOVED, 5013, "the segment was removed, and nobody is left who could end the wait", F)

#define SHMBUS_ERROR_ENUM(name, number, text, kind) SHMBUS_ERR_##name = (number),
enum shmbus_error { SHMBUS_ERRORS(SHMBUS_ERROR_ENUM) SHMBUS_ERR_END_ };
#undef SHMBUS_ERROR_ENUM

/**
 * shmbus_strerror() - what a result means, in a few words.
 * @error: a result, own number or errno, positive or negative.
 *
 * Lower case, no full stop.
 * Return: never NULL; "success" for 0. The text of an own number is static; that of an errno is the
 *   thread's, until its next call.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_strerror(int error);

/**
 * shmbus_strerrorname() - the name of a result.
 * @error: as for shmbus_strerror().
 *
 * Return: static: "EAGAIN", "SHMBUS_ERR_LAYOUT"; "OK" for 0; "?" when unknown.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_strerrorname(int error);

/**
 * shmbus_error_is_retryable() - whether the same call may succeed later.
 * @error: as for shmbus_strerror().
 *
 * Return: true for EAGAIN, ETIMEDOUT, EINTR, EBUSY and the own errors of class R.
 * Threads: any.
 */
SHMBUS_API bool shmbus_error_is_retryable(int error);

/**
 * shmbus_error_is_fatal() - whether the handle is of no further use.
 * @error: as for shmbus_strerror().
 *
 * Return: true for the own errors of class F.
 * Threads: any.
 */
SHMBUS_API bool shmbus_error_is_fatal(int error);

/**
 * shmbus_detail() - the sentence about this thread's last failed call: what, where and the cure.
 *
 * Return: never NULL; "" before any failure; valid until the thread's next call that fails.
 * Threads: any; each has its own.
 */
SHMBUS_API const char *shmbus_detail(void);

/* ---------------------------------------------------------------------------------- the plan */

enum shmbus_kind { SHMBUS_KIND_QUEUE = 1, SHMBUS_KIND_STREAM = 2 };

/* What a send into a full queue does. A dead letter never waits: into a full dead-letter queue that
 * drops its oldest it goes in place of that; otherwise it stays, in the memory of the queue that it
 * comes from, until there is a place or a receiver of the dead-letter queue takes it from there. */
enum shmbus_on_full {
    SHMBUS_FULL_BLOCK = 1,      /* waits for room, at most the timeout */
    SHMBUS_FULL_REJECT = 2,     /* -EAGAIN at once, whatever the timeout; counted as rejected */
    SHMBUS_FULL_DROP_OLDEST = 3 /* throws away the oldest message; counted as dropped; waits, at
                                  * most the timeout, only while there is none: all are being
                                  * received */
};

/* What a queue with several producers keeps. Receivers share the messages in either case. */
enum shmbus_order {
    SHMBUS_ORDER_TOTAL = 1,   /* one order over all producers; messages lie in blocks */
    SHMBUS_ORDER_PRODUCER = 2 /* the order of each producer; each has a lane of `depth` cells of
                               * its own. Several times as fast; messages of limited size; no
                               * forwarding; one reservation at a time */
};

/* Where a plan may leave something open: zero is the default of the library, the same for the C
 * interface, YAML and the command line. */
enum shmbus_switch { SHMBUS_SWITCH_DEFAULT = 0, SHMBUS_SWITCH_ON = 1, SHMBUS_SWITCH_OFF = 2 };

/* The names of numbers, here and of enum shmbus_type, _life and _severity, are those of YAML,
 * shmbusctl and its JSON. */

/**
 * shmbus_kind_name() - the name of a kind of channel.
 * @kind: enum shmbus_kind.
 *
 * Return: static: "queue", "stream"; "?" for any other number.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_kind_name(unsigned kind);

/**
 * shmbus_on_full_name() - the name of what a send into a full queue does.
 * @on_full: enum shmbus_on_full.
 *
 * Return: static: "block", "reject", "drop_oldest"; "?" for any other number.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_on_full_name(unsigned on_full);

/**
 * shmbus_order_name() - the name of the order that a queue keeps.
 * @order: enum shmbus_order.
 *
 * Return: static: "total", "producer"; "?" for any other number.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_order_name(unsigned order);

/* A plan says what a segment is to hold. It is an object of the library, made by shmbus_plan_new()
 * or from YAML, filled by set and add, read by get. Its structs are structs of options, see above:
 *     struct shmbus_channel_opts tasks = {.struct_bytes = sizeof tasks, .depth = 64};
 * What a set call finds 0, or NULL, stays as it is: in a new plan, the default. */

/* The plan as a whole. */
struct shmbus_plan_opts {
    size_t struct_bytes;
    const char *name;        /* of the bus: `bus:` of the YAML file; NULL in a plan without one */
    mode_t mode;             /* permissions: 0600 (default), 0660 or 0666 */
    gid_t group;             /* default: the creator's. For group 0 say SHMBUS_GROUP_ROOT */
    uint32_t processes;      /* attached at once, 1 .. 1023, default 64 */
    uint32_t spare_channels; /* queues that shmbus_channel_open() may name later, default 16,
                                    * or SHMBUS_SPARE_NONE */
    uint32_t spare_depth;    /* their depth, default 1024 */
    uint32_t spare_share;    /* these two as of a channel, for each of them */
    uint64_t spare_message_bytes;
    int64_t heartbeat_interval_ns; /* default 5 s */
    int64_t heartbeat_timeout_ns;  /* silent for longer: idle or stalled; default 10 s */
    uint32_t core;                 /* enum shmbus_switch: the segment goes into core dumps of its
                                    * users; default off */
    uint32_t reserved_;            /* 0 */
};
#define SHMBUS_SPARE_NONE UINT32_MAX
#define SHMBUS_GROUP_ROOT ((gid_t)-1)
/* clang-format off */
#define SHMBUS_PLAN_OPTS_INIT \
    { sizeof(struct shmbus_plan_opts), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* A queue or a stream. */
struct shmbus_channel_opts {
    size_t struct_bytes;
    uint32_t kind;           /* enum shmbus_kind; 0: SHMBUS_KIND_QUEUE */
    uint32_t depth;          /* queue: messages; rounded up to a power of two; 0: 1024 */
    uint64_t bytes;          /* stream: capacity; rounded up to a power of two; 0: 1 MiB */
    uint32_t on_full;        /* enum shmbus_on_full; a stream blocks. 0: SHMBUS_FULL_BLOCK, but
                              * SHMBUS_FULL_DROP_OLDEST for the dead-letter queue of another one */
    uint32_t order;          /* enum shmbus_order, of a queue; 0: SHMBUS_ORDER_TOTAL */
    const char *dead_letter; /* queue: name of another queue, or NULL */
    uint32_t max_deliveries; /* queue: 0 no limit, else 1 .. 62; needs dead_letter */
    uint32_t endpoints;      /* handles open at once; 0: twice the processes */
    uint64_t message_bytes;  /* queue: largest message, 1 .. 1 GiB; longer ones are -EMSGSIZE. 0:
                              * what the largest block holds; order producer: 208 */
    uint32_t producers;      /* order producer: sending handles at once, 1 .. 256; 0: 16 */
    uint32_t share;          /* order total: blocks for its largest message that this queue has to
                              * itself, so that what waits in other queues never stops it; 0: 1 */
    uint32_t timestamps;     /* enum shmbus_switch: stamp each message; costs a look at the clock,
                              * about 20 ns. Default: off */
    uint32_t reserved_;      /* 0 */
};
/* clang-format off */
#define SHMBUS_CHANNEL_OPTS_INIT \
    { sizeof(struct shmbus_channel_opts), 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* A region. */
struct shmbus_region_opts {
    size_t struct_bytes;
    uint64_t bytes; /* 1 .. 32 GiB - 8; the segment needs twice as much, to undo half a write */
};
/* clang-format off */
#define SHMBUS_REGION_OPTS_INIT { sizeof(struct shmbus_region_opts), 0 }
/* clang-format on */

/* A class of blocks: what messages of queues of total order lie in. */
struct shmbus_block_opts {
    size_t struct_bytes;
    uint64_t size_bytes; /* largest payload of the class, 1 .. 1 GiB; rounded up to 64 */
    uint64_t count;      /* 1 .. 16 M over all classes */
};
/* clang-format off */
#define SHMBUS_BLOCK_OPTS_INIT { sizeof(struct shmbus_block_opts), 0, 0 }
/* clang-format on */

/* The calls of the plan work in the memory of the process: no bus has to be there. Several threads
 * may use several plans, or read one. */

/**
 * shmbus_plan_new() - the built-in plan.
 * @memory_bytes: the blocks are chosen so that the whole segment needs about that much, at least
 *        1 MiB; 0: 44 MiB.
 * @ret_plan: the caller's, to be freed with shmbus_plan_free().
 *
 * Return: 0; -EINVAL: less than 1 MiB; -ENOMEM.
 */
SHMBUS_API int shmbus_plan_new(uint64_t memory_bytes, struct shmbus_plan **ret_plan);

/**
 * shmbus_plan_load() - read a plan from a YAML file, strictly.
 * @path: of a file, or of a pipe, which is read to its end; at most 4 MiB.
 * @ret_plan: the caller's, to be freed with shmbus_plan_free().
 *
 * Return: 0; -SHMBUS_ERR_CONFIG: shmbus_detail() has file, line, column and the nearest known key;
 *   -EINVAL: a directory, or too large; -ENOMEM; -errno of open() and read().
 * Blocking: as long as a pipe has no end.
 */
SHMBUS_API int shmbus_plan_load(const char *path, struct shmbus_plan **ret_plan);

/**
 * shmbus_plan_parse() - read a plan from YAML in memory.
 * @yaml: the text, not empty. Not needed after the call.
 * @yaml_bytes: its length, without a final 0.
 * @origin: stands for the file name in messages; NULL: "configuration".
 * @ret_plan: the caller's, to be freed with shmbus_plan_free().
 *
 * Return: 0; -SHMBUS_ERR_CONFIG as shmbus_plan_load(); -ENOMEM.
 */
SHMBUS_API int shmbus_plan_parse(const char *yaml, size_t yaml_bytes, const char *origin,
                                 struct shmbus_plan **ret_plan);

/**
 * shmbus_plan_set() - what a plan says of the whole segment.
 * @plan: to be changed.
 * @opts: copied; what is 0 or NULL in there stays as it is.
 *
 * Limits are checked by shmbus_plan_check(), not here.
 * Return: 0; -EINVAL: struct_bytes, core, or a name that is too long; -E2BIG: see "Structs of
 *   options". After a failure the plan is as it was.
 */
SHMBUS_API int shmbus_plan_set(struct shmbus_plan *plan, const struct shmbus_plan_opts *opts);

/**
 * shmbus_plan_get() - what a plan says of the whole segment, as shmbus_plan_set() takes it.
 * @plan: not changed.
 * @ret_opts: the caller's; struct_bytes set. The name in there is the plan's, until that is changed
 *        or freed.
 *
 * Return: 0; -EINVAL: struct_bytes.
 */
SHMBUS_API int shmbus_plan_get(const struct shmbus_plan *plan, struct shmbus_plan_opts *ret_opts);

/**
 * shmbus_plan_add_channel() - add a channel to a plan.
 * @plan: to be added to.
 * @name: 1 .. 47 of letters, digits, '.', '_', '-', not starting with '.'; copied.
 * @opts: copied; NULL for the defaults, a queue.
 *
 * Unlike YAML it adds no dead-letter queue by itself. Limits are checked by shmbus_plan_check(),
 * not here.
 * Return: 0; -EEXIST: a channel of that name is in the plan; -EINVAL: the name, struct_bytes, kind,
 *   timestamps, or a dead_letter that is too long; -E2BIG: see "Structs of options"; -ENOMEM. After
 *   a failure the plan is as it was.
 */
SHMBUS_API int shmbus_plan_add_channel(struct shmbus_plan *plan, const char *name,
                                       const struct shmbus_channel_opts *opts);

/**
 * shmbus_plan_set_channel() - change a channel that is in a plan.
 * @plan: to be changed.
 * @name: of the channel.
 * @opts: copied; what is 0 or NULL in there stays as it is.
 *
 * For a plan from YAML of which a program knows something better.
 * Return: 0; -ENOENT: no channel of that name is in the plan; -EINVAL and -E2BIG as
 *   shmbus_plan_add_channel(). After a failure the plan is as it was.
 */
SHMBUS_API int shmbus_plan_set_channel(struct shmbus_plan *plan, const char *name,
                                       const struct shmbus_channel_opts *opts);

/**
 * shmbus_plan_get_channel() - one channel of a plan, as shmbus_plan_add_channel() takes it.
 * @plan: not changed.
 * @index: 0 .. until -ENOENT, in the order of their coming.
 * @ret_name: the plan's, until that is changed or freed, as is the name in @ret_opts. May be NULL.
 * @ret_opts: the caller's; struct_bytes set. Kind, order, depth, and what depends on these alone,
 *        are there; what is settled when the bus is made is 0 if it was left open. May be NULL.
 *
 * Return: 0; -ENOENT: no more channels; -EINVAL: struct_bytes.
 */
SHMBUS_API int shmbus_plan_get_channel(const struct shmbus_plan *plan, uint32_t index,
                                       const char **ret_name, struct shmbus_channel_opts *ret_opts);

/**
 * shmbus_plan_add_region() - add a region to a plan.
 * @plan: to be added to.
 * @name: as of a channel; copied. A channel may have the same name.
 * @opts: copied; bytes is needed.
 *
 * Return: 0; -EEXIST: a region of that name is in the plan; -EINVAL: its name, struct_bytes or
 *   bytes; -E2BIG: see "Structs of options"; -ENOMEM. After a failure the plan is as it was.
 */
SHMBUS_API int shmbus_plan_add_region(struct shmbus_plan *plan, const char *name,
                                      const struct shmbus_region_opts *opts);

/**
 * shmbus_plan_get_region() - one region of a plan, as shmbus_plan_add_region() takes it.
 * @plan: not changed.
 * @index: 0 .. until -ENOENT, in the order of their coming.
 * @ret_name: the plan's, until that is changed or freed. May be NULL.
 * @ret_opts: the caller's; struct_bytes set. May be NULL.
 *
 * Return: 0; -ENOENT: no more regions; -EINVAL: struct_bytes.
 */
SHMBUS_API int shmbus_plan_get_region(const struct shmbus_plan *plan, uint32_t index,
                                      const char **ret_name, struct shmbus_region_opts *ret_opts);

/**
 * shmbus_plan_add_blocks() - add a class of blocks to a plan.
 * @plan: to be added to. All counts are then the caller's: a plan whose blocks the library chose
 *        grows by what the shares of its queues need, this one does not.
 * @opts: copied; both numbers are needed.
 *
 * Return: 0; -EEXIST: the class is in the plan; -EINVAL: struct_bytes, a limit, or more than
 *   SHMBUS_BLOCK_CLASSES_MAX classes; -E2BIG: see "Structs of options"; -ENOMEM. After a failure
 *   the plan is as it was.
 */
SHMBUS_API int shmbus_plan_add_blocks(struct shmbus_plan *plan,
                                      const struct shmbus_block_opts *opts);

/**
 * shmbus_plan_get_blocks() - one class of blocks of a plan, as shmbus_plan_add_blocks() takes it.
 * @plan: not changed.
 * @index: 0 .. until -ENOENT, the smallest first.
 * @ret_opts: the caller's; struct_bytes set.
 *
 * As asked for: shmbus_plan_block_stat() has what a bus will have.
 * Return: 0; -ENOENT: no more classes; -EINVAL: struct_bytes.
 */
SHMBUS_API int shmbus_plan_get_blocks(const struct shmbus_plan *plan, uint32_t index,
                                      struct shmbus_block_opts *ret_opts);

/**
 * shmbus_plan_clear_blocks() - take all classes of blocks out of a plan, to add others.
 * @plan: to be changed. Without blocks it does for streams, with SHMBUS_SPARE_NONE.
 *
 * Return: 0.
 */
SHMBUS_API int shmbus_plan_clear_blocks(struct shmbus_plan *plan);

/**
 * shmbus_plan_check() - check every limit of a plan.
 * @plan: not changed.
 * @ret_bytes: what the segment will occupy; may be NULL.
 *
 * Return: 0; -SHMBUS_ERR_CONFIG: shmbus_detail() names the option to change; -ENOMEM.
 */
SHMBUS_API int shmbus_plan_check(const struct shmbus_plan *plan, uint64_t *ret_bytes);

struct shmbus_block_stat;
/**
 * shmbus_plan_block_stat() - the blocks that a bus of that plan will have, all of them free.
 * @plan: not changed.
 * @index: of the class, from 0 until -ENOENT; the smallest first.
 * @ret_stat: as for shmbus_block_stat(): the caller sets struct_bytes.
 *
 * Return: 0; -ENOENT: no more classes; -EINVAL: struct_bytes; what shmbus_plan_check() returns.
 */
SHMBUS_API int shmbus_plan_block_stat(const struct shmbus_plan *plan, uint32_t index,
                                      struct shmbus_block_stat *ret_stat);

/**
 * shmbus_plan_free() - free a plan and what is in it.
 * @plan: NULL is fine.
 */
SHMBUS_API void shmbus_plan_free(struct shmbus_plan *plan);

/* ---------------------------------------------------------------------- segment and process */

struct shmbus_create_opts {
    size_t struct_bytes; /* no option yet; what comes is of the file, not of what is in it */
};
/* clang-format off */
#define SHMBUS_CREATE_OPTS_INIT { sizeof(struct shmbus_create_opts) }
/* clang-format on */

/**
 * shmbus_create() - make the segment /dev/shm/shmbus.NAME, whole or not at all.
 * @name: 1 .. 47 of letters, digits, '.', '_', '-', not starting with '.'. A name with a '/' is
 *        the path of the segment's directory and name: "/mnt/bus/demo" is /mnt/bus/shmbus.demo.
 *        The name of the file does as well: "shmbus.demo" is the bus demo, with and without a path.
 * @plan: not changed; NULL for the built-in one.
 * @opts: NULL for the defaults.
 *
 * The memory is really reserved: a full file system is -ENOSPC here and never a SIGBUS later. The
 * maker's memory cgroup pays for all of it: more than that has left is -ENOMEM, not a kill.
 * Return: 0;
 *   -EEXIST: there is a file of that name; -ENOENT: no such directory, or no /proc;
 *   -EINVAL: the name; -ENAMETOOLONG: its path is not below SHMBUS_PATH_BYTES;
 *   -SHMBUS_ERR_CONFIG: the plan; -E2BIG: see "Structs of options";
 *   -ENOSPC: the file system is full; -ENOMEM; -EFBIG: RLIMIT_FSIZE;
 *   -EMFILE, -ENFILE: descriptors;
 *   -EOPNOTSUPP: a file system without O_TMPFILE, or a hugetlbfs: for huge pages use a tmpfs that
 *   is mounted with huge=always; -errno of the file system.
 * Blocking: until the kernel has cleared that memory.
 * Death: killed half-way, nothing is left behind.
 */
SHMBUS_API int shmbus_create(const char *name, const struct shmbus_plan *plan,
                             const struct shmbus_create_opts *opts);

enum shmbus_attach_flags {
    SHMBUS_ATTACH_OBSERVE = 1,   /* read-only: no slot, nothing can be changed; for statistics */
    SHMBUS_ATTACH_EXISTING = 2,  /* -ENOENT when there is none, instead of creating it */
    SHMBUS_ATTACH_ANY_OWNER = 4, /* accept a segment that another user created */
    /* No helper thread stays, and the library has one descriptor (read-only) in the process's
     * table. Unless another process notices deaths for all, the calls of this one do: 0.1 to
     * 0.3 s late if it waits, or polls at least every 0.1 s. If it polls less often, it looks at
     * the clock after 16 empty looks, or 256 messages, at the latest. */
    SHMBUS_ATTACH_NO_WATCHER = 8,
    /* Waits return -EINTR as soon as a signal's handler has run in the waiting thread, SA_RESTART
     * or not, and once a second in any case, because it may have run in the moment before the
     * sleep. For languages that run their handlers later, outside the call (Python, Ruby, Lua):
     * without it Ctrl-C has no effect on a call that waits. Call again with what is left of the
     * timeout. */
    SHMBUS_ATTACH_EINTR = 16,
    /* What there is has to be as the plan says: any of shmbus_plan_compare() is an error. Or: take
     * what there is. With neither a critical difference is -SHMBUS_ERR_CONFIG. */
    SHMBUS_ATTACH_SAME_PLAN = 32,
    SHMBUS_ATTACH_ANY_PLAN = 64,
    /* Wait on when the segment is removed or replaced, whoever is left. Without it
     * -SHMBUS_ERR_REMOVED, see shmbus_unlink(). For a bus that its makers unlink on purpose while a
     * process, or one thread, still waits for others that open their channels later. */
    SHMBUS_ATTACH_UNLINKED = 128
};

struct shmbus_attach_opts {
    size_t struct_bytes;      /* sizeof(struct shmbus_attach_opts) */
    unsigned flags;           /* enum shmbus_attach_flags */
    const char *process_name; /* shown by ps; NULL: the program's name */
    /* Used if the segment has to be created, compared if it is there; NULL: built-in, nothing. */
    const struct shmbus_plan *plan;
    int64_t spin_ns; /* busy wait before sleeping; 0: 20 us; or SHMBUS_SPIN_NONE */
};
#define SHMBUS_SPIN_NONE ((int64_t)-1)
/* clang-format off */
#define SHMBUS_ATTACH_OPTS_INIT { sizeof(struct shmbus_attach_opts), 0, NULL, NULL, 0 }
/* clang-format on */

/**
 * shmbus_attach() - take part in the bus, creating it when it is not there.
 * @name: as for shmbus_create().
 * @opts: NULL for the defaults.
 * @ret_bus: the caller's, to be given to shmbus_detach().
 *
 * Claims a slot of the process table; first repairs what a dead process left in it, and what all
 * the dead left where no living process looks for them. Starts two helper threads, with all signals
 * blocked: one that keeps the library's descriptors in a table of its own (asleep, from here to
 * shmbus_detach()), and one that watches for deaths (from the first call that has to sleep, or
 * shmbus_channel_fd(), on). So none of the library's descriptors but that of
 * shmbus_channel_fd() is in the process's table: closing all descriptors, the standard ones too,
 * chroot(), another namespace, another user, a lowered RLIMIT_NOFILE, and the segment's unlinking
 * harm nothing. What a process with threads may not do (unshare(CLONE_NEWUSER), say), it does
 * before, or attaches with SHMBUS_ATTACH_NO_WATCHER.
 *
 * Other threads may fork meanwhile, by fork(), posix_spawn() or a raw clone(): the child gets
 * nothing that would keep its parent alive. One that shares its parent's memory (vfork(),
 * posix_spawn() until its exec, clone(CLONE_VM)) could still write to it, and so keeps the parent
 * alive for the others as long as it lives: keep it short, and call nothing of the library in it.
 *
 * The segment stays out of core dumps of this process unless its plan says `core`. A process that
 * dumps core is dead for the others only when the dump is written.
 *
 * The shared library stays in memory after dlclose(), since its threads run in it. (A plugin that
 * contains the static library is to be linked with -z nodelete for that.)
 * Return: 0;
 *   -ENOENT: there is none, and it may not be made; -EACCES: its mode; -ELOOP: a symbolic link;
 *   -SHMBUS_ERR_OWNER: another user's, without SHMBUS_ATTACH_ANY_OWNER;
 *   -SHMBUS_ERR_LAYOUT: of another version; -SHMBUS_ERR_CORRUPT: damaged, or no segment;
 *   -SHMBUS_ERR_CONFIG: made with another plan, or @opts has an invalid one;
 *   -SHMBUS_ERR_TOO_MANY: living processes have all slots;
 *   -EBUSY: a process that is no member has locked the file, or has a lease on it, or other threads
 *   of this one fork all the time;
 *   -EINVAL: the name, flags, spin_ns, or no regular file; -ENOMEM; what shmbus_create() returns.
 * Blocking: as shmbus_create(), if it makes the bus; up to some seconds while `shmbusctl gc` makes
 *   sure that nobody uses the segment.
 * Death: what was reached is repaired as after any member.
 */
SHMBUS_API int shmbus_attach(const char *name, const struct shmbus_attach_opts *opts,
                             struct shmbus **ret_bus);

/**
 * shmbus_detach() - leave the bus.
 * @bus: NULL is fine.
 *
 * Closes the channels and regions of this handle: messages still held go back to their queues, all
 * else is freed. The last one to leave leaves the segment and what waits in it.
 * Threads: no other may be in a call of this bus, or use it later.
 * Death: killed half-way, others do the rest.
 * Fork: in the child it only frees memory.
 */
SHMBUS_API void shmbus_detach(struct shmbus *bus);

/**
 * shmbus_unlink() - remove the name of a segment.
 * @name: as for shmbus_create().
 *
 * Attached processes go on working with the old segment; its memory is free when the last of them
 * has left. A wait that none of them can end is -SHMBUS_ERR_REMOVED, within two seconds, whoever
 * removed the name: the caller is alone with it, and no other handle of its process could end the
 * wait; or the name leads to another segment, where newcomers go, and no living process has a
 * handle open that could. What is there to be received is received before. Sends without a wait end
 * so only if the name leads to another segment and nobody has the channel open for receiving.
 * Return: 0; -ENOENT; -EINVAL: the name, or no regular file; -ENAMETOOLONG;
 *   -SHMBUS_ERR_OWNER: another user's, unless the caller is root; -errno of unlink().
 * Threads: any.
 */
SHMBUS_API int shmbus_unlink(const char *name);

/**
 * shmbus_unlink_if_unused() - remove the name of a segment that no living process uses.
 * @name: as for shmbus_create().
 *
 * One that attaches in the very moment of the removal is not seen, nor are observers.
 * Return: 0; -SHMBUS_ERR_IN_USE: shmbus_detail() names a process; what shmbus_unlink() returns, and
 *   shmbus_attach() of an observer.
 * Threads: any.
 */
SHMBUS_API int shmbus_unlink_if_unused(const char *name);

/**
 * shmbus_heartbeat() - say "I am working": refresh this process's heartbeat.
 * @bus: attached, not as an observer.
 *
 * Sending, receiving and waiting do it too; call it from long computations with a message in hand:
 * without it they are shown as stalled after the timeout of the bus, which has no consequence but a
 * warning. Never from a thread that is not the one working.
 * Return: 0; -EROFS: an observer.
 */
SHMBUS_API int shmbus_heartbeat(struct shmbus *bus);

/**
 * shmbus_slot() - this process's place in the process table.
 * @bus: attached, not as an observer.
 *
 * Return: 0 or more: the index for shmbus_process_stat() and what others see as `sender`; -EINVAL:
 *   an observer.
 * Fork: in the child it is still that of the parent.
 */
SHMBUS_API int shmbus_slot(const struct shmbus *bus);

/**
 * shmbus_shutdown() - ask all users of the bus to stop, or take that back.
 * @bus: attached, not as an observer.
 * @on: true requests it, false cancels the request.
 *
 * While it is requested, sends fail and a receive that finds nothing is -SHMBUS_ERR_SHUTDOWN;
 * queued messages are still delivered. Wakes all sleepers.
 * Return: 0; -EROFS: an observer.
 * Death: the request outlives the caller.
 */
SHMBUS_API int shmbus_shutdown(struct shmbus *bus, bool on);

/**
 * shmbus_interrupt() - end the waiting of this handle's calls.
 * @bus: NULL does nothing.
 *
 * Calls that wait, now or later, return -EINTR until shmbus_interrupt_clear(). For handlers of
 * SIGINT and SIGTERM.
 * Threads: any; async-signal-safe, errno stays.
 * Fork: of no effect on the parent.
 */
SHMBUS_API void shmbus_interrupt(struct shmbus *bus);

/**
 * shmbus_interrupt_clear() - let this handle's calls wait again.
 * @bus: NULL does nothing.
 *
 * Clear first, then look at your own flag, or an interrupt in between is forgotten.
 * Threads: any; async-signal-safe.
 */
SHMBUS_API void shmbus_interrupt_clear(struct shmbus *bus);

/**
 * shmbus_reclaim() - repair what dead processes left, now.
 * @bus: attached, not as an observer.
 *
 * Optional: a process that a dead one blocks does this by itself.
 * Return: the number of processes it cleaned up after, 0 or more; -EROFS: an observer.
 * Death: killed half-way, the next one goes on.
 */
SHMBUS_API int shmbus_reclaim(struct shmbus *bus);

/* ----------------------------------------------------------------------------------- channels */

enum shmbus_open_flags {
    SHMBUS_OPEN_SEND = 1,
    SHMBUS_OPEN_RECV = 2,
    SHMBUS_OPEN_EXISTING = 4, /* -ENOENT instead of creating a queue of that name */
    /* The end of the calling thread closes the handle, however it ends (return, pthread_exit(), an
     * exception, cancellation): what it held comes again. Never hand it to another thread; it may
     * still be closed before. Join such threads before shmbus_detach(). */
    SHMBUS_OPEN_THREAD = 8,
    /* It has to be one: -SHMBUS_ERR_KIND otherwise; a stream is never created: -ENOENT. */
    SHMBUS_OPEN_QUEUE = 16,
    SHMBUS_OPEN_STREAM = 32,
    /* What it holds when it is closed, or its process detaches, goes back as by shmbus_give_back():
     * not counted as a delivery. For a worker whose close says "I was told to stop", never "I could
     * not do it": a message that makes it close would come again for ever. A death counts. */
    SHMBUS_OPEN_GIVE_BACK = 64
};

struct shmbus_open_opts {
    size_t struct_bytes; /* no option yet; what comes is of this handle alone */
};
/* clang-format off */
#define SHMBUS_OPEN_OPTS_INIT { sizeof(struct shmbus_open_opts) }
/* clang-format on */

/**
 * shmbus_channel_open() - open a channel for one thread.
 * @bus: attached, not as an observer.
 * @channel: 1 .. 47 of letters, digits, '.', '_', '-', not starting with '.'.
 * @flags: SHMBUS_OPEN_SEND, SHMBUS_OPEN_RECV or both (stream: exactly one), and others of enum
 *        shmbus_open_flags.
 * @opts: NULL for the defaults.
 * @ret_ch: the caller's, to be given to shmbus_channel_close().
 *
 * Close it before the thread ends: an open handle is not closed by the end of its thread, as it
 * may have been handed on, and what it holds comes to nobody else while the process lives. Or open
 * it with SHMBUS_OPEN_THREAD.
 * A channel that does not exist becomes a queue of that name (from the spare ones).
 * Return: 0;
 *   -ENOENT: no such channel, and it may not be made: SHMBUS_OPEN_EXISTING, SHMBUS_OPEN_STREAM;
 *   -SHMBUS_ERR_KIND: a stream, but a queue was asked for, or the other way round;
 *   -EBUSY: a stream of which a living process has that end; it has one sender and one receiver;
 *   -SHMBUS_ERR_TOO_MANY: spare channels, endpoints, producers, or keys for SHMBUS_OPEN_THREAD;
 *   -EINVAL: the name or flags; -EROFS: an observer; -EEXIST: another name has the same hash;
 *   -E2BIG: see "Structs of options"; -SHMBUS_ERR_CORRUPT: its shared words are impossible;
 *   -ENOMEM.
 * Threads: any. The handle is for one thread at a time.
 * Death: closes the handle as shmbus_channel_close() does.
 */
SHMBUS_API int shmbus_channel_open(struct shmbus *bus, const char *channel, unsigned flags,
                                   const struct shmbus_open_opts *opts,
                                   struct shmbus_channel **ret_ch);

/**
 * shmbus_channel_close() - close a handle, and give back what it holds.
 * @ch: NULL is fine.
 *
 * Messages received from it and not released go back (queue: delivery count as after a death, or
 * with SHMBUS_OPEN_GIVE_BACK as it was; stream: to the next receiver). Reservations are aborted.
 * No message of this handle may be used any more.
 * Death: killed half-way, others do the rest.
 * Fork: in the child it only frees memory.
 */
SHMBUS_API void shmbus_channel_close(struct shmbus_channel *ch);

enum shmbus_type {
    SHMBUS_TYPE_DATA = 0,
    SHMBUS_TYPE_CONTROL = 1,
    SHMBUS_TYPE_REQUEST = 2,
    SHMBUS_TYPE_RESPONSE = 3,
    SHMBUS_TYPE_NOTIFICATION = 4,
    SHMBUS_TYPE_HEARTBEAT = 5,
    SHMBUS_TYPE_ERROR = 6,
    SHMBUS_TYPE_STOP = 7,
    SHMBUS_TYPE_USER = 64 /* 64 .. 255 are yours */
};
/**
 * shmbus_type_name() - a word for the type of a message.
 * @type: enum shmbus_type, 0 .. 255.
 *
 * Return: static: "data", "control" and so on; "user" from SHMBUS_TYPE_USER on, "reserved" below
 *   it, "?" above 255.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_type_name(unsigned type);

/* On a stream, `sender` is the process that has the sending end now, perhaps a successor of the one
 * that sent the message; this value if nobody has it. */
#define SHMBUS_SENDER_UNKNOWN UINT16_MAX

/* One message in the caller's hands. Allocated by the caller, filled by reserve or receive. */
struct shmbus_msg {
    void *data;                     /* queue: 64-byte aligned (order producer: 16); stream: 8 */
    size_t size_bytes;              /* before commit or forward it may be lowered, never raised */
    struct shmbus_channel *channel; /* through which it came; never to be changed */
    uint64_t sequence;              /* from 1, without gaps, per channel; order producer: per
                                     * lane, with gaps where a message was slow */
    int64_t time_ns;                /* the sender's CLOCK_MONOTONIC (another clock in another time
                                     * namespace); 0 if the channel has no stamps */
    uint64_t correlation_id;        /* writable before commit or forward; 0 if unused, and always
                                     * in a stream */
    uint32_t delivery_count;        /* 1 the first time; stops at SHMBUS_DELIVERIES_MAX. A dead
                                     * letter counts on from where it was set aside */
    uint16_t sender;                /* index for shmbus_process_stat(), or SHMBUS_SENDER_UNKNOWN */
    uint8_t type;                   /* enum shmbus_type; writable before commit or forward */
    /* These are for what is to come. Until then they are 0 in what was received and reserved, and
     * what is written there before a commit is not looked at. */
    uint8_t priority;
    uint32_t flags;
    uint16_t reply_to;
    uint16_t meta_bytes;
    int64_t expires_ns;
    uint64_t opaque_[3]; /* the library's */
};

/* What the calls that send have in common: shmbus_send(), _send_with(), _send_batch(), _reserve(),
 * _commit(), _forward().
 *   They wait, at most the timeout, for room: a place in the channel and, in a queue of total
 *   order, a block. "The errors of sending" are
 *   -EAGAIN: full, with a timeout of 0 or SHMBUS_FULL_REJECT; -ETIMEDOUT: full for that long;
 *   -SHMBUS_ERR_NO_BLOCKS: there was no block for it, at once or, if it was to wait, within the
 *     timeout: shmbus_detail() names who has them;
 *   -EINTR: shmbus_interrupt(), or a signal with SHMBUS_ATTACH_EINTR;
 *   -EMSGSIZE: larger than shmbus_channel_size_max();
 *   -SHMBUS_ERR_SHUTDOWN; -SHMBUS_ERR_REMOVED: see shmbus_unlink();
 *   -SHMBUS_ERR_CORRUPT: the channel's shared words are impossible;
 *   -SHMBUS_ERR_PEER_DEAD or _CLOSED: of a stream, once for each departure of the receiver, when it
 *     is full (until then the receiver may come back and take what waits);
 *   -EINVAL: the handle is not open for sending, or no timeout.
 *   A failed call has sent nothing. */

/**
 * shmbus_send() - copy one message into the channel.
 * @ch: open for sending.
 * @data: not needed after the call; NULL only for 0 bytes.
 * @size_bytes: 0 .. shmbus_channel_size_max(ch).
 * @timeout_ns: see "Time" above.
 *
 * Return: 0: committed, and from then on it survives the death of everybody; the errors of sending.
 * Death: before that nobody sees anything of it.
 */
SHMBUS_API int shmbus_send(struct shmbus_channel *ch, const void *data, size_t size_bytes,
                           int64_t timeout_ns);

struct shmbus_send_opts {
    size_t struct_bytes;
    uint32_t type;           /* enum shmbus_type, 0 .. 255 */
    uint32_t reserved_;      /* 0 */
    uint64_t correlation_id; /* -SHMBUS_ERR_KIND for a stream, which carries none, if it is not 0 */
};
/* clang-format off */
#define SHMBUS_SEND_OPTS_INIT { sizeof(struct shmbus_send_opts), 0, 0, 0 }
/* clang-format on */
/**
 * shmbus_send_with() - shmbus_send() of a message that says more about itself.
 * @ch: as for shmbus_send().
 * @opts: type and correlation id; NULL for the defaults. May be used again and again.
 * @data: as for shmbus_send().
 * @size_bytes: likewise.
 * @timeout_ns: likewise.
 *
 * Return: as shmbus_send(); -SHMBUS_ERR_KIND: a stream carries no correlation id; -EINVAL: the
 *   type, or struct_bytes; -E2BIG: see "Structs of options".
 */
SHMBUS_API int shmbus_send_with(struct shmbus_channel *ch, const struct shmbus_send_opts *opts,
                                const void *data, size_t size_bytes, int64_t timeout_ns);

/**
 * shmbus_send_batch() - send several messages with one wake-up.
 * @ch: as for shmbus_send().
 * @items: data and size of each, as for shmbus_send(); their type is SHMBUS_TYPE_DATA.
 * @count: 1 or more; of more than 4096 the first 4096 are looked at.
 * @timeout_ns: for the first one; the others go if there is room at once.
 *
 * Sends a prefix of @items, each committed on its own.
 * Return: how many were sent, 1 or more; the errors of sending if none was; -EINVAL: nothing to
 *   send, or NULL for the data of one. A message that is too large ends the prefix of a queue; a
 *   stream then sends nothing: -EMSGSIZE.
 * Death: what was committed stays.
 */
SHMBUS_API int shmbus_send_batch(struct shmbus_channel *ch, const struct iovec *items, size_t count,
                                 int64_t timeout_ns);

/**
 * shmbus_recv() - take the next message, in place.
 * @ch: open for receiving.
 * @ret_msg: the caller's memory; its data lies in the segment and is the caller's until the message
 *        is released, given back, forwarded, or the handle is closed.
 * @timeout_ns: see "Time" above.
 *
 * Queue: the message is yours alone until shmbus_release() acknowledges it. What was given back, or
 * held by who died, comes before all that waits, the oldest sequence first (order producer: of each
 * lane); what a dead process held, from when its death is noticed. What three died with in a row
 * comes after what waited by then: one that kills does not hold up the others. Stream: stays first
 * in line until released. A stream receiver may hold up to 64 messages; they are freed in order.
 * Return: 0;
 *   -EAGAIN: nothing there, with a timeout of 0; -ETIMEDOUT: nothing for that long;
 *   -EINTR: shmbus_interrupt(), or a signal with SHMBUS_ATTACH_EINTR;
 *   -SHMBUS_ERR_SHUTDOWN: nothing there, and the bus is shutting down; -SHMBUS_ERR_REMOVED: nothing
 *   there, and nobody left who could send: see shmbus_unlink();
 *   -SHMBUS_ERR_CORRUPT: the channel's shared words are impossible;
 *   -EINVAL: the handle is not open for receiving, or no timeout;
 *   stream: -SHMBUS_ERR_PEER_DEAD or _CLOSED: once for each departure of the sender, after its last
 *   message; -SHMBUS_ERR_TOO_MANY: 64 messages are held.
 * Death: of the holder: somebody else gets the message with delivery_count raised, in a stream the
 *   next receiver.
 */
SHMBUS_API int shmbus_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msg,
                           int64_t timeout_ns);

/**
 * shmbus_recv_batch() - take the messages that are there.
 * @ch: open for receiving.
 * @ret_msgs: room for @max messages; each as for shmbus_recv().
 * @max: 1 or more; at most 4096 come at once.
 * @timeout_ns: for the first one; the others come if they are there.
 *
 * A queue's message that is delivered again comes alone, or last: one that kills its receivers
 * takes no others along.
 * Return: how many were taken, 1 or more; the errors of shmbus_recv() if none was; -EINVAL: @max
 *   is 0.
 * Death: as shmbus_recv().
 */
SHMBUS_API int shmbus_recv_batch(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs, size_t max,
                                 int64_t timeout_ns);

/**
 * shmbus_recv_copy() - receive, copy and acknowledge in one call.
 * @ch: open for receiving.
 * @buffer: for the payload; NULL only for 0 bytes.
 * @buffer_bytes: its size.
 * @ret_size_bytes: the size of the message, also with -EMSGSIZE.
 * @ret_info: all about the message but its data, which is NULL; not to be released. May be NULL.
 * @timeout_ns: see "Time" above.
 *
 * Return: 0; -EMSGSIZE: the message is larger than the buffer and stays where it was, as if it had
 *   never been received; the errors of shmbus_recv().
 * Death: as shmbus_recv(), until the copy is done.
 */
SHMBUS_API int shmbus_recv_copy(struct shmbus_channel *ch, void *buffer, size_t buffer_bytes,
                                size_t *ret_size_bytes, struct shmbus_msg *ret_info,
                                int64_t timeout_ns);

/* What the calls that finish a message have in common: shmbus_release(), _requeue(), _give_back(),
 * _forward(), _commit(), _abort().
 *   @msg is what a call of the same thread's handle filled in; once finished its data is NULL.
 *   "The errors of finishing" are
 *   -SHMBUS_ERR_STALE: it was finished before; -EXDEV: its channel was replaced by one of another
 *   bus; -SHMBUS_ERR_KIND: received where a reservation is needed, or the other way round: what was
 *   reserved is committed or aborted, what was received is released, given back or sent on.
 *   After such an error the message is as it was. */

/**
 * shmbus_release() - done with a received message: acknowledge it.
 * @msg: received; its data must not be touched any more.
 *
 * A stream acknowledges in order: a message is, and its room is free, when those before it are
 * released as well.
 * Return: 0; the errors of finishing.
 * Death: nobody gets again what is acknowledged; of a stream, what was released before an older one
 *   comes again with that.
 */
SHMBUS_API int shmbus_release(struct shmbus_msg *msg);

/**
 * shmbus_release_batch() - release several messages.
 * @msgs: received, in the order of their coming; not necessarily through one channel.
 * @count: how many; 0 is fine.
 *
 * All that can be released are, whatever becomes of the others.
 * Return: 0; the first failure: the errors of finishing.
 * Death: each as shmbus_release().
 */
SHMBUS_API int shmbus_release_batch(struct shmbus_msg *msgs, size_t count);

/**
 * shmbus_requeue() - give a message back to its queue for another delivery.
 * @msg: received from a queue.
 *
 * It comes ahead of the others and in its order among what was given back, whoever did it in which
 * order. At max_deliveries it goes to the dead-letter queue instead, which never waits: see enum
 * shmbus_on_full.
 * Return: 0; the errors of finishing; -SHMBUS_ERR_KIND for a message of a stream, too.
 * Death: killed half-way, the message comes again as after any death.
 */
SHMBUS_API int shmbus_requeue(struct shmbus_msg *msg);

/**
 * shmbus_give_back() - give a message back as if it had never been received.
 * @msg: received from a queue.
 *
 * As shmbus_requeue(), but the delivery is not counted, neither for the next receiver nor towards
 * max_deliveries. For a worker that is asked to stop, so that the third restart within a long task
 * does not make a dead letter of it. Only if nothing that was done for it is left: the next
 * receiver cannot tell. Closing and detaching count what they give back, unless the
 * handle was opened with SHMBUS_OPEN_GIVE_BACK.
 * Return: as shmbus_requeue().
 * Death: as shmbus_requeue().
 */
SHMBUS_API int shmbus_give_back(struct shmbus_msg *msg);

/**
 * shmbus_reserve() - room for one message, to be filled in place.
 * @ch: open for sending.
 * @size_bytes: 0 .. shmbus_channel_size_max(ch); may be lowered in @ret_msg before the commit.
 * @ret_msg: the caller's memory; its data lies in the segment and is the caller's until commit or
 *        abort. What is in there is not cleared.
 * @timeout_ns: see "Time" above.
 *
 * A queue of total order gives a block, of which a handle may have many; the place in the queue is
 * found at the commit. A stream or a lane (SHMBUS_ORDER_PRODUCER) gives the next place, one at a
 * time: another reserve or send drops it.
 * Return: 0; the errors of sending; a queue of total order never -EAGAIN and -ETIMEDOUT, but
 *   -SHMBUS_ERR_NO_BLOCKS.
 * Death: of the holder: nothing was sent, and the room is freed.
 */
SHMBUS_API int shmbus_reserve(struct shmbus_channel *ch, size_t size_bytes,
                              struct shmbus_msg *ret_msg, int64_t timeout_ns);

/**
 * shmbus_commit() - send a reserved message.
 * @msg: from shmbus_reserve(), with type and correlation id as they are to be sent.
 * @timeout_ns: see "Time" above.
 *
 * A stream and a lane have the room since reserve and never wait; another queue may have become
 * full meanwhile: then its policy applies. When it fails the message stays the caller's: commit
 * again or abort.
 * Return: 0: as of shmbus_send(); the errors of finishing: -SHMBUS_ERR_KIND for a received
 *   message, which shmbus_forward() sends on; the errors of sending, without -SHMBUS_ERR_NO_BLOCKS
 *   and those of a peer; -EMSGSIZE: its size was raised.
 * Death: before it is committed as shmbus_reserve(), from then on as shmbus_send().
 */
SHMBUS_API int shmbus_commit(struct shmbus_msg *msg, int64_t timeout_ns);

/**
 * shmbus_forward() - send a received message on into another queue of the same bus.
 * @msg: received from a queue of total order.
 * @to: open for sending, a queue of total order.
 * @timeout_ns: for room in @to, see "Time" above.
 *
 * Acknowledges it here and sends it there by one store. When it fails the message stays with the
 * channel it came from. The payload may be rewritten in place before (a task becomes its result).
 * Size (lowered, never raised), type and correlation id go on as they stand in @msg; sender and
 * time stay those of the one who sent it first.
 * If it lies in a block of its queue's share (see the plan) it goes on as a copy, which is as safe
 * and needs a block.
 * Return: 0; the errors of finishing; the errors of sending: -SHMBUS_ERR_NO_BLOCKS only if it needs
 *   one; -EMSGSIZE also if the size was raised; -SHMBUS_ERR_KIND: @msg is a reservation or not
 *   from such a queue, or @to is none; -EXDEV: @to is on another bus.
 * Death: the message is in one of the two queues, never in both and never lost; killed while it was
 *   rewriting the payload, the next receiver finds it half rewritten.
 */
SHMBUS_API int shmbus_forward(struct shmbus_msg *msg, struct shmbus_channel *to,
                              int64_t timeout_ns);

/**
 * shmbus_abort() - drop a reservation.
 * @msg: from shmbus_reserve(); its data must not be touched any more.
 *
 * Return: 0; the errors of finishing: -SHMBUS_ERR_KIND for a received message, which is released or
 *   given back.
 */
SHMBUS_API int shmbus_abort(struct shmbus_msg *msg);

/**
 * shmbus_channel_fd() - a descriptor for poll, epoll and the like.
 * @ch: open for receiving.
 *
 * It polls readable while there is something to receive; level-triggered. Never read it; after
 * POLLIN receive until -EAGAIN, then poll again. It belongs to @ch and is closed with it: not by
 * closefrom(), which would leave its number to another file.
 * Return: the descriptor, above 2, each time the same; -EINVAL: not open for receiving; -EMFILE,
 *   -ENFILE: no descriptor to be had; -ENOMEM: no memory, or no thread.
 * Threads: that of @ch may poll it, and others. Starts a helper thread.
 * Fork: in the child the number is that of the parent's descriptor: not to be polled.
 */
SHMBUS_API int shmbus_channel_fd(struct shmbus_channel *ch);

/* These three are answered from private memory, by any thread while the handle is open, and in a
 * forked child as well. */

/**
 * shmbus_channel_size_max() - the largest message of a channel.
 * @ch: open.
 *
 * Return: bytes, above 0; 0 for NULL.
 */
SHMBUS_API size_t shmbus_channel_size_max(const struct shmbus_channel *ch);

/**
 * shmbus_channel_name() - the name of a channel.
 * @ch: open.
 *
 * Return: the handle's, until it is closed; "" for NULL.
 */
SHMBUS_API const char *shmbus_channel_name(const struct shmbus_channel *ch);

/**
 * shmbus_channel_bus() - the bus of a channel.
 * @ch: open.
 *
 * Return: what it was opened with; NULL for NULL.
 */
SHMBUS_API struct shmbus *shmbus_channel_bus(const struct shmbus_channel *ch);

/* ------------------------------------------------------------------------------------ regions */

/* A named area of fixed size, for data that is shared and not passed on. A write is all or
 * nothing: half a write of a killed process is rolled back before anybody sees it. A process that
 * is stopped in the middle of a write holds up the others, within their timeouts.
 * "The errors of a region" are -ERANGE: the bytes go beyond its end; nothing is done then;
 *   -EAGAIN: a living process is writing, with a timeout of 0; -ETIMEDOUT: for that long;
 *   -EINTR: shmbus_interrupt(), or a signal with SHMBUS_ATTACH_EINTR; -EINVAL: no timeout;
 *   -SHMBUS_ERR_CORRUPT: half a write cannot be undone, since its undo area is damaged. */

/**
 * shmbus_region_open() - a handle of a region.
 * @bus: attached; an observer may read.
 * @name: of a region of the plan.
 * @ret_region: the caller's, to be given to shmbus_region_close().
 *
 * Return: 0; -ENOENT: no such region; -ENOMEM.
 * Threads: any. The handle may be used by several.
 */
SHMBUS_API int shmbus_region_open(struct shmbus *bus, const char *name,
                                  struct shmbus_region **ret_region);

/**
 * shmbus_region_close() - close the handle of a region. What is in the region stays.
 * @region: NULL is fine.
 *
 * Threads: no other may be in a call of this handle, or use it later.
 * Fork: in the child it only frees memory.
 */
SHMBUS_API void shmbus_region_close(struct shmbus_region *region);

/**
 * shmbus_region_bytes() - the size of a region.
 * @region: open.
 *
 * Return: as planned; 0 for NULL.
 * Threads: any.
 */
SHMBUS_API uint64_t shmbus_region_bytes(const struct shmbus_region *region);

/**
 * shmbus_region_write() - write into a region, all or nothing.
 * @region: open.
 * @offset_bytes: from its beginning.
 * @data: not needed after the call; NULL only for 0 bytes.
 * @size_bytes: 0 writes nothing, without waiting.
 * @timeout_ns: for other writers, see "Time" above.
 *
 * Return: 0; the errors of a region; -EROFS: an observer.
 * Threads: any; they exclude each other, as processes do.
 * Death: killed half-way, what was there before is there again.
 */
SHMBUS_API int shmbus_region_write(struct shmbus_region *region, uint64_t offset_bytes,
                                   const void *data, size_t size_bytes, int64_t timeout_ns);

/**
 * shmbus_region_read() - a consistent copy of a part of a region: never half of a write.
 * @region: open.
 * @offset_bytes: from its beginning.
 * @buffer: for the copy; NULL only for 0 bytes. Undefined when the call fails.
 * @size_bytes: 0 reads nothing, without waiting.
 * @timeout_ns: for a writer, see "Time" above.
 *
 * Return: 0; the errors of a region; to an observer -EAGAIN also if a writer was killed half-way
 *   and nobody has undone that yet: only a member can.
 * Threads: any.
 */
SHMBUS_API int shmbus_region_read(struct shmbus_region *region, uint64_t offset_bytes, void *buffer,
                                  size_t size_bytes, int64_t timeout_ns);

/* ------------------------------------------------------------------------------------ the end */

/* Stopping within a limit: no more is taken, what is in hand is finished, and what is not finished
 * in time is given back and counted.
 *   A node is something that can be stopped: the whole program, one kind of its workers, one
 *   thread. Asking a node to stop asks all below it. One tree has one bus handle, or none.
 *   All of this is private to the process: a death leaves nothing of it, and what was in hand is
 *   delivered again. In a forked child every call but shmbus_stop_free() is -SHMBUS_ERR_FORKED, or
 *   does nothing; the signals that shmbus_stop_signals() has caught then do there what they do by
 *   default.
 *   A thread that takes messages makes a node for itself, receives with shmbus_stop_recv(), and
 *   frees the node when it is done: shmbus_stop_drain() waits for that. It waits for the ends of
 *   the tree: a node that has, or had, others below it stands for those. examples/graceful.c is
 *   a complete program. */
struct shmbus_stop;

/**
 * shmbus_stop_new() - a node of a tree.
 * @bus: attached; of the root only, all below have it: NULL there, or the same. NULL for a tree of
 *        threads that take nothing from a bus.
 * @parent: the node that it is below; NULL: it is the root of a tree of its own.
 * @ret_stop: the caller's, to be given to shmbus_stop_free().
 *
 * Below one that is asked it is asked from the start.
 * Return: 0; -EINVAL: another bus than that of @parent; -EROFS: an observer; -ENOMEM.
 * Threads: any. A node is used by one thread at a time, but for shmbus_stop_ask(), _asked(),
 *   _left_ns(), and as the @parent of others.
 */
SHMBUS_API int shmbus_stop_new(struct shmbus *bus, struct shmbus_stop *parent,
                               struct shmbus_stop **ret_stop);

/**
 * shmbus_stop_free() - what this node stood for has ended.
 * @stop: NULL is fine. Not to be used any more, not as a parent either; nodes below it may live on.
 *
 * Close the channel first, or give back what is in hand: it is counted no more. A thread that ends
 * without it (cancelled, say) is one that a drain waits for in vain: pthread_cleanup_push(). The
 * last node of a tree is freed before shmbus_detach(). What shmbus_stop_signals() has caught is as
 * it was before.
 * Threads: the one that uses the node.
 * Fork: in the child it only frees memory.
 */
SHMBUS_API void shmbus_stop_free(struct shmbus_stop *stop);

/**
 * shmbus_stop_ask() - ask a node, and all below it, to stop.
 * @stop: NULL does nothing.
 * @limit_ns: time for what is in hand, from now on; 0: none; negative: no limit.
 *
 * Calls of shmbus_stop_recv() and shmbus_stop_sleep() for it end at once. A node is asked once: a
 * second time changes nothing, not the deadline either. Of several deadlines on the way up the
 * first one counts.
 * Threads: any; async-signal-safe, errno stays.
 */
SHMBUS_API void shmbus_stop_ask(struct shmbus_stop *stop, int64_t limit_ns);

/**
 * shmbus_stop_asked() - whether a node was asked to stop, or one above it.
 * @stop: NULL was not.
 *
 * For long work that can be given back between two steps: some nanoseconds.
 * Return: true from then on.
 * Threads: any; async-signal-safe.
 */
SHMBUS_API bool shmbus_stop_asked(const struct shmbus_stop *stop);

/**
 * shmbus_stop_left_ns() - the time that is left for what is in hand.
 * @stop: NULL has all time.
 *
 * Return: 0 from the deadline on; INT64_MAX: not asked, or without a limit.
 * Threads: any; async-signal-safe.
 */
SHMBUS_API int64_t shmbus_stop_left_ns(const struct shmbus_stop *stop);

/**
 * shmbus_stop_recv() - shmbus_recv() that takes no more once the node is asked to stop.
 * @stop: of the calling thread.
 * @ch: open for receiving, on the bus of the tree.
 * @ret_msg: as for shmbus_recv().
 * @timeout_ns: likewise.
 *
 * Sends are not ended by a stop: results of what is in hand still go out, and wait as long as their
 * own timeout says, or until a drain of the whole tree has come to its deadline.
 * Return: as shmbus_recv(); -ECANCELED: asked to stop, whatever waits in the channel; -EINVAL also
 *   for a channel of another bus.
 * Blocking: as shmbus_recv(). The hook of shmbus_stop_signals() is run in here.
 */
SHMBUS_API int shmbus_stop_recv(struct shmbus_stop *stop, struct shmbus_channel *ch,
                                struct shmbus_msg *ret_msg, int64_t timeout_ns);

/**
 * shmbus_stop_give_back() - shmbus_give_back() that is counted for shmbus_stop_drain().
 * @stop: of the calling thread.
 * @msg: received from a queue; that of a stream comes again when its handle is closed.
 *
 * Before the deadline it counts as given back, from then on as cut off.
 * Return: as shmbus_give_back().
 */
SHMBUS_API int shmbus_stop_give_back(struct shmbus_stop *stop, struct shmbus_msg *msg);

/**
 * shmbus_stop_sleep() - sleep until the node is asked to stop, at most so long.
 * @stop: of the calling thread.
 * @timeout_ns: SHMBUS_WAIT_FOREVER: without limit, for a thread that only waits for signals.
 *
 * Return: 0: the time is over; -ECANCELED: asked to stop; -EINVAL: no timeout.
 * Blocking: that long. The hook of shmbus_stop_signals() is run in here.
 */
SHMBUS_API int shmbus_stop_sleep(struct shmbus_stop *stop, int64_t timeout_ns);

/* What became of the work at the end; of the node and all that was ever below it. */
struct shmbus_drain_stat {
    size_t struct_bytes;
    int64_t asked_ns;    /* CLOCK_MONOTONIC: when it was asked to stop */
    uint64_t given_back; /* messages, before the deadline: by choice */
    uint64_t cut_off;    /* messages not finished in time: given back from the deadline on, or, when
                          * a whole tree is drained and threads are left, still in a hand of this
                          * bus handle */
    uint32_t left;       /* ends of the tree below that were not freed */
    uint32_t reserved_;
};

/**
 * shmbus_stop_drain() - ask to stop, and wait until all below has ended.
 * @stop: of the calling thread; the ends of the tree below it are of other threads, or freed.
 * @limit_ns: as for shmbus_stop_ask(), which it calls: if it was asked before, that deadline
 *        counts. SHMBUS_WAIT_FOREVER: no limit.
 * @ret_stat: the caller's, with struct_bytes set; may be NULL.
 *
 * Waits for the deadline, and 1 s more in which threads give back what they hold. At the deadline
 * of a whole tree its bus is interrupted, so that sends and waits for regions end, too:
 * shmbus_interrupt_clear() takes that back.
 * Return: 0: the ends of the tree below were freed; -ETIMEDOUT: some were not, and @ret_stat is
 *   filled all the same. Then print the totals and leave by _exit(): those threads use the bus, so
 *   it cannot be detached; what they hold is delivered again, as after any death. -EINVAL: no
 *   limit, or struct_bytes.
 * Blocking: until the limit, and 1 s.
 * Death: killed meanwhile, what was in hand is delivered again.
 */
SHMBUS_API int shmbus_stop_drain(struct shmbus_stop *stop, int64_t limit_ns,
                                 struct shmbus_drain_stat *ret_stat);

struct shmbus_signals_opts {
    size_t struct_bytes;
    int64_t limit_ns; /* for what is in hand; 0: 10 s; SHMBUS_WAIT_FOREVER: no limit */
    int also;         /* one more signal that asks to stop, SIGUSR2 say; 0: none */
    int reserved_;
    /* SIGHUP: read the settings again; NULL: SIGHUP is left alone. Called by the thread that uses
     * the node, in shmbus_stop_recv() or shmbus_stop_sleep(), between two messages: it may call
     * everything but those two for this node, and change what only that thread uses. When the new
     * settings are not right it says so in one line and leaves the old ones. Several signals may
     * be one call. */
    void (*reread)(void *context);
    void *context;
};
/* clang-format off */
#define SHMBUS_SIGNALS_OPTS_INIT { sizeof(struct shmbus_signals_opts), 0, 0, 0, NULL, NULL }
/* clang-format on */

/**
 * shmbus_stop_signals() - let SIGTERM and SIGINT ask a node to stop.
 * @stop: the root, mostly; of the thread that is to read the settings again, if one is.
 * @opts: NULL for the defaults.
 *
 * Installs handlers for the process, with SA_RESTART, until the node is freed: a second SIGTERM
 * changes nothing then. The signals must not be blocked in all threads; any thread may get them.
 * One node of a process at a time.
 * Return: 0; -EBUSY: another node, or this one, has them already; -EINVAL: a number, or a signal
 *   that cannot be caught; -E2BIG: see "Structs of options".
 * Fork: in the child those signals do what they do by default, until it calls this itself.
 */
SHMBUS_API int shmbus_stop_signals(struct shmbus_stop *stop,
                                   const struct shmbus_signals_opts *opts);

/* --------------------------------------------------------------------------------- statistics */

/* Room for as many counters in the statistics, and in the segment; what is not counted yet is 0. */
#define SHMBUS_COUNTERS_MAX 32

/* X(name, unit, text): one row per counter; 64 bit, exact, never reset while the segment lives. */
#define SHMBUS_COUNTERS(X)                                                                         \
    X(sent, "messages", "messages committed")                                                      \
    X(sent_bytes, "bytes", "payload committed")                                                    \
    X(received, "messages", "messages taken, redeliveries included")                               \
    X(received_bytes, "bytes", "payload taken")                                                    \
    X(acknowledged, "messages", "messages released")                                               \
    X(redelivered, "messages", "messages taken with a delivery count above 1")                     \
    X(requeued, "messages", "messages given back by their holder")                                 \
    X(forwarded, "messages", "received messages sent on to another queue")                         \
    X(dead_lettered, "messages", "messages set aside after max_deliveries")                        \
    X(dropped, "messages", "messages thrown away by drop_oldest, dead letters too")                \
    X(rejected, "messages", "sends refused because the channel was full")                          \
    X(send_timeouts, "calls", "sends that ran into their timeout")                                 \
    X(recv_timeouts, "calls", "receives that ran into their timeout")                              \
    X(sleeps, "calls", "calls that went to sleep")                                                 \
    X(wakes, "calls", "sends that had to wake a sleeper")                                          \
    X(errors, "calls", "calls that met damage, or held too many messages")

#define SHMBUS_COUNTER_ENUM(name, unit, text) SHMBUS_COUNT_##name,
enum shmbus_counter { SHMBUS_COUNTERS(SHMBUS_COUNTER_ENUM) SHMBUS_COUNTER_COUNT };
#undef SHMBUS_COUNTER_ENUM
/* The three texts of a row of that table, for any thread. */

/**
 * shmbus_counter_name() - the name of a counter.
 * @counter: enum shmbus_counter.
 *
 * Return: static: "sent" and so on; NULL from SHMBUS_COUNTER_COUNT on.
 */
SHMBUS_API const char *shmbus_counter_name(unsigned counter);

/**
 * shmbus_counter_unit() - what a counter counts.
 * @counter: enum shmbus_counter.
 *
 * Return: static: "messages", "bytes" or "calls"; NULL from SHMBUS_COUNTER_COUNT on.
 */
SHMBUS_API const char *shmbus_counter_unit(unsigned counter);

/**
 * shmbus_counter_text() - what a counter means, in a few words.
 * @counter: enum shmbus_counter.
 *
 * Return: static; NULL from SHMBUS_COUNTER_COUNT on.
 */
SHMBUS_API const char *shmbus_counter_text(unsigned counter);

/**
 * shmbus_channel_counters() - what a handle has counted since it was opened.
 * @ch: open.
 * @ret_counters: in the order of enum shmbus_counter.
 * @count: room in there; more than SHMBUS_COUNTER_COUNT are not filled.
 *
 * The quick way for a program to report its own numbers: some nanoseconds, no system call.
 * Return: how many were filled.
 * Threads: the one that uses the handle.
 */
SHMBUS_API int shmbus_channel_counters(const struct shmbus_channel *ch, uint64_t *ret_counters,
                                       size_t count);

/* Alive: its heartbeat is younger than the timeout of the bus.
 * Idle: it is older, and the process has nothing that anybody could miss: no call to make (a front
 *   end without requests), or it waits in epoll_wait() on shmbus_channel_fd().
 * Stalled: it is older although the process holds a message, a reservation or a region's lock, or
 *   sleeps in a call, which beats while it waits: it was stopped, hangs, or computes without
 *   shmbus_heartbeat().
 * Dead: the kernel says so; nothing else ever does, and only the dead lose what they hold. */
enum shmbus_life {
    SHMBUS_LIFE_ALIVE = 1,
    SHMBUS_LIFE_STALLED = 2,
    SHMBUS_LIFE_DEAD = 3,
    SHMBUS_LIFE_IDLE = 4
};

/**
 * shmbus_life_name() - the name of how a process is.
 * @life: enum shmbus_life.
 *
 * Return: static: "alive", "idle", "stalled", "dead"; "?" for any other number.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_life_name(unsigned life);

struct shmbus_bus_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    char path[SHMBUS_PATH_BYTES];
    char uuid[37];
    uint64_t segment_bytes;
    int64_t created_realtime_ns;
    uint32_t layout_major, layout_minor;
    uint32_t processes_max, processes_alive, processes_stalled, processes_dead;
    uint32_t channels_max, channels_used;
    uint32_t regions;
    uint32_t block_classes;
    uint64_t recoveries; /* dead processes cleaned up after */
    uint64_t attaches;
    int64_t heartbeat_interval_ns, heartbeat_timeout_ns;
    uid_t owner_uid;
    mode_t mode;
    bool shutting_down;
    bool unlinked;           /* the name is gone, or another segment's: nobody new can join */
    uint32_t processes_idle; /* alive + idle + stalled + dead are attached */
    uint64_t device, inode;  /* of the file, as stat() has them */
    char other_uuid[37];     /* unlinked: of the segment that the name leads to now; "" if there is
                              * none, or it cannot be read */
};

struct shmbus_channel_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    char dead_letter[SHMBUS_NAME_BYTES];
    uint32_t kind;    /* enum shmbus_kind */
    uint32_t on_full; /* enum shmbus_on_full */
    uint32_t max_deliveries;
    uint64_t capacity;           /* queue: messages; stream: bytes */
    uint64_t depth;              /* waiting now: queue: messages; stream: bytes */
    uint64_t depth_max;          /* high-water mark, same unit; never falls. That of a sender in a
                                  * hurry may be 1/16 of the capacity behind; of a stream it is
                                  * rounded up by as much */
    uint64_t held;               /* queue: taken and not acknowledged */
    uint64_t redeliverable;      /* queue: given back, waiting for another delivery */
    uint64_t dead_letters;       /* dead-letter queue: waiting there (in depth, too), or for room */
    uint32_t senders, receivers; /* handles open now */
    uint64_t counters[SHMBUS_COUNTERS_MAX]; /* by enum shmbus_counter */
    uint32_t order;                         /* enum shmbus_order, of a queue */
    uint32_t lanes;        /* order producer: producers at once. depth_max is then that of the
                                 * fullest lane, in steps of 1/16 */
    uint32_t lanes_used;   /* lanes that had a producer so far; capacity is that of these */
    uint64_t letters_kept; /* dead letters of this queue that still lie in its memory, as they wait
                            * for room in its dead-letter queue, where they are counted, too */
    int64_t letter_age_ns; /* dead-letter queue: since the oldest was sent; -1: there is none, or
                            * nothing in there has a time stamp */
};

struct shmbus_process_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    uint32_t slot;
    uint64_t epoch;            /* how often the slot was used before */
    uint32_t life;             /* enum shmbus_life */
    pid_t pid;                 /* in its own pid namespace */
    uint64_t pid_namespace;    /* inode */
    bool same_pid_namespace;   /* the pid means the same to the caller */
    uint64_t start_time_ticks; /* field 22 of /proc/PID/stat, seen from the first time namespace */
    uid_t uid;
    int64_t attached_age_ns;  /* these two: -1 if the clock of its time namespace cannot be */
    int64_t heartbeat_age_ns; /* compared with the caller's; then it is never stalled or idle */
    uint64_t progress;        /* operations, raised by the working loop */
    uint64_t held_blocks;     /* received or reserved, in the application's hands; order
                                 * producer and stream: received only */
    uint64_t stock_blocks;    /* free blocks kept for its next messages */
    uint64_t counters[SHMBUS_COUNTERS_MAX]; /* by enum shmbus_counter, since it attached */
    uint32_t half_sent;                     /* messages in the middle of being sent */
    uint32_t regions_locked;
    uint32_t waiting_calls;           /* asleep in a call */
    uint32_t handles;                 /* channels open */
    char waits_in[SHMBUS_NAME_BYTES]; /* channel of one of those calls; "" for a region, or none */
    uint32_t handles_left;            /* of threads that have ended; 0 where /proc cannot tell */
    uint32_t held_left;               /* messages in them */
    bool stopped; /* by a signal or a debugger; false where /proc cannot tell: in
                                 * another pid namespace, or hidden */
};

struct shmbus_block_stat {
    size_t struct_bytes;
    uint64_t size_bytes, count;
    uint64_t free, queued, held, stock, redeliverable, dead_letters;
    uint64_t common;      /* of the count: for any queue; the others are the shares of queues */
    uint64_t common_free; /* of the free ones */
};

struct shmbus_region_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    uint64_t bytes;
    uint64_t writes;    /* finished */
    uint64_t rollbacks; /* half writes of killed processes that were undone */
};

/* What the calls that look have in common: these five, shmbus_peek(), shmbus_check() and
 * shmbus_plan_compare().
 *   They change nothing, work on an observer and may be called by any thread. What they tell is of
 *   now, and not of one instant: the others go on meanwhile. They may look at every block of the
 *   segment: not for a hot path.
 *   "The errors of looking" are -SHMBUS_ERR_CORRUPT: the segment's file was cut;
 *   and of these five -EINVAL: the caller has not set struct_bytes in @ret_stat.
 *   @index: 0 .. until -ENOENT. */

/**
 * shmbus_bus_stat() - the bus as a whole.
 * @bus: attached.
 * @ret_stat: the caller's; struct_bytes set.
 *
 * Return: 0; the errors of looking.
 */
SHMBUS_API int shmbus_bus_stat(struct shmbus *bus, struct shmbus_bus_stat *ret_stat);

/**
 * shmbus_channel_stat() - one channel.
 * @bus: attached.
 * @index: of the channel, in the order of the plan; then those that got a name later.
 * @ret_stat: the caller's; struct_bytes set.
 *
 * Return: 0; -ENOENT: no more channels; -ENODATA: a spare one without a name, go on with the next;
 *   the errors of looking.
 */
SHMBUS_API int shmbus_channel_stat(struct shmbus *bus, uint32_t index,
                                   struct shmbus_channel_stat *ret_stat);

/**
 * shmbus_process_stat() - one process.
 * @bus: attached.
 * @index: its slot, what messages have as `sender`.
 * @ret_stat: the caller's; struct_bytes set.
 *
 * Return: 0; -ENOENT: no more slots; -ENODATA: a free one, go on with the next; the errors of
 *   looking.
 */
SHMBUS_API int shmbus_process_stat(struct shmbus *bus, uint32_t index,
                                   struct shmbus_process_stat *ret_stat);

/**
 * shmbus_block_stat() - one class of blocks.
 * @bus: attached.
 * @index: of the class, the smallest first.
 * @ret_stat: the caller's; struct_bytes set.
 *
 * Return: 0; -ENOENT: no more classes; the errors of looking.
 */
SHMBUS_API int shmbus_block_stat(struct shmbus *bus, uint32_t index,
                                 struct shmbus_block_stat *ret_stat);

/**
 * shmbus_region_stat() - one region.
 * @bus: attached.
 * @index: of the region, in the order of the plan.
 * @ret_stat: the caller's; struct_bytes set.
 *
 * Return: 0; -ENOENT: no more regions; the errors of looking.
 */
SHMBUS_API int shmbus_region_stat(struct shmbus *bus, uint32_t index,
                                  struct shmbus_region_stat *ret_stat);

/* Called with a waiting message; @msg and its data are a copy, gone after the call, and no other
 * call takes it: its channel is NULL. Returns false to see no more. */
typedef bool (*shmbus_peek_fn)(void *context, const struct shmbus_msg *msg);

/**
 * shmbus_peek() - look at waiting messages of a channel without taking them.
 * @bus: attached.
 * @channel: the name of a queue or stream.
 * @max: messages to be shown at most.
 * @each: called for each, oldest first, what was given back before all (order producer: lane after
 *        lane). Messages that are taken meanwhile are left out.
 * @context: handed to @each.
 *
 * Return: how many were shown; -ENOENT: no such channel; -ENOMEM; the errors of looking;
 *   -SHMBUS_ERR_CORRUPT also for a record of a stream that is impossible.
 */
SHMBUS_API int shmbus_peek(struct shmbus *bus, const char *channel, size_t max, shmbus_peek_fn each,
                           void *context);

/* One finding of the segment's health check. */
enum shmbus_severity {
    SHMBUS_SEVERITY_NOTE = 1,
    SHMBUS_SEVERITY_WARNING = 2,
    SHMBUS_SEVERITY_CRITICAL = 3
};

/**
 * shmbus_severity_name() - the name of how bad a finding is.
 * @severity: enum shmbus_severity.
 *
 * Return: static: "note", "warning", "critical"; "?" for any other number.
 * Threads: any.
 */
SHMBUS_API const char *shmbus_severity_name(unsigned severity);

/* Called with a finding: what it is, and what to do; both texts are gone after the call. Returns
 * false to see no more. */
typedef bool (*shmbus_finding_fn)(void *context, enum shmbus_severity severity, const char *what,
                                  const char *cure);

/**
 * shmbus_check() - check everything that can be checked without changing it.
 * @bus: attached.
 * @each: called for each finding.
 * @context: handed to @each.
 *
 * Return: the number of findings above SHMBUS_SEVERITY_NOTE that it showed; the errors of looking.
 */
SHMBUS_API int shmbus_check(struct shmbus *bus, shmbus_finding_fn each, void *context);

#define SHMBUS_CHECK_NEVER UINT32_MAX
/* From when on there is a finding. 0: the default. */
struct shmbus_check_opts {
    size_t struct_bytes;
    uint32_t full_percent; /* a channel is full to so much: 1 .. 100; default 90 */
    uint32_t used_percent; /* so many of the places for processes, handles, producers and spare
                            * queues are taken: 1 .. 100; default 100, which is all of them */
    uint32_t dead_letters; /* so many wait; default 1. For these three: or SHMBUS_CHECK_NEVER */
    uint32_t reserved_;    /* 0 */
};
/* clang-format off */
#define SHMBUS_CHECK_OPTS_INIT { sizeof(struct shmbus_check_opts), 0, 0, 0, 0 }
/* clang-format on */

/**
 * shmbus_check_with() - shmbus_check() with other limits.
 * @bus: attached.
 * @opts: NULL for the defaults.
 * @each: called for each finding.
 * @context: handed to @each.
 *
 * Return: as shmbus_check(); -EINVAL: a percentage above 100, or struct_bytes; -E2BIG: see "Structs
 *   of options".
 */
SHMBUS_API int shmbus_check_with(struct shmbus *bus, const struct shmbus_check_opts *opts,
                                 shmbus_finding_fn each, void *context);

/**
 * shmbus_plan_compare() - how the segment differs from a plan, name by name.
 * @bus: attached.
 * @plan: not changed. What it does not name is no difference, nor is more than it declares.
 * @each: called for each difference; may be NULL.
 * @context: handed to @each.
 *
 * SHMBUS_SEVERITY_CRITICAL is what programs would take for something else: a channel that is not
 * there, another kind or order, other deliveries, another policy when full, a region that is not
 * there or too small. SHMBUS_SEVERITY_WARNING are numbers less than declared: depth, bytes, message
 * size, endpoints.
 * Return: how many differences there are; -SHMBUS_ERR_CONFIG: the plan is not valid; -ENOMEM; the
 *   errors of looking.
 */
SHMBUS_API int shmbus_plan_compare(struct shmbus *bus, const struct shmbus_plan *plan,
                                   shmbus_finding_fn each, void *context);

/* Called with a name that shmbus_attach() takes; it is gone after the call. Returns false to see no
 * more. */
typedef bool (*shmbus_list_fn)(void *context, const char *name);

/**
 * shmbus_list() - the segments in a directory, by their names: none is opened.
 * @dir: NULL for SHMBUS_DIR_DEFAULT; the names from another one have it in front.
 * @each: called for each, in no order.
 * @context: handed to @each.
 *
 * Return: how many were shown; -errno of opendir().
 * Threads: any.
 */
SHMBUS_API int shmbus_list(const char *dir, shmbus_list_fn each, void *context);

/**
 * shmbus_version() - the version of the library in use, which may be newer than SHMBUS_VERSION.
 *
 * Return: static: "0.1.0".
 * Threads: any.
 */
SHMBUS_API const char *shmbus_version(void);

#ifdef __cplusplus
}
#endif
#endif
