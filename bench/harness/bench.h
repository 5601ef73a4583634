/* SPDX-License-Identifier: MIT */
/*
 * The measuring harness, as every contestant sees it.
 *
 * A contestant is a program
 *     bench-NAME WORKLOAD SIZE COUNT [--batch=N] [--producers=N] [--consumers=N] [--ms=N] ...
 * that prints one JSON object. It defines peer_setup(), peer_open(), peer_send() and so on (see
 * loops.h), includes loops.h, which turns them into loops with everything inlined, and hands those
 * to bench_main(). The harness forks (or starts threads), pins, times and reports; so every
 * contestant is measured by the same code.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_PROCS_MAX 16
#define BENCH_BATCH_MAX 64
#define BENCH_LINE_BYTES 64

enum bench_role { BENCH_SEND = 1, BENCH_RECV = 2 };

/* Exit codes of a contestant. */
enum { BENCH_EXIT_OK = 0, BENCH_EXIT_FAILED = 1, BENCH_EXIT_USAGE = 2, BENCH_EXIT_UNSUPPORTED = 3 };

/* The process, or thread, that runs one loop. Counts live here so that the parent can sample them
 * while the loop runs; a slot has lines of its own. */
struct bench_slot {
    uint64_t count; /* written by its owner only */
    uint64_t reordered;
    uint64_t slept; /* times it gave its core away by itself, between bench_ready() and its end */
    bool ended;     /* and this is known */
    uint64_t pad_[12];
};

struct bench_hist;

/* How long a message took, in the mean of each of the last BENCH_CHUNKS chunks of a loop. A chunk
 * takes some 20 us, so even on a busy machine most of them were not interrupted. */
#define BENCH_CHUNKS 4096
struct bench_chunks {
    uint64_t count;    /* recorded, the oldest are overwritten */
    uint64_t messages; /* of one chunk, at least */
    double ticks[BENCH_CHUNKS];
};

/* What parent and children share. */
struct bench_shared {
    uint32_t go;
    uint32_t stop;
    uint64_t pad0_[15];
    uint32_t ready;
    uint32_t warm; /* warm-up is over: ping-pongs record from here on */
    uint64_t pad1_[15];
    struct bench_slot slots[BENCH_PROCS_MAX];
    struct bench_chunks chunks[BENCH_PROCS_MAX];
    double value; /* result of a workload that times itself */
    uint64_t samples;
    char error[256];
};

/* One measurement, as asked for on the command line. */
struct bench {
    const char *name;     /* of the contestant, with its variant */
    const char *variant;  /* "" or what --variant says */
    const char *workload; /* stream, pingpong, asleep, queue, pushpop, idle, attach, ... */
    size_t size_bytes;
    uint64_t count; /* stop after so many messages; 0: time alone decides */
    uint64_t share; /* verify: messages of each producer */
    unsigned batch;
    unsigned producers;
    unsigned consumers;
    unsigned depth;    /* messages a channel holds */
    unsigned channels; /* channel 0: there; 1: back */
    bool many;         /* several producers or consumers share a channel */
    bool threads;      /* run the loops as threads, whatever the contestant needs */
    bool loose_order;  /* set by peer_setup(): messages of one producer may overtake each other */
    bool asleep;       /* block in the contestant's own call instead of polling */
    int cpus[BENCH_PROCS_MAX]; /* where the loops run, in a circle */
    unsigned cpu_count;        /* 0: all that this process may use */
    unsigned pauses;           /* between two looks of a loop that waits; see bench_relax() */
    int64_t warm_ns;
    int64_t run_ns;
    int64_t
        most_ns; /* goes on so long at most, until the loops had their cores for half of run_ns */
    int64_t window_ns;
    const char *hist_path; /* where to write the latency histogram, or NULL */
    char dir[64];          /* private directory for sockets and the like */
    pid_t daemon_pid;      /* set by peer_setup() if there is a broker */
    struct bench_shared *shared;
    struct bench_hist *hist;
    uint64_t *seen; /* verify: a bit for each message of each producer; NULL: everybody gets all */
};

/* One running loop. */
struct bench_proc {
    struct bench *bench;
    struct bench_slot *slot;
    unsigned index; /* among the producers, or among the consumers */
    int cpu;
    bool yield;    /* more processes than cores: give the core away when there is nothing to do */
    unsigned idle; /* looks in vain since the core was given away */
    pid_t tid;
    struct bench_chunks *chunks;
    uint64_t chunk_end;   /* the count that ends the running chunk */
    uint64_t chunk_first; /* the count at its beginning */
    uint64_t chunk_begin; /* when it began, in ticks */
};

typedef void (*bench_body_fn)(struct bench_proc *proc);

/* What loops.h makes of a contestant's functions; a NULL body is "not supported". */
struct bench_peer {
    const char *name;
    bool threads; /* runs only between threads of one process */
    int (*setup)(struct bench *bench);
    void (*teardown)(struct bench *bench);
    bench_body_fn produce, produce_batch;
    bench_body_fn consume, consume_batch;
    bench_body_fn ping, echo;
    bench_body_fn ping_wait, echo_wait;
    bench_body_fn pushpop, idle, attach, footprint;
    bench_body_fn alloc, alloc_give, alloc_take, snapshot, counter;
    bench_body_fn verify_send, verify_recv;
};

