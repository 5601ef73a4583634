/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: redis
 * about: lists of a redis server over a Unix socket, no persistence: RPUSH, LPOP or BLPOP; batches:
 *  that many RPUSH in one write, LPOP with a count
 * packages: redis-server libhiredis-dev
 * pkg-config: hiredis
 * commands: redis-server
 * workloads: stream pingpong asleep queue pushpop pushpop_queue idle footprint attach
 * batches: stream 8 32; queue 8 32
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: no: what a dead reader had taken is lost
 * total-order: yes
 * bounded: no: the harness waits while depth messages are queued
 * copies: 6, through the kernel
 */
#include <hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../harness/bench.h"

struct ep {
    redisContext *server;
    redisReply *reply;
    char list[16];
    long long queued; /* as of the last push */
    unsigned depth;
};

static redisContext *connect_to(const struct bench *b)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/redis", b->dir);
    return redisConnectUnix(path);
}

static int await_server(struct bench *b)
{
    for (int tries = 0; tries < 5000; tries++) {
        redisContext *c = connect_to(b);
        int error = c == NULL || c->err;

        if (c != NULL)
            redisFree(c);
        if (!error)
            return 0;
        usleep(1000);
    }
    return -1;
}

static int peer_setup(struct bench *b)
{
    char path[128];
    pid_t parent = getpid();

    snprintf(path, sizeof(path), "%s/redis", b->dir);
    b->daemon_pid = fork();
    if (b->daemon_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--appendonly", "no", "--dir", b->dir, "--loglevel", "warning", "--logfile",
               "/dev/null", (char *)NULL);
        _exit(1);
    }
    return await_server(b);
}

static void peer_teardown(struct bench *b)
{
    kill(b->daemon_pid, SIGKILL);
    waitpid(b->daemon_pid, NULL, 0);
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index,
                      struct ep *e)
{
    (void)roles;
    (void)index;
    e->server = connect_to(b);
    e->reply = NULL;
    e->queued = 0;
    e->depth = b->depth;
    snprintf(e->list, sizeof(e->list), "list%u", channel);
    if (e->server == NULL || e->server->err)
        bench_fail(b, "cannot connect to redis-server");
}

static void peer_release(struct ep *e);

static void peer_close(struct ep *e)
{
    peer_release(e);
    redisFree(e->server);
}

static inline bool full(struct ep *e)
{
    redisReply *r;

    if (e->queued < e->depth)
        return false;
    r = redisCommand(e->server, "LLEN %s", e->list);
    if (r == NULL)
        _exit(BENCH_EXIT_FAILED);
    e->queued = r->integer;
    freeReplyObject(r);
    return e->queued >= e->depth;
}

static inline int peer_send(struct ep *e, const void *data, size_t size)
{
    redisReply *r;

    if (full(e))
        return 0;
    r = redisCommand(e->server, "RPUSH %s %b", e->list, data, size);
    if (r == NULL || r->type != REDIS_REPLY_INTEGER)
        _exit(BENCH_EXIT_FAILED);
    e->queued = r->integer;
    freeReplyObject(r);
    return 1;
}

static inline const void *peer_recv(struct ep *e, size_t size)
{
    (void)size;
    e->reply = redisCommand(e->server, "LPOP %s", e->list);
    if (e->reply != NULL && e->reply->type == REDIS_REPLY_STRING)
        return e->reply->str;
    peer_release(e);
    return NULL;
}

static inline void peer_release(struct ep *e)
{
    if (e->reply != NULL)
        freeReplyObject(e->reply);
    e->reply = NULL;
}

#define PEER_BATCH
static inline int peer_send_batch(struct ep *e, const struct iovec *items, unsigned count)
{
    if (full(e))
        return 0;
    for (unsigned i = 0; i < count; i++)
        redisAppendCommand(e->server, "RPUSH %s %b", e->list, items[i].iov_base, items[i].iov_len);
    for (unsigned i = 0; i < count; i++) {
        void *reply;

        if (redisGetReply(e->server, &reply) != REDIS_OK)
            _exit(BENCH_EXIT_FAILED);
        e->queued = ((redisReply *)reply)->integer;
        freeReplyObject(reply);
    }
    return (int)count;
}

static inline int peer_recv_batch(struct ep *e, const void **views, size_t size, unsigned count)
{
    (void)size;
    e->reply = redisCommand(e->server, "LPOP %s %u", e->list, count);
    if (e->reply == NULL || e->reply->type != REDIS_REPLY_ARRAY) {
        peer_release(e);
        return 0;
    }
    for (size_t i = 0; i < e->reply->elements; i++)
        views[i] = e->reply->element[i]->str;
    return (int)e->reply->elements;
}

static inline void peer_release_batch(struct ep *e, unsigned count)
{
    (void)count;
    peer_release(e);
}

#define PEER_WAIT
#define peer_send_wait peer_send

static inline const void *peer_recv_wait(struct ep *e, size_t size)
{
    (void)size;
    e->reply = redisCommand(e->server, "BLPOP %s 0", e->list);
    if (e->reply == NULL || e->reply->type != REDIS_REPLY_ARRAY)
        return NULL;
    return e->reply->element[1]->str;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    (void)b;
    peer = bench_peer_of("redis", false);
    return &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "redis", pick);
}
