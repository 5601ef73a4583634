/* SPDX-License-Identifier: MIT */
/*
 * What run.py has callgrind count: the calls of one message, over and over, in each kind of
 * channel. The counting is switched on around one call at a time, so that each row is measured in
 * the middle of the life of a message and contains that call alone, with what its caller does to
 * make it. After each row the counts are dumped under "KIND|CALL|MESSAGES", MESSAGES being how many
 * they are of.
 */
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif
#endif
#ifndef CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#define CALLGRIND_DUMP_STATS_AT(text) ((void)(text))
#endif

#include <shmbus/shmbus.h>

static int order; /* of the channel that is made next */
#define SHMBUS_ORDER order
#include "../peers/shmbus_segment.h"

#define MESSAGE_BYTES 64
#define DEPTH 1024
#define WARM 1024  /* messages before counting: each cell and block was used */
#define COUNT 2048 /* two laps */
#define BATCH 32
#define LOOK_NS 1000

enum call {
    NOTHING,
    SEND,
    RECV,
    RELEASE,
    EMPTY,
    RESERVE,
    COMMIT,
    SEND_N,
    RECV_N,
    RELEASE_N,
    CALLS
};

static const char *const CALL_NAMES[CALLS] = {"nothing",
                                              "send",
                                              "receive",
                                              "release",
                                              "empty receive",
                                              "reserve",
                                              "commit",
                                              "send a batch of 32",
                                              "receive a batch of 32",
                                              "release a batch of 32"};

struct kind {
    const char *name;
    bool many;
    int order;
};

static const struct kind KINDS[] = {{"queue", true, SHMBUS_ORDER_TOTAL},
                                    {"lanes", true, SHMBUS_ORDER_PRODUCER},
                                    {"stream", false, SHMBUS_ORDER_TOTAL}};

struct scene {
    struct bench bench;
    struct bench_shared shared;
    struct shmbus *bus;
    struct shmbus_channel *in, *out;
    unsigned char data[BATCH][MESSAGE_BYTES];
    struct iovec items[BATCH];
    struct shmbus_msg msgs[BATCH];
};

static struct scene scene;

