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
 *   Only shmbus_interrupt() and shmbus_interrupt_clear() are async-signal-safe.
 *   No call is a cancellation point, not even one that waits forever: pthread_cancel() works
 *   only when the thread has returned from it, so call shmbus_interrupt() as well, or attach with
 *   SHMBUS_ATTACH_EINTR. Asynchronous cancellation (PTHREAD_CANCEL_ASYNCHRONOUS) is not supported.
 *
 * Results
 *   0 or a count on success, a negative number on failure: -errno where one fits, otherwise
 *   -SHMBUS_ERR_x. shmbus_detail() has the sentence with the names and the numbers in it.
 *   A ret_ parameter is untouched when the call fails.
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

/* Structs of options
 *   Each begins with struct_bytes, its size where the program was compiled: set it, or begin with
 *   the _INIT macro. Zero in any other field is the default; NULL for the whole struct is all
 *   defaults. Fields are only ever added, at the end: a program that is older than the library has
 *   the defaults of what it does not know; one that is newer works as long as it asks for nothing
 *   that the library does not know, and gets -E2BIG otherwise. -EINVAL if struct_bytes is not set.
 *   The struct is the caller's and is not looked at after the call. */

#define SHMBUS_WAIT_FOREVER ((int64_t)-1)
#define SHMBUS_NAME_BYTES 48        /* of a bus, channel, region or process, with the final 0 */
#define SHMBUS_PATH_BYTES 256       /* of a segment, likewise; a longer one is -ENAMETOOLONG */
#define SHMBUS_DIR_DEFAULT "/dev/shm"
#define SHMBUS_BLOCK_CLASSES_MAX 8
#define SHMBUS_PROCESSES_MAX 1023
#define SHMBUS_CHANNELS_MAX 4096
#define SHMBUS_REGIONS_MAX 256
#define SHMBUS_DELIVERIES_MAX 63    /* delivery counts stop here */

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
    X(KIND, 5012, "operation does not fit the kind of the channel", N)

#define SHMBUS_ERROR_ENUM(name, number, text, kind) SHMBUS_ERR_##name = (number),
enum shmbus_error { SHMBUS_ERRORS(SHMBUS_ERROR_ENUM) SHMBUS_ERR_END_ };
#undef SHMBUS_ERROR_ENUM

/* Text for a result: own code or errno, positive or negative; lower case, no full stop. Never
 * NULL. Thread-safe; the text of an own code is static, that of an errno is per thread. */
SHMBUS_API const char *shmbus_strerror(int error);

/* The symbolic name ("EAGAIN", "SHMBUS_ERR_LAYOUT"), "OK" for 0, "?" when unknown. */
SHMBUS_API const char *shmbus_strerrorname(int error);

/* Whether the same call may succeed later (full, empty, timed out, peer gone, no blocks). */
SHMBUS_API bool shmbus_error_is_retryable(int error);

/* Whether the handle is of no further use (layout, corrupt, forked, shutdown). */
SHMBUS_API bool shmbus_error_is_fatal(int error);

/* The full sentence about this thread's last failed call: what, where and the cure. Never NULL,
 * "" before any failure; valid until the thread's next failing call. */
SHMBUS_API const char *shmbus_detail(void);

/* ---------------------------------------------------------------------------------- the plan */

enum shmbus_kind { SHMBUS_KIND_QUEUE = 1, SHMBUS_KIND_STREAM = 2 };

/* What a send into a full queue does. A dead letter never waits: into a full dead-letter queue that
 * drops its oldest it goes in place of that; otherwise it stays, in the memory of the queue that it
 * comes from, until there is a place or a receiver of the dead-letter queue takes it from there. */
enum shmbus_on_full {
    SHMBUS_FULL_BLOCK = 1,       /* waits for room, at most the timeout */
    SHMBUS_FULL_REJECT = 2,      /* -EAGAIN at once, whatever the timeout; counted as rejected */
    SHMBUS_FULL_DROP_OLDEST = 3  /* throws away the oldest message; counted as dropped; waits, at
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

struct shmbus_block_plan {
    uint64_t size_bytes; /* largest payload of the class, 1 .. 1 GiB; rounded up to 64 */
    uint64_t count;      /* 1 .. 16 M over all classes */
};

