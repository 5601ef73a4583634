/* SPDX-License-Identifier: MIT */
/* What the number of channels and of blocks costs, by one process: segment, creation, attaching,
 * opening, sending in turn; and recovery after a process that was killed holding blocks. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "scale.h"

#define TIMES_MAX 101
#define MESSAGES 1000 /* of one pass over the channels */
#define PASSES_MAX 2001
#define HELD 32 /* blocks of the killed process */

/* Repeats @once until the time is over; the median of what it returns. */
static double repeat(int64_t ms, double (*once)(const void *), const void *what)
{
    double values[TIMES_MAX];
    int64_t until = scale_now_ns() + ms * 1000000;
    size_t n = 0;

    while (n < 3 || (n < TIMES_MAX && scale_now_ns() < until))
        values[n++] = once(what);
    return scale_median(values, n);
}

static double create_once(const void *plan)
{
    int64_t begin = scale_now_ns();

    scale_create(plan);
    begin = scale_now_ns() - begin;
    scale_must(shmbus_unlink(scale_name), "unlink");
    return (double)begin;
}

static double attach_once(const void *unused)
{
    int64_t begin = scale_now_ns();
    struct shmbus *bus = scale_attach(0);

    (void)unused;
    begin = scale_now_ns() - begin;
    shmbus_detach(bus);
    return (double)begin;
}

