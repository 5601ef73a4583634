/* SPDX-License-Identifier: MIT */
/* Processes on one queue, half of them senders: messages per second, and who gets how much. */
#include "../harness/bench.h"
#include "scale.h"

#define DEPTH 1024
#define SLICE_NS 20000000 /* how often one that sleeps looks whether it is over */
#define TRIES 16          /* in vain, before a polling process gives its core away */

/* Senders have the even indexes; the only process does both. */
static bool sends(const struct scale_member *m)
{
    return m->index % 2 == 0;
}

static void relax(const struct scale_member *m, unsigned *tries)
{
    if (!m->scale->polling)
        return;
    bench_pause();
    if (++*tries % TRIES == 0)
        sched_yield();
}

static bool sent(struct scale_member *m, struct shmbus_channel *ch, unsigned char *buffer,
                 uint64_t number)
{
    uint64_t mark = (uint64_t)m->index << 56 | number;
    int result;

    memcpy(buffer, &mark, sizeof(mark));
    result = shmbus_send(ch, buffer, SCALE_MESSAGE_BYTES, m->scale->polling ? 0 : SLICE_NS);
    if (result < 0 && !shmbus_error_is_retryable(result))
        scale_must(result, "send");
    return result == 0;
}

/* Of each sender, what one receiver gets must come in order. */
static bool received(struct scale_member *m, struct shmbus_channel *ch, uint64_t *next)
{
    struct shmbus_msg msg;
    uint64_t mark;
    int result = shmbus_recv(ch, &msg, m->scale->polling ? 0 : SLICE_NS);

    if (result < 0) {
        if (!shmbus_error_is_retryable(result))
            scale_must(result, "recv");
        return false;
    }
    memcpy(&mark, msg.data, sizeof(mark));
    if (mark >> 56 >= SCALE_MEMBERS_MAX || mark << 8 >> 8 < next[mark >> 56])
        scale_fail("a message came out of order");
    next[mark >> 56] = (mark << 8 >> 8) + 1;
    scale_must(shmbus_release(&msg), "release");
    return true;
}

static void member(struct scale_member *m)
{
    unsigned char buffer[SCALE_MESSAGE_BYTES] = {0};
    uint64_t next[SCALE_MEMBERS_MAX] = {0}, number = 0;
    bool alone = m->scale->n == 1, sender = alone || sends(m), receiver = alone || !sends(m);
    struct shmbus *bus = scale_attach(0);
    struct shmbus_channel *ch =
        scale_open(bus, "q", (sender ? SHMBUS_OPEN_SEND : 0u) | (receiver ? SHMBUS_OPEN_RECV : 0u));
    unsigned tries = 0;

    scale_ready(m);
    while (!scale_stopped(m)) {
        bool done = !sender || sent(m, ch, buffer, number);

        if (done && sender)
            number++;
        if (receiver)
            done = received(m, ch, next);
        if (done)
            scale_count(m);
        else
            relax(m, &tries);
    }
    shmbus_detach(bus);
}

/* The least and the most that one of a kind did, as multiples of a fair share. */
static void print_shares(const char *kind, const uint64_t *counts, unsigned count, unsigned first,
                         unsigned step)
{
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    unsigned members = 0;

    for (unsigned i = first; i < count; i += step, members++) {
        least = counts[i] < least ? counts[i] : least;
        most = counts[i] > most ? counts[i] : most;
        sum += counts[i];
    }
    if (sum > 0)
        printf(",\"%s_least\":%.3f,\"%s_most\":%.3f", kind, (double)least * members / (double)sum,
               kind, (double)most * members / (double)sum);
}

void scale_processes(const struct scale *s)
{
    unsigned count = (unsigned)s->n, step = count > 1 ? 2 : 1;
    struct shmbus_plan *plan =
        scale_plan_new(SCALE_MEMBERS_MAX + 1, SCALE_MESSAGE_BYTES, DEPTH + 64 * (count + 1));
    uint64_t counts[SCALE_MEMBERS_MAX], messages = 0;
    int64_t took;

    scale_plan_add_queue(plan, "q", DEPTH);
    scale_create(plan);
    shmbus_plan_free(plan);
    took = scale_team_run(s, count, member, counts);
    for (unsigned i = step - 1; i < count; i += step)
        messages += counts[i];
    printf("{\"row\":\"processes\",\"n\":%u,\"mode\":\"%s\",\"msgs_per_s\":%.1f", count,
           s->polling ? "polling" : "waiting", (double)messages * 1e9 / (double)took);
    print_shares("receiver", counts, count, step - 1, step);
    if (count > 1)
        print_shares("sender", counts, count, 0, step);
    printf("}\n");
}