#ifdef __x86_64__
static long kernel(long number, const long *a)
{
    register long r10 __asm__("r10");
    register long r8 __asm__("r8");
    register long r9 __asm__("r9");
    long result;

    r10 = a[3];
    r8 = a[4];
    r9 = a[5];
    __asm__ __volatile__("syscall"
                         : "=a"(result)
                         : "0"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
    return result;
}

/* These two take the place of the C library's for libshmbus, too. Valgrind knows no membarrier,
 * and without one every wake-up would be looked for behind a fence, which on a kernel is the rare
 * case. Here one thread runs at a time, so there is nothing to order. */
long syscall(long number, ...)
{
    long a[6], result;
    va_list args;

    if (number == SYS_membarrier)
        return 0;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    result = kernel(number, a);
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

/* Heartbeats follow the clock. For the thread that measures, each look at it is LOOK_NS later. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    const long a[6] = {clock, (long)ret_time};
    static __thread uint64_t now_ns;
    long result;

    if (now_ns == 0 || getpid() != gettid()) {
        result = kernel(SYS_clock_gettime, a);
        now_ns = (uint64_t)ret_time->tv_sec * 1000000000u;
        return result < 0 ? -1 : 0;
    }
    now_ns += LOOK_NS;
    ret_time->tv_sec = (time_t)(now_ns / 1000000000u);
    ret_time->tv_nsec = (long)(now_ns % 1000000000u);
    return 0;
}
#endif

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "shmbus-instructions: %s: %s\n", what, shmbus_detail());
    shmbus_unlink(segment_name);
    exit(BENCH_EXIT_FAILED);
}

void bench_fail(struct bench *b, const char *format, ...)
{
    (void)b;
    must(false, format);
    abort();
}

static inline void edge(bool counted)
{
    if (counted)
        CALLGRIND_TOGGLE_COLLECT;
}

/* From the next instruction to the end of @call, if it is the one that is counted. */
#define COUNTED(which, call)                                                                       \
    do {                                                                                           \
        edge(counted == (which));                                                                  \
        call;                                                                                      \
        edge(counted == (which));                                                                  \
    } while (0)

static void one_by_one(struct scene *s, enum call counted)
{
    int sent, got, released;

    COUNTED(NOTHING, );
    COUNTED(SEND, sent = shmbus_send(s->in, s->data[0], MESSAGE_BYTES, 0));
    must(sent == 0, "shmbus_send");
    COUNTED(RECV, got = shmbus_recv(s->out, &s->msgs[0], 0));
    must(got == 0, "shmbus_recv");
    COUNTED(RELEASE, released = shmbus_release(&s->msgs[0]));
    must(released == 0, "shmbus_release");
    COUNTED(EMPTY, got = shmbus_recv(s->out, &s->msgs[0], 0));
    must(shmbus_error_is_retryable(got), "shmbus_recv of an empty channel");
}

static void in_place(struct scene *s, enum call counted)
{
    int reserved, committed;

    COUNTED(RESERVE, reserved = shmbus_reserve(s->in, MESSAGE_BYTES, &s->msgs[0], 0));
    must(reserved == 0, "shmbus_reserve");
    memcpy(s->msgs[0].data, s->data[0], MESSAGE_BYTES);
    COUNTED(COMMIT, committed = shmbus_commit(&s->msgs[0], 0));
    must(committed == 0, "shmbus_commit");
    must(shmbus_recv(s->out, &s->msgs[0], 0) == 0, "shmbus_recv");
    must(shmbus_release(&s->msgs[0]) == 0, "shmbus_release");
}

static void in_batches(struct scene *s, enum call counted)
{
    int sent, got, released;

    COUNTED(SEND_N, sent = shmbus_send_batch(s->in, s->items, BATCH, 0));
    must(sent == BATCH, "shmbus_send_batch");
    COUNTED(RECV_N, got = shmbus_recv_batch(s->out, s->msgs, BATCH, 0));
    must(got == BATCH, "shmbus_recv_batch");
    COUNTED(RELEASE_N, released = shmbus_release_batch(s->msgs, BATCH));
    must(released == 0, "shmbus_release_batch");
}

static void count_call(struct scene *s, const struct kind *kind, enum call call)
{
    void (*cycle)(struct scene *, enum call) = one_by_one;
    unsigned each = call >= SEND_N ? BATCH : 1;
    char row[64];

    if (call >= SEND_N)
        cycle = in_batches;
    else if (call >= RESERVE)
        cycle = in_place;
    for (unsigned n = 0; n < WARM; n += each)
        cycle(s, CALLS);
    for (unsigned n = 0; n < COUNT; n += each)
        cycle(s, call);
    snprintf(row, sizeof(row), "%s|%s|%u", kind->name, CALL_NAMES[call], COUNT);
    CALLGRIND_DUMP_STATS_AT(row);
}

static void open_channel(struct scene *s, const struct kind *kind)
{
    struct bench *b = &s->bench;

    order = kind->order;
    b->many = kind->many;
    must(segment_create(b) == 0, b->shared->error);
    s->bus = segment_attach(b);
    must(shmbus_channel_open(s->bus, "c0", SHMBUS_OPEN_SEND, NULL, &s->in) == 0, "open");
    must(shmbus_channel_open(s->bus, "c0", SHMBUS_OPEN_RECV, NULL, &s->out) == 0, "open");
}

static void close_channel(struct scene *s)
{
    shmbus_channel_close(s->in);
    shmbus_channel_close(s->out);
    shmbus_detach(s->bus);
    shmbus_unlink(segment_name);
}

int main(void)
{
    struct scene *s = &scene;

    s->bench = (struct bench){.name = "instructions",
                              .size_bytes = MESSAGE_BYTES,
                              .depth = DEPTH,
                              .channels = 1,
                              .shared = &s->shared};
    for (unsigned i = 0; i < BATCH; i++)
        s->items[i] = (struct iovec){.iov_base = s->data[i], .iov_len = MESSAGE_BYTES};
    for (unsigned k = 0; k < sizeof KINDS / sizeof *KINDS; k++) {
        open_channel(s, &KINDS[k]);
        for (enum call call = NOTHING; call < CALLS; call++)
            count_call(s, &KINDS[k], call);
        close_channel(s);
    }
    return BENCH_EXIT_OK;
}
