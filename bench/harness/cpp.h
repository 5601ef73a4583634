/* SPDX-License-Identifier: MIT */
/*
 * For contestants in C++: a class template EP<BYTES, MANY> with the members
 *     static int setup(struct bench *b);  static void teardown(struct bench *b);
 *     void open(struct bench *b, unsigned channel, unsigned roles, unsigned index);
 *     bool send(const void *data, size_t size);  const void *recv(size_t size);  void release();
 * becomes loops for each size known at compile time.
 */
#ifndef BENCH_CPP_H
#define BENCH_CPP_H

#include "bench.h"

template <class E>
void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned index, E *e)
{
    e->open(b, channel, roles, index);
}

template <class E> void peer_close(E *)
{
}

template <class E> inline int peer_send(E *e, const void *data, size_t size)
{
    return e->send(data, size);
}

template <class E> inline const void *peer_recv(E *e, size_t size)
{
    return e->recv(size);
}

template <class E> inline void peer_release(E *e)
{
    e->release();
}

#ifdef PEER_WAIT
template <class E> inline int peer_send_wait(E *e, const void *data, size_t size)
{
    return e->send_wait(data, size);
}

template <class E> inline const void *peer_recv_wait(E *e, size_t size)
{
    return e->recv_wait(size);
}
#endif

#ifdef PEER_BATCH
template <class E> inline int peer_send_batch(E *e, const struct iovec *items, unsigned count)
{
    return e->send_batch(items, count);
}

template <class E> inline int peer_recv_batch(E *e, const void **views, size_t size, unsigned count)
{
    return e->recv_batch(views, size, count);
}

template <class E> inline void peer_release_batch(E *, unsigned)
{
}
#endif

/* Messages of a ring whose size is known at compile time, so that it stays in the second-level
 * cache of any machine. */
constexpr size_t bench_fixed_depth(size_t bytes)
{
    return bytes <= 256 ? 1024 : 262144 / bytes;
}

/* One message of a queue whose elements have their size at compile time. */
template <size_t BYTES> struct element {
    unsigned char bytes[BYTES];
};

#include "loops.h"

template <template <size_t, bool> class EP, bool MANY>
bool bench_pick_size(const struct bench *b, const char *name, bool threads, struct bench_peer *peer)
{
    switch (b->size_bytes) {
    case 8:
        *peer = bench_peer_of<EP<8, MANY>>(name, threads);
        return true;
    case 56:
        *peer = bench_peer_of<EP<56, MANY>>(name, threads);
        return true;
    case 64:
        *peer = bench_peer_of<EP<64, MANY>>(name, threads);
        return true;
    case 72:
        *peer = bench_peer_of<EP<72, MANY>>(name, threads);
        return true;
    case 120:
        *peer = bench_peer_of<EP<120, MANY>>(name, threads);
        return true;
    case 256:
        *peer = bench_peer_of<EP<256, MANY>>(name, threads);
        return true;
    case 1024:
        *peer = bench_peer_of<EP<1024, MANY>>(name, threads);
        return true;
    case 4096:
        *peer = bench_peer_of<EP<4096, MANY>>(name, threads);
        return true;
    default:
        return false;
    }
}
#endif
