/* SPDX-License-Identifier: MIT */
/*
 * What the processes of the soak do. Any of them may be killed or stopped at any instruction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/bus.h"
#include "ledger.h"

#define WAIT_NS 20000000ll
#define HELD_MAX 4u
#define BODY_MAX 1024u

struct worker {
    const char *bus_name;
    uint32_t index; /* 0 .. processes - 1, the same for all lives */
    struct shmbus *bus;
};

static bool is_over(void)
{
    __atomic_fetch_add(&s_books->life[s_me].progress, 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&s_books->stop, __ATOMIC_SEQ_CST) != 0;
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(s_random() % limit);
}

/* Mostly small, now and then large: the classes have 64, 256 and 1024 bytes. */
static uint32_t random_bytes(void)
{
    uint32_t min = s_message_bytes_min(), kind = below(10);
    return min + below(kind < 7 ? 48 : kind < 9 ? 240 : BODY_MAX - min);
}

/* Whether @result is one that this call may have here; anything else is a failure. */
static bool is_expected(int result, const char *call)
{
    if (result >= 0 || result == -EAGAIN || result == -ETIMEDOUT || result == -SHMBUS_ERR_NO_BLOCKS)
        return true;
    s_complain(&s_books->failures, "life %u: %s: %s (%s)", s_me, call, shmbus_strerrorname(result),
               shmbus_detail());
    return false;
}

static bool attach(struct worker *w)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER |
                 (w->index % 3 == 1 ? SHMBUS_ATTACH_NO_WATCHER : 0u);
    int r = shmbus_attach(w->bus_name, &opts, &w->bus);
    if (!is_expected(r, "attach"))
        return false;
    struct s_life *life = &s_books->life[s_me];
    life->slot = w->bus->member.slot;
    life->epoch = w->bus->member.epoch;
    __atomic_store_n(&life->attached, 1, __ATOMIC_SEQ_CST);
    return true;
}

static struct shmbus_channel *open_channel(const struct worker *w, const char *name, unsigned mode)
{
    struct shmbus_channel *ch = NULL;
    return is_expected(shmbus_channel_open(w->bus, name, mode, NULL, &ch), "open") ? ch : NULL;
}

/* --------------------------------------------------------------------------------- producers */

static bool send_copy(struct shmbus_channel *ch)
{
    uint8_t body[BODY_MAX + 64];
    uint32_t bytes = random_bytes();
    uint64_t seq = s_begin_send(body, bytes);
    if (seq == 0)
        return true;
    int r = shmbus_send(ch, body, bytes, WAIT_NS);
    s_end_send(seq, r);
    return is_expected(r, "send");
}

/* In place; now and then thought better of, or made smaller. */
static bool send_in_place(struct shmbus_channel *ch)
{
    struct shmbus_msg msg;
    uint32_t bytes = random_bytes();
    int r = shmbus_reserve(ch, bytes, &msg, WAIT_NS);
    if (r != 0)
        return is_expected(r, "reserve");
    if (below(20) == 0)
        return is_expected(shmbus_abort(&msg), "abort");
    msg.size_bytes = s_message_bytes_min() + below(bytes - s_message_bytes_min() + 1);
    uint64_t seq = s_begin_send(msg.data, (uint32_t)msg.size_bytes);
    if (seq == 0)
        return is_expected(shmbus_abort(&msg), "abort");
    r = shmbus_commit(&msg, WAIT_NS);
    s_end_send(seq, r);
    return r == 0 || (is_expected(r, "commit") && is_expected(shmbus_abort(&msg), "abort"));
}

static bool send_batch(struct shmbus_channel *ch)
{
    uint8_t body[8][64];
    struct iovec items[8];
    uint64_t seq[8];
    size_t n = 0;
    for (size_t i = 0; i < 1 + below(8); i++) {
        uint32_t bytes = s_message_bytes_min() + below(40);
        seq[n] = s_begin_send(body[n], bytes);
        if (seq[n] == 0)
            continue;
        items[n] = (struct iovec){body[n], bytes};
        n++;
    }
    if (n == 0)
        return true;
    int r = shmbus_send_batch(ch, items, n, WAIT_NS);
    for (size_t i = 0; i < n; i++)
        s_end_send(seq[i], r >= 0 && i < (size_t)r ? 0 : -EAGAIN);
    return is_expected(r, "send_batch");
}

/* Into a lane that drops: there is room, unless all of it is in somebody's hands. */
static bool send_rumour(struct shmbus_channel *ch)
{
    return is_expected(shmbus_send(ch, "rumour", 7, 0), "send into a lane with drop_oldest");
}