struct shmbus_channel_plan {
    char name[SHMBUS_NAME_BYTES];
    enum shmbus_kind kind;
    uint32_t depth;                      /* queue: messages; rounded up to a power of two */
    uint64_t bytes;                      /* stream: capacity; rounded up to a power of two */
    /* queue; a stream blocks. 0: SHMBUS_FULL_BLOCK, but SHMBUS_FULL_DROP_OLDEST for the dead-letter
     * queue of another one */
    enum shmbus_on_full on_full;
    uint32_t max_deliveries;             /* queue: 0 no limit, else 1 .. 62; needs dead_letter */
    char dead_letter[SHMBUS_NAME_BYTES]; /* queue: name of another queue, or "" */
    uint32_t endpoints;                  /* handles open at once; 0: twice the processes */
    enum shmbus_switch timestamps;       /* stamp each message; costs a look at the clock, about
                                          * 20 ns. Default: off */
    enum shmbus_order order;             /* queue; 0: SHMBUS_ORDER_TOTAL */
    uint64_t message_bytes; /* queue: largest message, 1 .. 1 GiB; longer ones are -EMSGSIZE. 0:
                             * what the largest block holds; order producer: 208 */
    uint32_t producers;     /* order producer: sending handles at once, 1 .. 256; 0: 16 */
    uint32_t share;         /* order total: blocks for its largest message that this queue has to
                             * itself, so that what waits in other queues never stops it; 0: 1 */
};

struct shmbus_region_plan {
    char name[SHMBUS_NAME_BYTES];
    uint64_t bytes;
};

/* Everything a segment will ever hold. Obtained from shmbus_plan_new() or from YAML. */
struct shmbus_plan {
    size_t struct_bytes;          /* sizeof(struct shmbus_plan), set by the library */
    mode_t mode;                  /* permissions: 0600 (default), 0660 or 0666 */
    gid_t group;                  /* (gid_t)-1: the creator's */
    uint32_t processes;           /* attached at once, 1 .. 1023, default 64 */
    uint32_t spare_channels;      /* queues that shmbus_channel_open() may name later, default 16 */
    uint32_t spare_depth;         /* their depth, default 1024 */
    int64_t heartbeat_interval_ns; /* default 5 s */
    int64_t heartbeat_timeout_ns;  /* silent for longer: idle or stalled; default 10 s */
    struct shmbus_block_plan *blocks;
    size_t block_count;
    struct shmbus_channel_plan *channels;
    size_t channel_count;
    struct shmbus_region_plan *regions;
    size_t region_count;
    char name[SHMBUS_NAME_BYTES]; /* `bus:` of the YAML file, or "" */
    uint64_t spare_message_bytes; /* of spare queues: see shmbus_channel_plan; default 0 */
    uint32_t spare_share;         /* likewise; default 0, which is 1 */
    bool fit_blocks; /* the library chose the blocks, and adds what the shares of queues need;
                      * shmbus_plan_add_blocks() makes it false: all counts are then the caller's */
    bool core;                    /* the segment goes into core dumps of its users; default no */
};

/* The built-in plan. @memory_bytes sizes the blocks so that the whole segment needs about that
 * much; 0 means 44 MiB. Free with shmbus_plan_free(). -ENOMEM, -EINVAL (budget under 1 MiB). */
SHMBUS_API int shmbus_plan_new(uint64_t memory_bytes, struct shmbus_plan **ret_plan);

/* Reads strict YAML, from a file or a pipe, to its end. -SHMBUS_ERR_CONFIG with file, line, column
 * and the nearest known key in shmbus_detail(); -errno when the file cannot be read. */
SHMBUS_API int shmbus_plan_load(const char *path, struct shmbus_plan **ret_plan);