/* What a program pays that comes for a moment and is not involved in what the bus holds. */
static double visit_once(const void *channel)
{
    int64_t begin = scale_now_ns();
    struct shmbus *bus = scale_attach(0);

    scale_open(bus, channel, SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    shmbus_detach(bus);
    return (double)(scale_now_ns() - begin);
}

/* Leaves the segment there. */
static void print_fixed(const struct scale *s, const char *row, const struct shmbus_plan *plan,
                        const char *channel)
{
    uint64_t bytes = 0;
    double create_ns, attach_ns, visit_ns;

    scale_must(shmbus_plan_check(plan, &bytes), "plan");
    create_ns = repeat(s->ms, create_once, plan);
    scale_create(plan);
    attach_ns = repeat(s->ms, attach_once, NULL);
    visit_ns = repeat(s->ms, visit_once, channel);
    printf("{\"row\":\"%s\",\"n\":%llu,\"huge\":%s,\"segment_bytes\":%llu,\"create_ns\":%.0f,"
           "\"attach_ns\":%.0f,\"visit_ns\":%.0f",
           row, (unsigned long long)s->n, s->on_huge ? "true" : "false", (unsigned long long)bytes,
           create_ns, attach_ns, visit_ns);
}

/* ---------------------------------------------------------------------------------- channels */

static void name_of(uint64_t i, char *buffer, size_t bytes)
{
    snprintf(buffer, bytes, "channel-%llu", (unsigned long long)i);
}

struct all {
    struct shmbus_channel **channels;
    uint64_t n;
};

static void send_all(const struct all *a)
{
    static const unsigned char buffer[SCALE_MESSAGE_BYTES];
    uint64_t rounds = MESSAGES / a->n > 0 ? MESSAGES / a->n : 1;

    for (uint64_t k = 0; k < rounds; k++)
        for (uint64_t i = 0; i < a->n; i++)
            scale_must(shmbus_send(a->channels[i], buffer, sizeof(buffer), 0), "send");
}

static uint64_t receive_all(const struct all *a)
{
    struct shmbus_msg msg;
    uint64_t count = 0;

    for (uint64_t left = 1; left > 0;) {
        left = 0;
        for (uint64_t i = 0; i < a->n; i++) {
            int result = shmbus_recv(a->channels[i], &msg, 0);

            if (result == -EAGAIN)
                continue;
            scale_must(result, "recv");
            scale_must(shmbus_release(&msg), "release");
            left++;
        }
        count += left;
    }
    return count;
}

/* The median pass; the first ones meet pages that this process has not touched yet. */
static double send_ns(const struct scale *s, const struct all *a)
{
    static double values[PASSES_MAX];
    int64_t until = scale_now_ns() + s->ms * 1000000;
    size_t n = 0;

    for (unsigned warm = 0; warm < 3; warm++) {
        send_all(a);
        receive_all(a);
    }
    while (n < 3 || (n < PASSES_MAX && scale_now_ns() < until)) {
        int64_t begin = scale_now_ns();

        send_all(a);
        begin = scale_now_ns() - begin;
        values[n++] = (double)begin / (double)receive_all(a);
    }
    return scale_median(values, n);
}

void scale_channels(const struct scale *s)
{
    struct shmbus_plan *plan = scale_plan_new(64, SCALE_MESSAGE_BYTES, 8192);
    struct all a = {calloc(s->n, sizeof(void *)), s->n};
    struct shmbus *bus;
    int64_t open_ns;
    char name[32];

    if (a.channels == NULL)
        scale_fail("no memory");
    for (uint64_t i = 0; i < s->n; i++) {
        name_of(i, name, sizeof(name));
        scale_plan_add_queue(plan, name, 1024);
    }
    print_fixed(s, "channels", plan, "channel-0");
    shmbus_plan_free(plan);
    bus = scale_attach(0);
    open_ns = scale_now_ns();
    for (uint64_t i = 0; i < s->n; i++) {
        name_of(i, name, sizeof(name));
        a.channels[i] = scale_open(bus, name, SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    }
    open_ns = scale_now_ns() - open_ns;
    printf(",\"open_ns\":%.1f,\"send_ns\":%.2f}\n", (double)open_ns / (double)s->n, send_ns(s, &a));
    shmbus_detach(bus);
    free(a.channels);
}

/* ------------------------------------------------------------------------------------ blocks */

/* Holds its blocks, says so, and waits to be killed. */
static _Noreturn void victim(int ready)
{
    struct shmbus_channel *ch = scale_open(scale_attach(0), "q", SHMBUS_OPEN_SEND);
    struct shmbus_msg msg;

    for (unsigned i = 0; i < HELD; i++)
        scale_must(shmbus_reserve(ch, SCALE_MESSAGE_BYTES, &msg, 0), "reserve");
    if (write(ready, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t start_victim(void)
{
    pid_t parent = getpid(), pid;
    int ends[2];
    char c;

    if (pipe(ends) < 0 || (pid = fork()) < 0)
        scale_fail("no pipe or process");
    if (pid == 0) {
        signal(SIGINT, SIG_IGN);
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        victim(ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &c, 1) != 1)
        scale_fail("the process to be killed did not start");
    close(ends[0]);
    return pid;
}

static uint64_t held(struct shmbus *bus)
{
    struct shmbus_block_stat stat = {.struct_bytes = sizeof(stat)};

    scale_must(shmbus_block_stat(bus, 0, &stat), "block_stat");
    return stat.held;
}

static double reclaim_once(const void *argument)
{
    struct shmbus *bus = *(struct shmbus *const *)argument;
    pid_t pid = start_victim();
    int64_t begin;
    int freed;

    if (held(bus) != HELD)
        scale_fail("the process to be killed does not hold its blocks");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    begin = scale_now_ns();
    freed = shmbus_reclaim(bus);
    begin = scale_now_ns() - begin;
    scale_must(freed, "reclaim");
    if (freed != 1 || held(bus) != 0)
        scale_fail("the killed process's blocks are not free");
    return (double)begin;
}

/* Of a handle that holds nothing. */
static double close_once(const void *argument)
{
    struct shmbus *bus = *(struct shmbus *const *)argument;
    struct shmbus_channel *ch = scale_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    int64_t begin = scale_now_ns();

    shmbus_channel_close(ch);
    return (double)(scale_now_ns() - begin);
}

void scale_blocks(const struct scale *s)
{
    struct shmbus_plan *plan = scale_plan_new(64, SCALE_MESSAGE_BYTES, s->n);
    struct shmbus *bus;

    scale_plan_add_queue(plan, "q", 1024);
    print_fixed(s, "blocks", plan, "q");
    shmbus_plan_free(plan);
    bus = scale_attach(SHMBUS_ATTACH_NO_WATCHER);
    printf(",\"reclaim_ns\":%.0f", repeat(s->ms, reclaim_once, &bus));
    printf(",\"close_ns\":%.0f}\n", repeat(s->ms, close_once, &bus));
    shmbus_detach(bus);
}