static int produce(struct worker *w)
{
    struct shmbus_channel *tasks = open_channel(w, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *news = open_channel(w, "news", SHMBUS_OPEN_SEND);
    struct shmbus_channel *jobs = open_channel(w, "jobs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rumours = open_channel(w, "rumours", SHMBUS_OPEN_SEND);
    bool good = tasks != NULL && news != NULL && jobs != NULL && rumours != NULL;
    while (good && !is_over()) {
        uint32_t what = below(20);
        struct shmbus_channel *to = below(2) ? jobs : tasks;
        good = what < 10 ? send_copy(to) : what < 16 ? send_in_place(to) : send_batch(to);
        if (good && what == 19)
            good = is_expected(shmbus_send(news, "news", 5, 0), "send into drop_oldest");
        if (good && what >= 18)
            good = send_rumour(rumours);
    }
    return good ? 0 : 1;
}

/* ---------------------------------------------------------------------------------- consumers */

struct held {
    struct shmbus_msg msg;
    uint64_t seq;
    enum s_stage stage;
};

static bool release(struct held *held)
{
    s_mark(held->seq, S_ACKING, 0);
    int r = shmbus_release(&held->msg);
    s_mark(held->seq, r == 0 ? S_ACKED : 0, 0);
    if (r == 0)
        __atomic_fetch_add(&s_books->messages, 1, __ATOMIC_RELAXED);
    return r == 0 || (s_complain(&s_books->robbed, "life %u: release of message %llu: %s", s_me,
                                 (unsigned long long)held->seq, shmbus_strerrorname(r)),
                      false);
}

static bool give_back(struct held *held)
{
    s_mark(held->seq, S_GIVEN, 0);
    int r = shmbus_requeue(&held->msg);
    return r == 0 || (s_complain(&s_books->robbed, "life %u: requeue of message %llu: %s", s_me,
                                 (unsigned long long)held->seq, shmbus_strerrorname(r)),
                      false);
}

static bool pass_on(struct held *held, struct shmbus_channel *to)
{
    s_mark(held->seq, S_PASSING, 0);
    int r = shmbus_forward(&held->msg, to, WAIT_NS);
    if (r == 0) {
        s_mark(held->seq, S_PASSED, 0);
        return true;
    }
    s_mark(held->seq, 0, S_PASSING);
    return is_expected(r, "forward") && give_back(held);
}

/* Receives into @held; false if there was nothing. */
static bool take(struct shmbus_channel *ch, enum s_stage stage, int64_t wait_ns, struct held *held,
                 bool *good)
{
    int64_t start = s_before_ns();
    int r = shmbus_recv(ch, &held->msg, wait_ns);
    if (r == 0) {
        held->stage = stage;
        held->seq = s_received(&held->msg, stage, start);
        if (held->seq == 0)
            *good = false;
        return held->seq != 0;
    }
    if (r == -EAGAIN && stage < S_HISTORIES)
        s_empty_seen(stage, start, s_after_ns());
    *good = is_expected(r, "recv");
    return false;
}

/* What a worker does with one of the messages that it holds. */
static bool finish_one(struct held *held, struct shmbus_channel *results)
{
    uint32_t what = below(100);
    if (what < 75)
        return held->stage == S_TASKS ? pass_on(held, results) : release(held);
    return what < 90 ? release(held) : give_back(held);
}

/* Leaves with all that is held of this queue, and comes again. */
static struct shmbus_channel *come_again(const struct worker *w, struct shmbus_channel *ch,
                                         const char *name, enum s_stage stage, struct held *held,
                                         uint32_t *n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *n; i++) {
        if (held[i].stage == stage)
            s_mark(held[i].seq, S_GIVEN, 0);
        else
            held[kept++] = held[i];
    }
    *n = kept;
    shmbus_channel_close(ch);
    return open_channel(w, name, SHMBUS_OPEN_RECV);
}

static int consume(struct worker *w)
{
    struct shmbus_channel *results = open_channel(w, "results", SHMBUS_OPEN_SEND);
    struct shmbus_channel *tasks = open_channel(w, "tasks", SHMBUS_OPEN_RECV);
    struct shmbus_channel *jobs = open_channel(w, "jobs", SHMBUS_OPEN_RECV);
    struct held held[HELD_MAX];
    uint32_t n = 0;
    bool good = results != NULL && tasks != NULL && jobs != NULL;

    while (good && !is_over()) {
        int64_t wait = n > 0 || below(10) == 0 ? 0 : WAIT_NS;
        bool job = below(2) != 0;
        if (n < HELD_MAX && take(job ? jobs : tasks, job ? S_JOBS : S_TASKS, wait, &held[n], &good))
            n++;
        if (good && n > 0 && (n == HELD_MAX || below(3) > 0)) {
            uint32_t which = below(n);
            good = finish_one(&held[which], results);
            held[which] = held[--n];
        }
        if (good && below(2000) == 0) {
            tasks = come_again(w, tasks, "tasks", S_TASKS, held, &n);
            good = tasks != NULL;
        }
        if (good && below(2000) == 0) {
            jobs = come_again(w, jobs, "jobs", S_JOBS, held, &n);
            good = jobs != NULL;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        s_mark(held[i].seq, S_GIVEN, 0);
    return good ? 0 : 1;
}

static int collect(struct worker *w)
{
    struct shmbus_channel *results = open_channel(w, "results", SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = open_channel(w, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_channel *news = open_channel(w, "news", SHMBUS_OPEN_RECV);
    struct shmbus_channel *rumours = open_channel(w, "rumours", SHMBUS_OPEN_RECV);
    struct held held;
    bool good = results != NULL && dead != NULL && news != NULL && rumours != NULL;

    while (good && !is_over()) {
        if (take(results, S_RESULTS, WAIT_NS, &held, &good))
            good = below(50) == 0 ? give_back(&held) : release(&held);
        if (good && below(8) == 0 && take(dead, S_DEAD, 0, &held, &good))
            good = below(10) == 0 ? give_back(&held) : release(&held);
        if (good && below(64) == 0) {
            struct shmbus_msg msg;
            int r = shmbus_recv(below(2) ? news : rumours, &msg, 0);
            good = is_expected(r, "recv of news") && (r != 0 || shmbus_release(&msg) == 0);
        }
    }
    return good ? 0 : 1;
}

/* ------------------------------------------------------------------------------------- streams */

struct cargo {
    uint64_t number, attempt;
    uint32_t sender, bytes;
};

static bool is_stream_result(int result, const char *call)
{
    return result == -SHMBUS_ERR_PEER_DEAD || result == -SHMBUS_ERR_PEER_CLOSED ||
           result == -EBUSY || is_expected(result, call);
}

static struct shmbus_channel *open_end(const struct worker *w, unsigned mode, bool *good)
{
    struct shmbus_channel *ch = NULL;
    char name[16];
    snprintf(name, sizeof name, "s%u", w->index / S_ROLES % S_STREAMS);
    while (!is_over()) { /* the one before us may just be dying */
        int r = shmbus_channel_open(w->bus, name, mode, NULL, &ch);
        if (r == 0)
            return ch;
        *good = is_stream_result(r, "open of a stream");
        if (!*good)
            return NULL;
        shmbus_reclaim(w->bus);
    }
    return NULL;
}

static struct s_stream *stream_of(const struct worker *w)
{
    return &s_books->stream[w->index / S_ROLES % S_STREAMS];
}

static int stream_out(struct worker *w)
{
    struct s_stream *s = stream_of(w);
    uint8_t body[2048];
    bool good = true;
    struct shmbus_channel *ch = open_end(w, SHMBUS_OPEN_SEND, &good);
    while (good && ch != NULL && !is_over()) {
        struct cargo cargo = {s->confirmed + 1,
                              __atomic_add_fetch(&s->attempts, 1, __ATOMIC_SEQ_CST), s_me,
                              (uint32_t)sizeof cargo + below(below(20) ? 100 : 1900)};
        memcpy(body, &cargo, sizeof cargo);
        memset(body + sizeof cargo, (int)(cargo.number & 0xff), cargo.bytes - sizeof cargo);
        int r = shmbus_send(ch, body, cargo.bytes, WAIT_NS);
        if (r == 0)
            __atomic_store_n(&s->confirmed, cargo.number, __ATOMIC_SEQ_CST);
        good = is_stream_result(r, "send into a stream");
    }
    return good ? 0 : 1;
}

static void judge_cargo(struct s_stream *s, const struct shmbus_msg *msg)
{
    const uint8_t *body = msg->data;
    struct cargo cargo;
    memcpy(&cargo, body, sizeof cargo < msg->size_bytes ? sizeof cargo : msg->size_bytes);
    bool whole = msg->size_bytes >= sizeof cargo && msg->size_bytes == cargo.bytes;
    for (size_t i = sizeof cargo; whole && i < msg->size_bytes; i++)
        whole = body[i] == (uint8_t)cargo.number;
    if (!whole) {
        s_complain(&s_books->damaged, "stream: a message of %zu bytes is damaged", msg->size_bytes);
        return;
    }
    if (cargo.number == s->last) {
        bool again = cargo.attempt == s->last_attempt;
        if (again ? msg->delivery_count < 2 || !s_was_killed(s->receiver)
                  : !s_was_killed(s->last_sender))
            s_complain(&s_books->duplicated, "stream: message %llu came again (delivery %u)",
                       (unsigned long long)cargo.number, msg->delivery_count);
    } else if (cargo.number != s->last + 1) {
        s_complain(cargo.number > s->last ? &s_books->lost : &s_books->duplicated,
                   "stream: message %llu after %llu", (unsigned long long)cargo.number,
                   (unsigned long long)s->last);
    }
    s->receiver = s_me;
    s->last_attempt = cargo.attempt;
    s->last_sender = cargo.sender;
    __atomic_store_n(&s->last, cargo.number, __ATOMIC_SEQ_CST);
}

/* Returns what the receive said. */
static int stream_take(struct shmbus_channel *ch, struct s_stream *s, int64_t wait_ns)
{
    struct shmbus_msg msg;
    int r = shmbus_recv(ch, &msg, wait_ns);
    if (r != 0)
        return r;
    judge_cargo(s, &msg);
    __atomic_fetch_add(&s_books->messages, 1, __ATOMIC_RELAXED);
    return shmbus_release(&msg);
}

static int stream_in(struct worker *w)
{
    bool good = true;
    struct shmbus_channel *ch = open_end(w, SHMBUS_OPEN_RECV, &good);
    while (good && ch != NULL && !is_over())
        good = is_stream_result(stream_take(ch, stream_of(w), WAIT_NS), "recv from a stream");
    return good ? 0 : 1;
}

/* -------------------------------------------------------------------------- coming and going */

/* A membership of its own each time, spare channels, recovery, and now and then no good-bye. */
static int churn(struct worker *w)
{
    bool good = true;
    while (good && !is_over()) {
        struct worker guest = {.bus_name = w->bus_name, .index = w->index};
        char name[16];
        struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
        opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
        good = is_expected(shmbus_attach(w->bus_name, &opts, &guest.bus), "attach");
        if (!good)
            break;
        snprintf(name, sizeof name, "spare-%u", below(3));
        struct shmbus_channel *ch = open_channel(&guest, name, SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        struct shmbus_msg msg;
        good = ch != NULL && is_expected(shmbus_send(ch, name, 8, 0), "send into a spare queue");
        if (good && shmbus_recv(ch, &msg, 0) == 0 && below(2))
            good = shmbus_release(&msg) == 0;
        if (good && below(4) == 0)
            good = is_expected(shmbus_reclaim(guest.bus), "reclaim");
        if (good && below(200) == 0) {
            __atomic_store_n(&s_books->life[s_me].killed_ns, s_now_ns(), __ATOMIC_SEQ_CST);
            _exit(0);
        }
        shmbus_detach(guest.bus);
    }
    return good ? 0 : 1;
}

int s_work(const char *bus_name, uint32_t index)
{
    static int (*const roles[S_ROLES])(struct worker *) = {produce, consume,   stream_out, consume,
                                                           collect, stream_in, produce,    churn};
    struct worker w = {.bus_name = bus_name, .index = index};
    if (!attach(&w))
        return 1;
    int r = roles[index % S_ROLES](&w);
    shmbus_detach(w.bus);
    return r;
}

/* ---------------------------------------------------------------------------------- at the end */

static bool drain_queue(const struct worker *w, const char *name, enum s_stage stage)
{
    struct shmbus_channel *ch = open_channel(w, name, SHMBUS_OPEN_RECV);
    struct held held;
    bool good = true, any = false;
    while (ch != NULL && good && take(ch, stage, 0, &held, &good)) {
        good = release(&held);
        any = true;
    }
    shmbus_channel_close(ch);
    return any;
}

/* Queues whose messages are not in the books. */
static void drain_unnamed(const struct worker *w, const char *name)
{
    struct shmbus_channel *ch = open_channel(w, name, SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    while (ch != NULL && shmbus_recv(ch, &msg, 0) == 0)
        is_expected(shmbus_release(&msg), "release");
    shmbus_channel_close(ch);
}

void s_drain(struct shmbus *bus)
{
    struct worker w = {.bus = bus};
    char name[16];
    while (drain_queue(&w, "tasks", S_TASKS) || drain_queue(&w, "results", S_RESULTS) ||
           drain_queue(&w, "jobs", S_JOBS) || drain_queue(&w, "dead", S_DEAD))
        ;
    drain_unnamed(&w, "news");
    drain_unnamed(&w, "rumours");
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "spare-%u", i);
        drain_unnamed(&w, name);
    }
    for (uint32_t i = 0; i < S_STREAMS; i++) {
        bool good = true;
        w.index = i * S_ROLES;
        struct s_stream *s = stream_of(&w);
        snprintf(name, sizeof name, "s%u", i);
        struct shmbus_channel *ch = open_channel(&w, name, SHMBUS_OPEN_RECV);
        while (ch != NULL && good) {
            int r = stream_take(ch, s, 0);
            good = r == 0 || r == -SHMBUS_ERR_PEER_DEAD || r == -SHMBUS_ERR_PEER_CLOSED;
        }
        if (s->last < s->confirmed)
            s_complain(&s_books->lost, "stream %u: %llu were sent, %llu came", i,
                       (unsigned long long)s->confirmed, (unsigned long long)s->last);
        shmbus_channel_close(ch);
    }
}