/* The same from memory; @origin stands for the file name in messages. */
SHMBUS_API int shmbus_plan_parse(const char *yaml, size_t yaml_bytes, const char *origin,
                                 struct shmbus_plan **ret_plan);

/* Adds a channel, region or block class (copied). A zero depth, bytes or on_full means the
 * default. Unlike YAML it adds no dead-letter queue by itself.
 * -EEXIST, -EINVAL, -ENOMEM. */
SHMBUS_API int shmbus_plan_add_channel(struct shmbus_plan *plan,
                                       const struct shmbus_channel_plan *channel);
SHMBUS_API int shmbus_plan_add_region(struct shmbus_plan *plan, const char *name, uint64_t bytes);
SHMBUS_API int shmbus_plan_add_blocks(struct shmbus_plan *plan, uint64_t size_bytes,
                                      uint64_t count);

/* Checks every limit and returns the bytes the segment will occupy in *ret_bytes.
 * -SHMBUS_ERR_CONFIG naming the option to change. */
SHMBUS_API int shmbus_plan_check(const struct shmbus_plan *plan, uint64_t *ret_bytes);

/* The blocks of a bus of that plan, as shmbus_block_stat() would tell them, all free.
 * -ENOENT for an index after the last class, -EINVAL, and what shmbus_plan_check() returns. */
struct shmbus_block_stat;
SHMBUS_API int shmbus_plan_block_stat(const struct shmbus_plan *plan, uint32_t index,
                                      struct shmbus_block_stat *ret_stat);

SHMBUS_API void shmbus_plan_free(struct shmbus_plan *plan); /* NULL is fine */

/* ---------------------------------------------------------------------- segment and process */

struct shmbus_create_opts {
    size_t struct_bytes; /* no option yet */
};
/* clang-format off */
#define SHMBUS_CREATE_OPTS_INIT { sizeof(struct shmbus_create_opts) }
/* clang-format on */

/**
 * shmbus_create() - make the segment /dev/shm/shmbus.NAME, whole or not at all.
 * @name: 1 .. 47 of letters, digits, '.', '_', '-', not starting with '.'. A name with a '/' is
 *        the path of the segment's directory and name: "/mnt/bus/demo" is /mnt/bus/shmbus.demo.
 *        The name of the file does as well: "shmbus.demo" is the bus demo, with and without a path.
 *        The path of the file has less than SHMBUS_PATH_BYTES: -ENAMETOOLONG.
 * @plan: NULL for the built-in plan.
 * @opts: NULL for the defaults.
 *
 * The memory is really reserved: a full file system is -ENOSPC here and never a SIGBUS later. The
 * maker's memory cgroup pays for all of it: more than that has left is -ENOMEM, not a kill. A
 * hugetlbfs is -EOPNOTSUPP: for huge pages use a tmpfs that is mounted with huge=always.
 * Killed half-way, nothing is left behind.
 * Return: 0; -EEXIST; -ENOSPC; -ENOMEM; -EFBIG; -EOPNOTSUPP; -EINVAL;
 *   -SHMBUS_ERR_CONFIG; -errno of the file system.
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
    SHMBUS_ATTACH_ANY_PLAN = 64
};

struct shmbus_attach_opts {
    size_t struct_bytes;            /* sizeof(struct shmbus_attach_opts) */
    unsigned flags;                 /* enum shmbus_attach_flags */
    const char *process_name;       /* shown by ps; NULL: the program's name */
    /* Used if the segment has to be created, compared if it is there; NULL: built-in, nothing. */
    const struct shmbus_plan *plan;
    int64_t spin_ns;                /* busy wait before sleeping; 0: 20 us; or SHMBUS_SPIN_NONE */
};
#define SHMBUS_SPIN_NONE ((int64_t)-1)
/* clang-format off */
#define SHMBUS_ATTACH_OPTS_INIT { sizeof(struct shmbus_attach_opts), 0, NULL, NULL, 0 }
/* clang-format on */