/* @pick answers which set of loops serves this measurement, or NULL for none. */
int bench_main(int argc, char **argv, const char *name,
               const struct bench_peer *(*pick)(const struct bench *bench));

/* opts.c */
int bench_opts_parse(struct bench *b, int argc, char **argv, const char *name);

/* procs.c: runs the loops for the asked time; false when one of them failed. */
struct bench_window {
    double rate;   /* messages per second */
    double ran;    /* share of the cores' time that the loops had */
    double waited; /* share of the time that they waited for a core, as far as it is known yet */
};
#define BENCH_WINDOWS_MAX 2048
struct bench_windows {
    struct bench_window windows[BENCH_WINDOWS_MAX];
    unsigned count;     /* the clean ones only, if there are enough */
    bool clean;         /* there were enough */
    unsigned disturbed; /* in so many somebody else had a core of ours */
    double chunk_rate;  /* of the median chunk, if there was only one loop to count; 0: none */
    double ran;         /* mean of the windows' */
    bool sleeps;        /* the loops gave their cores away by themselves */
    bool crowded;       /* more loops than cores */
    double cpu_share;   /* of the time the loops wanted, how much they got */
    uint64_t messages;
    uint64_t reordered; /* messages that came after a later one of the same producer */
};
struct bench_job {
    bench_body_fn body;
    unsigned count;
};
bool bench_procs_run(struct bench *b, bool threads, const struct bench_job *jobs,
                     unsigned job_count, struct bench_windows *w);
bool bench_proc_alone(struct bench *b, bench_body_fn body);
void bench_ready(struct bench_proc *p); /* a loop is set up; returns when all are */
void bench_ended(struct bench_proc *p); /* it was told to stop, and has not begun to tidy up */
void bench_below_parent(void); /* with real-time priority: leaves room for who stops the loops */
void bench_chunk_ended(struct bench_proc *p, uint64_t count);
void *bench_shared_memory(size_t bytes); /* zeroed, inherited over fork, no name, all resident */

/* Ends the measurement with a sentence; from a loop or from peer_setup(). */
void bench_fail(struct bench *b, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* clock.c */
uint64_t bench_now_ns(void);
void bench_ticks_calibrate(void);
double bench_ticks_to_ns(uint64_t ticks);
uint64_t bench_ns_to_ticks(double ns);
unsigned bench_pauses(double ns); /* how many pauses take about so long, 1 at least */

/* hist.c: log-linear, 1/128 resolution, in shared memory. */
struct bench_hist *bench_hist_new(void);
void bench_hist_add(struct bench_hist *h, uint64_t ns);
uint64_t bench_hist_at(const struct bench_hist *h, double fraction);
uint64_t bench_hist_count(const struct bench_hist *h);
int bench_hist_write(const struct bench_hist *h, const char *path);

/* report.c */
void bench_report_rate(const struct bench *b, struct bench_windows *w);
void bench_report_hist(const struct bench *b, const struct bench_windows *w);
void bench_report_value(const struct bench *b, double value, const char *unit, const char *extra);
void bench_report_none(const struct bench *b, const char *why);

/* ------------------------------------------------------------------------------------- inline */

static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#else
    return bench_now_ns();
#endif
}

static inline void bench_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

static inline bool bench_stopped(const struct bench_proc *p)
{
    return __atomic_load_n(&p->bench->shared->stop, __ATOMIC_RELAXED) != 0;
}

/* Nothing to do just now; true when it is time to stop. A pause takes 4 ns on one processor and 45
 * on another, so both how long a loop keeps off the line it waits for and how long it keeps a core
 * that others want are times. */
#define BENCH_RELAX_NS 25
#define BENCH_YIELD_NS 400

static inline bool bench_relax(struct bench_proc *p)
{
    for (unsigned i = 0; i < p->bench->pauses; i++)
        bench_pause();
    if (p->yield && ++p->idle >= BENCH_YIELD_NS / BENCH_RELAX_NS) {
        p->idle = 0;
        sched_yield();
    }
    return bench_stopped(p);
}

static inline void bench_counted(struct bench_proc *p, uint64_t count)
{
    __atomic_store_n(&p->slot->count, count, __ATOMIC_RELAXED);
    if (__builtin_expect(count >= p->chunk_end, 0))
        bench_chunk_ended(p, count);
}

/* A copy without the call for the smallest sizes; contestants whose copy is not their own code use
 * this one. */
static inline void bench_copy(void *to, const void *from, size_t bytes)
{
    switch (bytes) {
    case 8:
        memcpy(to, from, 8);
        break;
    case 56:
        memcpy(to, from, 56);
        break;
    case 64:
        memcpy(to, from, 64);
        break;
    case 72:
        memcpy(to, from, 72);
        break;
    case 120:
        memcpy(to, from, 120);
        break;
    default:
        memcpy(to, from, bytes);
    }
}

#ifdef __cplusplus
}
#endif
#endif
