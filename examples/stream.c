/* SPDX-License-Identifier: MIT */
/*
 * A stream: one sender, one receiver, order kept, payload written and read in place. Here the
 * receiver is killed with a message in its hand; the next receiver takes over at that very
 * message. The sender goes on meanwhile: it is told only when it is held up for want of room.
 *
 *   stream
 *
 * Exit 0: every tick arrived, in order; 1: failed.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define TICKS 20u
#define KILLED_AT 8u

struct tick {
    uint64_t number;
    double price;
};

static char bus_name[SHMBUS_NAME_BYTES];

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "stream: %s: %s\n", what, shmbus_detail());
    shmbus_unlink(bus_name);
    exit(1);
}

/* Makes the bus with its stream, unless it is there already. */
static struct shmbus *join(void)
{
    struct shmbus_channel_opts ticks = {sizeof ticks, .kind = SHMBUS_KIND_STREAM, .bytes = 4096};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    struct shmbus *bus = NULL;

    must(shmbus_plan_new(1 << 20, &plan), "plan");
    must(shmbus_plan_add_channel(plan, "ticks", &ticks), "plan");
    opts.plan = plan;
    must(shmbus_attach(bus_name, &opts, &bus), "attach");
    shmbus_plan_free(plan);
    return bus;
}

/* Receives until the last tick, or dies with tick @die_at in its hand. */
static void receive(uint64_t die_at)
{
    struct shmbus *bus = join();
    struct shmbus_channel *ticks = NULL;
    struct shmbus_msg msg;
    uint64_t number;

    must(shmbus_channel_open(bus, "ticks", SHMBUS_OPEN_RECV, NULL, &ticks), "open");
    do {
        /* fails, too, when the sender has gone before the last tick */
        must(shmbus_recv(ticks, &msg, SHMBUS_WAIT_FOREVER), "receive");
        const struct tick *tick = msg.data; /* in the stream itself, nothing was copied */
        number = tick->number;
        printf("receiver %d: tick %" PRIu64 " at %.2f%s\n", (int)getpid(), number, tick->price,
               msg.delivery_count > 1 ? " (taken over)" : "");
        fflush(stdout);
        if (number != msg.sequence)
            must(-EILSEQ, "order");
        if (number == die_at)
            raise(SIGKILL);
        must(shmbus_release(&msg), "release");
    } while (number < TICKS);
    shmbus_detach(bus);
    exit(0);
}

static pid_t start_receiver(uint64_t die_at)
{
    pid_t pid;

    fflush(stdout); /* or the child prints it again */
    pid = fork();
    if (pid == 0)
        receive(die_at); /* attaches for itself: handles do not survive a fork */
    return pid;
}

static void send_ticks(struct shmbus_channel *ticks, uint64_t first, uint64_t last)
{
    struct shmbus_msg msg;

    for (uint64_t number = first; number <= last; number++) {
        int result;
        while ((result = shmbus_reserve(ticks, sizeof(struct tick), &msg, SHMBUS_WAIT_FOREVER)) ==
               -SHMBUS_ERR_PEER_DEAD)
            printf("sender: the receiver died; going on\n");
        must(result, "reserve");
        *(struct tick *)msg.data = (struct tick){number, 100.0 + (double)number / 4};
        must(shmbus_commit(&msg, SHMBUS_WAIT_FOREVER), "commit");
    }
}

int main(void)
{
    struct shmbus *bus;
    struct shmbus_channel *ticks = NULL;
    int first = 0, second = 0;

    snprintf(bus_name, sizeof bus_name, "stream-example.%d", (int)getpid());
    bus = join();
    must(shmbus_channel_open(bus, "ticks", SHMBUS_OPEN_SEND, NULL, &ticks), "open");
    pid_t pid = start_receiver(KILLED_AT);
    send_ticks(ticks, 1, TICKS / 2);
    waitpid(pid, &first, 0);
    pid = start_receiver(0);
    send_ticks(ticks, TICKS / 2 + 1, TICKS);
    waitpid(pid, &second, 0);
    shmbus_detach(bus);
    shmbus_unlink(bus_name);
    if (WTERMSIG(first) == SIGKILL && WIFEXITED(second) && WEXITSTATUS(second) == 0)
        return 0;
    fprintf(stderr, "stream: a receiver failed\n");
    return 1;
}