/**
 * shmbus_attach() - take part in the bus, creating it when it is not there.
 * @opts: NULL for the defaults.
 *
 * Claims a slot of the process table; first repairs what a dead process left in it, and what all
 * the dead left where no living process looks for them. Two helper
 * threads, with all signals blocked: one that keeps the library's descriptors in a table of its own
 * (asleep, from here to shmbus_detach()), and one that watches for deaths (from the first call that
 * has to sleep, or shmbus_channel_fd(), on). So none of the library's descriptors but that of
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
 * Return: 0; -ENOENT; -EACCES; -SHMBUS_ERR_OWNER; -SHMBUS_ERR_LAYOUT; -SHMBUS_ERR_CORRUPT;
 *   -SHMBUS_ERR_TOO_MANY (all slots taken by living processes); -EBUSY (a process that is no
 *   member has locked the file); what shmbus_create() returns.
 */
SHMBUS_API int shmbus_attach(const char *name, const struct shmbus_attach_opts *opts,
                             struct shmbus **ret_bus);

/* Leave: messages still held go back to their queues, everything else is freed. Channels and
 * regions of this handle are closed. NULL is fine. In a forked child: only frees the memory. */
SHMBUS_API void shmbus_detach(struct shmbus *bus);

/* Removes the name. Attached processes go on working with the old segment. The second one refuses
 * with -SHMBUS_ERR_IN_USE while a living process is attached (one that attaches in the very
 * moment of the removal is not seen). -ENOENT; -EINVAL; -errno; -SHMBUS_ERR_OWNER for the segment
 * of another user, unless root. */
SHMBUS_API int shmbus_unlink(const char *name);
SHMBUS_API int shmbus_unlink_if_unused(const char *name);

/* Say "I am working": refreshes this process's heartbeat. Sending, receiving and waiting do it
 * too; call it from long computations with a message in hand: without it they are shown as stalled
 * after the timeout of the bus, which has no consequence but a warning. Never from a thread that is
 * not the one working. */
SHMBUS_API int shmbus_heartbeat(struct shmbus *bus);

/* This process's place in the process table: the index for shmbus_process_stat() and what others
 * see as `sender`. -EINVAL for an observer. */
SHMBUS_API int shmbus_slot(const struct shmbus *bus);

/* Requests the shutdown of the bus (true) or cancels the request (false). While it is requested,
 * sends fail and a receive that finds nothing is -SHMBUS_ERR_SHUTDOWN; queued messages are still
 * delivered. Wakes all sleepers. */
SHMBUS_API int shmbus_shutdown(struct shmbus *bus, bool on);

/* Async-signal-safe: calls of this handle that wait, now or later, return -EINTR until
 * shmbus_interrupt_clear(). For SIGINT and SIGTERM handlers. Clear first, then look at your own
 * flag, or an interrupt in between is forgotten. */
SHMBUS_API void shmbus_interrupt(struct shmbus *bus);
SHMBUS_API void shmbus_interrupt_clear(struct shmbus *bus);

/* Repairs what dead processes left, now. Returns the number of processes it cleaned up after, or a
 * failure. Optional: a process that a dead one blocks does this by itself. */
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
    SHMBUS_OPEN_STREAM = 32
};

struct shmbus_open_opts {
    size_t struct_bytes; /* no option yet */
};
/* clang-format off */
#define SHMBUS_OPEN_OPTS_INIT { sizeof(struct shmbus_open_opts) }
/* clang-format on */

/**
 * shmbus_channel_open() - open a channel for one thread.
 * @flags: SHMBUS_OPEN_SEND, SHMBUS_OPEN_RECV or both (stream: exactly one).
 * @opts: NULL for the defaults.
 *
 * Close it before the thread ends: an open handle is not closed by the end of its thread, as it
 * may have been handed on, and what it holds comes to nobody else while the process lives. Or open
 * it with SHMBUS_OPEN_THREAD.
 * A channel that does not exist becomes a queue of that name (from the spare ones).
 * A stream has one sender and one receiver: -EBUSY while a living one holds that end.
 * Return: 0; -ENOENT; -EBUSY; -EINVAL; -E2BIG; -SHMBUS_ERR_TOO_MANY; -SHMBUS_ERR_CORRUPT.
 */
