/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: posix_mq
 * about: POSIX message queue with the limits that any user has: 10 messages of up to 8 KiB
 * packages: -
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * depth: fixed
 * sizes: 8-4096
 * scope: processes
 * crash-safe: what was taken by a dead reader is lost
 * total-order: yes, by priority
 * bounded: yes
 * copies: 2, through the kernel
 */
#include <fcntl.h>
#include <mqueue.h>

#include "../harness/bench.h"

struct ep {
    mqd_t mq;
    unsigned char *in;
};

static char names[2][64];

static int peer_setup(struct bench *b)
{
    struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = (long)b->size_bytes};

    for (unsigned i = 0; i < b->channels; i++) {
        mqd_t mq;

        snprintf(names[i], sizeof(names[i]), "/shmbus-bench.%d.%u", (int)getpid(), i);
        mq = mq_open(names[i], O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
        if (mq == (mqd_t)-1)
            return -1;
        mq_close(mq);
    }
    return 0;
}

static void peer_teardown(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++)
        mq_unlink(names[i]);
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)roles;
    (void)index;
    e->mq = mq_open(names[channel], O_RDWR | (b->asleep ? 0 : O_NONBLOCK));
    e->in = aligned_alloc(64, (b->size_bytes + 63) & ~(size_t)63);
    if (e->mq == (mqd_t)-1 || e->in == NULL)
        bench_fail(b, "mq_open %s: %s", names[channel], strerror(errno));
}

static void peer_close(struct ep *e)
{
    mq_close(e->mq);
    free(e->in);
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    return mq_send(e->mq, data, size, 0) == 0;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    return mq_receive(e->mq, (char *)e->in, size, NULL) >= 0 ? e->in : NULL;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#define PEER_WAIT
#define peer_send_wait peer_send
#define peer_recv_wait peer_recv

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of("posix_mq", false);
    return b->size_bytes <= 8192 ? &peer : NULL;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "posix_mq", pick);
}
