/* SPDX-License-Identifier: MIT */
/* One sender, one receiver, messages made and read in place: bytes per second over the size. */
#include "scale.h"

#define MEMORY_BYTES (4u << 20) /* of what may wait, but at least 8 messages */
#define SLICE_NS 20000000
#define LINE_BYTES 64

static uint32_t depth_for(uint64_t bytes)
{
    uint64_t fit = MEMORY_BYTES / bytes;

    return (uint32_t)(fit > 1024 ? 1024 : fit < 8 ? 8 : fit);
}

static bool must_again(int result, const char *what)
{
    if (result < 0 && !shmbus_error_is_retryable(result))
        scale_must(result, what);
    return result < 0;
}

static void sender(struct scale_member *m, struct shmbus_channel *ch)
{
    struct shmbus_msg msg;

    for (unsigned n = 0; !scale_stopped(m); n++) {
        while (must_again(shmbus_reserve(ch, m->scale->n, &msg, SLICE_NS), "reserve"))
            if (scale_stopped(m))
                return;
        memset(msg.data, (int)(n & 0xff), m->scale->n);
        while (must_again(shmbus_commit(&msg, 0), "commit"))
            if (scale_stopped(m))
                return;
    }
}

/* A word of each line must be what the sender wrote into all of them. */
static void check(const struct shmbus_msg *msg, unsigned n)
{
    const unsigned char *at = msg->data;
    uint64_t due = 0x0101010101010101u * (n & 0xff), wrong = 0, word;

    for (size_t i = 0; i + sizeof(word) <= msg->size_bytes; i += LINE_BYTES) {
        memcpy(&word, at + i, sizeof(word));
        wrong |= word ^ due;
    }
    if (wrong != 0 || at[msg->size_bytes - 1] != (n & 0xff))
        scale_fail("a message is damaged");
}

static void receiver(struct scale_member *m, struct shmbus_channel *ch)
{
    struct shmbus_msg msg;

    for (unsigned n = 0; !scale_stopped(m); n++) {
        while (must_again(shmbus_recv(ch, &msg, SLICE_NS), "recv"))
            if (scale_stopped(m))
                return;
        check(&msg, n);
        scale_must(shmbus_release(&msg), "release");
        scale_count(m);
    }
}

static void member(struct scale_member *m)
{
    struct shmbus *bus = scale_attach(0);
    struct shmbus_channel *ch =
        scale_open(bus, "q", m->index == 0 ? SHMBUS_OPEN_SEND : SHMBUS_OPEN_RECV);

    scale_ready(m);
    if (m->index == 0)
        sender(m, ch);
    else
        receiver(m, ch);
    shmbus_detach(bus);
}

void scale_sizes(const struct scale *s)
{
    uint32_t depth = depth_for(s->n);
    struct shmbus_plan *plan = scale_plan_new(4, s->n, depth + (s->n < 65536 ? 256 : 8));
    uint64_t counts[2];
    double rate;
    int64_t took;

    scale_plan_add_queue(plan, "q", depth);
    scale_create(plan);
    shmbus_plan_free(plan);
    took = scale_team_run(s, 2, member, counts);
    rate = (double)counts[1] * 1e9 / (double)took;
    printf("{\"row\":\"sizes\",\"n\":%llu,\"huge\":%s,\"msgs_per_s\":%.1f,\"bytes_per_s\":%.1f}\n",
           (unsigned long long)s->n, s->on_huge ? "true" : "false", rate, rate * (double)s->n);
}