SHMBUS_API int shmbus_channel_open(struct shmbus *bus, const char *channel, unsigned flags,
                                   const struct shmbus_open_opts *opts,
                                   struct shmbus_channel **ret_ch);

/* Messages received from it and not released go back (queue: delivery count as after a death;
 * stream: to the next receiver). Reservations are aborted. NULL is fine. */
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
    uint64_t opaque_[3];            /* the library's */
};

/**
 * shmbus_send() - copy one message into the channel.
 * @size_bytes: 0 .. shmbus_channel_size_max(ch).
 *
 * Committed when it returns 0: from then on it survives the death of everybody. A failed call
 * has sent nothing.
 * Return: 0; -EAGAIN full; -ETIMEDOUT; -EMSGSIZE; -EINTR; -SHMBUS_ERR_NO_BLOCKS: there was no block
 *   for it, at once or, if it was to wait, within the timeout: shmbus_detail() names who has them;
 *   -SHMBUS_ERR_SHUTDOWN; stream: -SHMBUS_ERR_PEER_DEAD or _CLOSED, once for each departure of the
 *   receiver, when the stream is full (until then it may come back and take what waits).
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
/* shmbus_send() of a message that says more about itself. @opts may be used again and again. */
SHMBUS_API int shmbus_send_with(struct shmbus_channel *ch, const struct shmbus_send_opts *opts,
                                const void *data, size_t size_bytes, int64_t timeout_ns);

/* Sends a prefix of @items, each committed on its own, with one wake-up. Waits only for the
 * first. Returns how many were sent (>= 1), or the failure if none was. */
SHMBUS_API int shmbus_send_batch(struct shmbus_channel *ch, const struct iovec *items,
                                 size_t count, int64_t timeout_ns);

/**
 * shmbus_recv() - take the next message, in place.
 *
 * Queue: the message is yours alone until shmbus_release() acknowledges it; if you die first, it
 * is delivered to somebody else with delivery_count raised. What was given back, or held by who
 * died, comes before all that waits, the oldest sequence first (order producer: of each lane);
 * what a dead process held, from when its death is noticed. What three died with in a row comes
 * behind what waited by then: one that kills does not hold up the others. Stream: stays first in
 * line until released. A stream receiver may hold up to 64 messages; they are freed in order.
 * Return: 0; -EAGAIN empty; -ETIMEDOUT; -EINTR; -SHMBUS_ERR_SHUTDOWN; -SHMBUS_ERR_CORRUPT;
 *   stream: -SHMBUS_ERR_PEER_DEAD or _CLOSED, once for each departure, after the last message.
 */
SHMBUS_API int shmbus_recv(struct shmbus_channel *ch, struct shmbus_msg *ret_msg,
                           int64_t timeout_ns);

/* Receives up to @max messages that are there, waiting only for the first. A queue's message that
 * is delivered again comes alone, or last: one that kills its receivers takes no others along. */
SHMBUS_API int shmbus_recv_batch(struct shmbus_channel *ch, struct shmbus_msg *ret_msgs,
                                 size_t max, int64_t timeout_ns);

/* Receives, copies and acknowledges. -EMSGSIZE leaves the message where it was and sets
 * *ret_size_bytes to the room it needs. @ret_info (its data is NULL) may be NULL. */
SHMBUS_API int shmbus_recv_copy(struct shmbus_channel *ch, void *buffer, size_t buffer_bytes,
                                size_t *ret_size_bytes, struct shmbus_msg *ret_info,
                                int64_t timeout_ns);

/* Done with it: acknowledges a queue message. -SHMBUS_ERR_STALE if it is not yours any more. */
SHMBUS_API int shmbus_release(struct shmbus_msg *msg);
SHMBUS_API int shmbus_release_batch(struct shmbus_msg *msgs, size_t count);

/* Queue: give it back for another delivery, ahead of the others and in its order among what was
 * given back, whoever did it in which order. At max_deliveries it goes to
 * the dead-letter queue instead, which never waits: see enum shmbus_on_full. Stream:
 * -SHMBUS_ERR_KIND. */
