/* SPDX-License-Identifier: MIT */
/*
 * Contestants that are a pair of descriptors made before the fork: pipe, Unix sockets.
 * The includer defines fd_setup(int pair[2]): pair[0] receives, pair[1] sends.
 */
#include <fcntl.h>
#include <poll.h>

#include "../harness/bench.h"

struct ep {
    int fd;
    unsigned char *in;
};

static int pairs[2][2];

static int fd_setup(int pair[2]);

static int peer_setup(struct bench *b)
{
    for (unsigned i = 0; i < b->channels; i++) {
        if (fd_setup(pairs[i]) < 0)
            return -1;
        if (!b->asleep) {
            fcntl(pairs[i][0], F_SETFL, O_NONBLOCK);
            fcntl(pairs[i][1], F_SETFL, O_NONBLOCK);
        }
    }
    return 0;
}

static void peer_teardown(struct bench *b)
{
    (void)b;
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)index;
    e->fd = pairs[channel][roles == BENCH_SEND];
    e->in = aligned_alloc(64, (b->size_bytes + 63) & ~(size_t)63);
    if (e->in == NULL)
        bench_fail(b, "out of memory");
}

static void peer_close(struct ep *e)
{
    free(e->in);
}

static inline void await(int fd, short events)
{
    struct pollfd p = {fd, events, 0};

    poll(&p, 1, 1000);
}

/* A message that has begun is finished: large ones go in parts. */
static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    const unsigned char *at = data;
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(e->fd, at + done, size - done);

        if (n < 0 && errno != EAGAIN)
            _exit(BENCH_EXIT_FAILED);
        if (n < 0 && done == 0)
            return 0;
        if (n < 0)
            await(e->fd, POLLOUT);
        else
            done += (size_t)n;
    }
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(e->fd, e->in + done, size - done);

        if (n == 0 || (n < 0 && errno != EAGAIN))
            _exit(BENCH_EXIT_FAILED);
        if (n < 0 && done == 0)
            return NULL;
        if (n < 0)
            await(e->fd, POLLIN);
        else
            done += (size_t)n;
    }
    return e->in;
}

static inline void peer_release(struct ep *e)
{
    (void)e;
}

#define PEER_WAIT
static inline int peer_send_wait(struct ep *e, const void *data, size_t size)
{
    return peer_send(e, data, size);
}

static inline const void *peer_recv_wait(struct ep *e, size_t size)
{
    return peer_recv(e, size);
}

#include "../harness/loops.h"