SHMBUS_API int shmbus_requeue(struct shmbus_msg *msg);
/* Queue: the same as if it had never been received: the delivery is not counted, neither for the
 * next receiver nor towards max_deliveries. For a worker that is asked to stop, so that the third
 * restart within a long task does not make a dead letter of it. Only if nothing that was done for
 * it is left: the next receiver cannot tell. Closing and detaching count what they give back. */
SHMBUS_API int shmbus_give_back(struct shmbus_msg *msg);

/* Room for one message, to be filled in place; what shmbus_send() returns. The memory is yours
 * until commit or abort; if you die first nothing was sent and it is freed. */
SHMBUS_API int shmbus_reserve(struct shmbus_channel *ch, size_t size_bytes,
                              struct shmbus_msg *ret_msg, int64_t timeout_ns);

/* Sends a reserved message. A stream and a lane (SHMBUS_ORDER_PRODUCER) have the room since reserve
 * and never wait; another queue may have become full meanwhile: then its policy applies, and a
 * blocking one waits for at most the timeout. When it fails the message stays yours: commit again
 * or abort.
 * Return: 0; -EAGAIN; -ETIMEDOUT; -EINTR; -EINVAL; -EMSGSIZE; -EXDEV; -SHMBUS_ERR_STALE, _SHUTDOWN;
 *   _KIND for a received message: shmbus_forward() sends that on. */
SHMBUS_API int shmbus_commit(struct shmbus_msg *msg, int64_t timeout_ns);

/* Forwards a received message into another queue of the same bus: acknowledges it here and sends it
 * there by one store. Both keep total order. Waits for room in @to as shmbus_send() would. When it
 * fails the message stays with the channel it came from. The payload may be rewritten in place
 * before (a task becomes its result); killed half-way, the next receiver finds it half rewritten.
 * Size (lowered, never raised: -EMSGSIZE), type and correlation id go on as they stand in @msg;
 * sender and time stay those of the one who sent it first.
 * If it lies in a block of its queue's share (see the plan) it goes on as a copy, which is as safe
 * and needs a block: -SHMBUS_ERR_NO_BLOCKS when there is none.
 * Return: as shmbus_send(), and -SHMBUS_ERR_STALE, _KIND, -EXDEV. */
SHMBUS_API int shmbus_forward(struct shmbus_msg *msg, struct shmbus_channel *to,
                              int64_t timeout_ns);

/* Drops a reservation. A stream has one at a time: the next reserve or send drops it. */
SHMBUS_API int shmbus_abort(struct shmbus_msg *msg);

/* A descriptor that polls readable while there is something to receive; level-triggered, for
 * poll, epoll and the like. Never read it; after POLLIN receive until -EAGAIN, then poll again.
 * Belongs to @ch, closed with it: not by closefrom(), which would leave its number to another file.
 * Starts a helper thread. -EINVAL if not open for receiving. */
SHMBUS_API int shmbus_channel_fd(struct shmbus_channel *ch);

SHMBUS_API size_t shmbus_channel_size_max(const struct shmbus_channel *ch); /* largest message */
SHMBUS_API const char *shmbus_channel_name(const struct shmbus_channel *ch);
SHMBUS_API struct shmbus *shmbus_channel_bus(const struct shmbus_channel *ch);

/* ------------------------------------------------------------------------------------ regions */

/* A named area of fixed size, for data that is shared and not passed on. A write is all or
 * nothing: half a write of a killed process is rolled back before anybody sees it. A process that
 * is stopped in the middle of a write holds up the others, within their timeouts. */
SHMBUS_API int shmbus_region_open(struct shmbus *bus, const char *name,
                                  struct shmbus_region **ret_region); /* -ENOENT */
SHMBUS_API void shmbus_region_close(struct shmbus_region *region);
SHMBUS_API uint64_t shmbus_region_bytes(const struct shmbus_region *region);

/* -ERANGE when offset + size is beyond the end; nothing is written then. Writers exclude each
 * other: -ETIMEDOUT / -EAGAIN while a living one is at it. */
SHMBUS_API int shmbus_region_write(struct shmbus_region *region, uint64_t offset_bytes,
                                   const void *data, size_t size_bytes, int64_t timeout_ns);
/* A consistent copy: never half of a write. */
SHMBUS_API int shmbus_region_read(struct shmbus_region *region, uint64_t offset_bytes,
                                  void *buffer, size_t size_bytes, int64_t timeout_ns);

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
SHMBUS_API const char *shmbus_counter_name(unsigned counter); /* "sent", …; NULL beyond the end */
SHMBUS_API const char *shmbus_counter_unit(unsigned counter);
SHMBUS_API const char *shmbus_counter_text(unsigned counter);

/* What this handle counted since it was opened; the quick way for a program to report its own
 * numbers. Some nanoseconds: looks at nothing else, no system call. Fills up to @count entries, in
 * the order of enum shmbus_counter, and returns how many; -EINVAL,
 * -SHMBUS_ERR_FORKED. Call it from the thread that owns the handle. */
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
    uint64_t recoveries;        /* dead processes cleaned up after */
    uint64_t attaches;
    int64_t heartbeat_interval_ns, heartbeat_timeout_ns;
    uid_t owner_uid;
    mode_t mode;
    bool shutting_down;
    bool unlinked;              /* the name is gone: nobody new can join this segment */
    uint32_t processes_idle;    /* alive + idle + stalled + dead are attached */
};

struct shmbus_channel_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    char dead_letter[SHMBUS_NAME_BYTES];
    enum shmbus_kind kind;
    enum shmbus_on_full on_full;
    uint32_t max_deliveries;
    uint64_t capacity;          /* queue: messages; stream: bytes */
    uint64_t depth;             /* waiting now: queue: messages; stream: bytes */
    uint64_t depth_max;         /* high-water mark, same unit */
    uint64_t held;              /* queue: taken and not acknowledged */
    uint64_t redeliverable;     /* queue: given back, waiting for another delivery */
    uint64_t dead_letters;      /* dead-letter queue: waiting there (in depth, too), or for room */
    uint32_t senders, receivers; /* handles open now */
    uint64_t counters[SHMBUS_COUNTERS_MAX]; /* by enum shmbus_counter */
    enum shmbus_order order;    /* queue */
    uint32_t lanes;             /* order producer: producers at once. depth_max is then that of the
                                 * fullest lane, in steps of 1/16 */
    uint32_t lanes_used;        /* lanes that had a producer so far; capacity is that of these */
};

struct shmbus_process_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    uint32_t slot;
    uint64_t epoch;             /* how often the slot was used before */
    enum shmbus_life life;
    pid_t pid;                  /* in its own pid namespace */
    uint64_t pid_namespace;     /* inode */
    bool same_pid_namespace;    /* the pid means the same to the caller */
    uint64_t start_time_ticks;  /* field 22 of /proc/PID/stat, seen from the first time namespace */
    uid_t uid;
    int64_t attached_age_ns;    /* these two: -1 if the clock of its time namespace cannot be */
    int64_t heartbeat_age_ns;   /* compared with the caller's; then it is never stalled or idle */
    uint64_t progress;          /* operations, raised by the working loop */
    uint64_t held_blocks;       /* received or reserved, in the application's hands; order
                                 * producer and stream: received only */
    uint64_t stock_blocks;      /* free blocks kept for its next messages */
    uint64_t counters[SHMBUS_COUNTERS_MAX]; /* by enum shmbus_counter, since it attached */
    uint32_t half_sent;         /* messages in the middle of being sent */
    uint32_t regions_locked;
    uint32_t waiting_calls;     /* asleep in a call */
    uint32_t handles;           /* channels open */
    char waits_in[SHMBUS_NAME_BYTES]; /* channel of one of those calls; "" for a region, or none */
    uint32_t handles_left;      /* of threads that have ended; 0 where /proc cannot tell */
    uint32_t held_left;         /* messages in them */
    bool stopped;               /* by a signal or a debugger; false where /proc cannot tell: in
                                 * another pid namespace, or hidden */
};

struct shmbus_block_stat {
    size_t struct_bytes;
    uint64_t size_bytes, count;
    uint64_t free, queued, held, stock, redeliverable, dead_letters;
    uint64_t common;      /* of the count: for any queue; the others are the shares of queues */
    uint64_t common_free; /* of the free ones */
};

/* Each fills one row of what is there now. @index: 0 .. until -ENOENT; a free process slot or an
 * unnamed channel is -ENODATA: go on with the next. Never blocks, changes nothing, works on an
 * observer. struct_bytes must be set by the caller. */
SHMBUS_API int shmbus_bus_stat(struct shmbus *bus, struct shmbus_bus_stat *ret_stat);
SHMBUS_API int shmbus_channel_stat(struct shmbus *bus, uint32_t index,
                                   struct shmbus_channel_stat *ret_stat);
SHMBUS_API int shmbus_process_stat(struct shmbus *bus, uint32_t index,
                                   struct shmbus_process_stat *ret_stat);
SHMBUS_API int shmbus_block_stat(struct shmbus *bus, uint32_t index,
                                 struct shmbus_block_stat *ret_stat);
struct shmbus_region_stat {
    size_t struct_bytes;
    char name[SHMBUS_NAME_BYTES];
    uint64_t bytes;
    uint64_t writes;    /* finished */
    uint64_t rollbacks; /* half writes of killed processes that were undone */
};
SHMBUS_API int shmbus_region_stat(struct shmbus *bus, uint32_t index,
                                  struct shmbus_region_stat *ret_stat);

/* Looks at waiting messages of a queue or stream without taking them: calls @each for up to @max,
 * oldest first (order producer: lane after lane), with a copy of the payload; messages taken
 * meanwhile are left out. Returns how many were shown. @each returns false to stop. Works on an
 * observer. */
typedef bool (*shmbus_peek_fn)(void *context, const struct shmbus_msg *msg);
SHMBUS_API int shmbus_peek(struct shmbus *bus, const char *channel, size_t max,
                           shmbus_peek_fn each, void *context);

/* One finding of the segment's health check. */
enum shmbus_severity {
    SHMBUS_SEVERITY_NOTE = 1,
    SHMBUS_SEVERITY_WARNING = 2,
    SHMBUS_SEVERITY_CRITICAL = 3
};
typedef bool (*shmbus_finding_fn)(void *context, enum shmbus_severity severity, const char *what,
                                  const char *cure);
/* Checks everything that can be checked without changing it; returns the number of findings above
 * SHMBUS_SEVERITY_NOTE that it showed. @each returns false to see no more. Works on an observer. */
SHMBUS_API int shmbus_check(struct shmbus *bus, shmbus_finding_fn each, void *context);

/* How the segment differs from a plan, name by name: calls @each (which may be NULL, and returns
 * false to see no more) and returns how many. SHMBUS_SEVERITY_CRITICAL is what programs would take
 * for something else: a channel that is not there, another kind or order, other deliveries, another
 * policy when full, a region that is not there or too small. SHMBUS_SEVERITY_WARNING are numbers
 * less than declared: depth, bytes, message size, endpoints. More is no difference, nor is what the
 * plan does not name. Works on an observer. -SHMBUS_ERR_CONFIG if the plan is not valid. */
SHMBUS_API int shmbus_plan_compare(struct shmbus *bus, const struct shmbus_plan *plan,
                                   shmbus_finding_fn each, void *context);

/* The segments in a directory (NULL: /dev/shm): calls @each with the bus name (for another
 * directory than the default, its path form). */
typedef bool (*shmbus_list_fn)(void *context, const char *name);
SHMBUS_API int shmbus_list(const char *dir, shmbus_list_fn each, void *context);

/* "0.1.0", of the library in use. */
SHMBUS_API const char *shmbus_version(void);

#ifdef __cplusplus
}
#endif
#endif
