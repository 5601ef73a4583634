/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/atomic.h"

#define LONG_DEAD_NS 5000000000ll /* after that nothing of a killed process can turn up */
#define MIX UINT64_C(0x9e3779b97f4a7c15)

struct s_ledger *s_books;
uint32_t s_me;
static uint64_t random_state;

struct wire {
    uint64_t seq;
    uint32_t sender;
    uint32_t bytes;
};

void s_books_open(void)
{
    s_books =
        mmap(NULL, sizeof *s_books, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s_books == MAP_FAILED) {
        perror("soak: no memory for the books");
        exit(2);
    }
    s_books->next_seq = 1;
}

int64_t s_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The clock is read in this place of the program, and in no other: a processor orders memory, and
 * the clock is none. */
static void order_clock(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

int64_t s_before_ns(void)
{
    int64_t now = s_now_ns();
    order_clock();
    return now;
}

int64_t s_after_ns(void)
{
    sb_fence(); /* what was stored may still be on its way: another processor does not see it yet */
    order_clock();
    return s_now_ns();
}

void s_random_seed(uint64_t seed)
{
    random_state = seed;
}

/* splitmix64 */
uint64_t s_random(void)
{
    uint64_t z = random_state += MIX;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void s_complain(uint64_t *counter, const char *format, ...)
{
    va_list args;
    uint32_t i = __atomic_fetch_add(&s_books->complaints, 1, __ATOMIC_RELAXED);
    if (counter != &s_books->failures)
        __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s_books->failures, 1, __ATOMIC_RELAXED);
    if (i < S_COMPLAINTS) {
        va_start(args, format);
        vsnprintf(s_books->complaint[i], sizeof s_books->complaint[i], format, args);
        va_end(args);
    }
}

static int64_t killed_ns(uint32_t life)
{
    return life < S_LIVES_MAX ? __atomic_load_n(&s_books->life[life].killed_ns, __ATOMIC_SEQ_CST)
                              : 0;
}

bool s_was_killed(uint32_t life)
{
    return killed_ns(life) != 0;
}

static bool is_long_dead(uint32_t life)
{
    int64_t at = killed_ns(life);
    return at != 0 && s_now_ns() - at > LONG_DEAD_NS;
}

static struct s_entry *entry_of(uint64_t seq)
{
    return &s_books->entry[seq % S_WINDOW];
}

uint32_t s_holder(const struct s_entry *e)
{
    return (uint32_t)__atomic_load_n(&e->taken, __ATOMIC_SEQ_CST);
}

static uint64_t word_of(const struct s_entry *e)
{
    return __atomic_load_n(&e->word, __ATOMIC_SEQ_CST);
}

void s_mark(uint64_t seq, uint32_t set, uint32_t clear)
{
    struct s_entry *e = entry_of(seq);
    uint64_t word = word_of(e);
    while (word >> 16 == seq &&
           !__atomic_compare_exchange_n(&e->word, &word, (word & ~(uint64_t)clear) | set, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

/* Whether the message of an entry can be forgotten. */
static bool is_settled(const struct s_entry *e, uint64_t word)
{
    if (word == 0 || (word & (S_ACKED | S_FAILED)) != 0)
        return true;
    if ((word & S_FILLING) != 0) /* and if its sender is killed now, never */
        return false;
    if ((word & S_ACKING) != 0 && is_long_dead(s_holder(e)))
        return true;
    return (word & S_SENT) == 0 && s_holder(e) == 0 && is_long_dead(e->sender);
}

/* ------------------------------------------------------------------------------------ payloads */

static void fill(void *buffer, uint64_t seq, uint32_t bytes)
{
    struct wire wire = {seq, s_me, bytes};
    uint8_t *data = buffer;
    memcpy(data, &wire, sizeof wire);
    for (uint32_t at = sizeof wire; at < bytes; at++)
        data[at] = (uint8_t)((seq * MIX >> 32) + at * 13u);
}

static bool is_whole(const struct shmbus_msg *msg, struct wire *ret)
{
    const uint8_t *data = msg->data;
    if (msg->size_bytes < sizeof *ret)
        return false;
    memcpy(ret, data, sizeof *ret);
    if (ret->bytes != msg->size_bytes)
        return false;
    for (uint32_t at = sizeof *ret; at < ret->bytes; at++) {
        if (data[at] != (uint8_t)((ret->seq * MIX >> 32) + at * 13u))
            return false;
    }
    return true;
}

uint32_t s_message_bytes_min(void)
{
    return sizeof(struct wire);
}

/* ------------------------------------------------------------------------------------- sending */

uint64_t s_begin_send(void *buffer, uint32_t bytes)
{
    uint64_t seq = __atomic_fetch_add(&s_books->next_seq, 1, __ATOMIC_SEQ_CST);
    struct s_entry *e = entry_of(seq);
    uint64_t word = word_of(e);

    if (!is_settled(e, word) ||
        !__atomic_compare_exchange_n(&e->word, &word, (seq << 16) | S_FILLING, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&s_books->skipped, 1, __ATOMIC_RELAXED);
        return 0;
    }
    e->sender = s_me;
    e->taken = 0;
    e->deliveries = 0;
    memset(e->first, 0, sizeof e->first);
    e->send_end_ns = e->recv_start_ns = e->recv_end_ns = 0;
    fill(buffer, seq, bytes);
    e->send_start_ns = s_before_ns();
    s_mark(seq, 0, S_FILLING); /* from here on it may be sent */
    return seq;
}

void s_end_send(uint64_t seq, int result)
{
    if (result == 0) {
        entry_of(seq)->send_end_ns = s_after_ns();
        s_mark(seq, S_SENT, 0);
    } else {
        s_mark(seq, S_FAILED, 0);
    }
}

/* ----------------------------------------------------------------------------------- receiving */

/* Whether whoever had it before may have lost or given it. */
static bool may_come_again(const struct s_entry *e, uint64_t word, enum s_stage stage)
{
    if (s_holder(e) == 0 || (word & S_GIVEN) != 0 || s_was_killed(s_holder(e)))
        return true;
    return stage == S_RESULTS &&
           (e->taken >> 32) == S_TASKS; /* its taker died before it noted it */
}

static void judge(const struct shmbus_msg *msg, struct s_entry *e, uint64_t seq, enum s_stage stage)
{
    uint64_t word = word_of(e);

    if (word >> 16 != seq || (word & (S_ACKED | S_FAILED)) != 0) {
        s_complain(
            &s_books->duplicated,
            "message %llu, delivery %u in stage %d: was acknowledged or never sent (%llu:%#x)",
            (unsigned long long)seq, msg->delivery_count, (int)stage,
            (unsigned long long)(word >> 16), (unsigned)(word & 0xffff));
        return;
    }
    if ((word & S_ACKING) != 0 && !s_was_killed(s_holder(e)))
        s_complain(&s_books->duplicated, "message %llu: its living holder is releasing it",
                   (unsigned long long)seq);
    if (stage == S_TASKS && (word & S_PASSED) != 0)
        s_complain(&s_books->duplicated, "message %llu: was forwarded already",
                   (unsigned long long)seq);
    if (stage == S_RESULTS && (word & S_PASSING) == 0)
        s_complain(&s_books->duplicated, "message %llu: nobody forwarded it",
                   (unsigned long long)seq);
    if (stage != S_DEAD && msg->delivery_count == 1 && e->first[stage] != 0)
        s_complain(&s_books->duplicated,
                   "message %llu: first delivery in stage %d for the %uth time",
                   (unsigned long long)seq, (int)stage, e->first[stage] + 1);
    if ((stage == S_DEAD || msg->delivery_count > 1) && !may_come_again(e, word, stage))
        s_complain(&s_books->robbed, "message %llu, delivery %u: life %u had it and lives",
                   (unsigned long long)seq, msg->delivery_count, s_holder(e));
}

uint64_t s_received(const struct shmbus_msg *msg, enum s_stage stage, int64_t start_ns)
{
    int64_t end_ns = s_after_ns();
    struct wire wire;
    struct s_entry *e;

    if (!is_whole(msg, &wire)) {
        s_complain(&s_books->damaged, "stage %d: a message of %zu bytes is damaged", (int)stage,
                   msg->size_bytes);
        return 0;
    }
    e = entry_of(wire.seq);
    judge(msg, e, wire.seq, stage);
    if (msg->delivery_count > 1)
        __atomic_fetch_add(&s_books->redelivered, 1, __ATOMIC_RELAXED);
    if (stage < S_HISTORIES && msg->delivery_count == 1) {
        e->recv_start_ns = start_ns;
        e->recv_end_ns = end_ns;
    }
    e->deliveries++;
    if (msg->delivery_count == 1)
        e->first[stage]++;
    __atomic_store_n(&e->taken, ((uint64_t)stage << 32) | s_me, __ATOMIC_SEQ_CST);
    s_mark(wire.seq, 0, S_GIVEN | S_ACKING | (stage == S_TASKS ? S_PASSING : 0));
    return wire.seq;
}

void s_empty_seen(enum s_stage stage, int64_t start_ns, int64_t end_ns)
{
    uint64_t i = __atomic_fetch_add(&s_books->empties[stage], 1, __ATOMIC_RELAXED);
    s_books->empty[stage][i % S_EMPTIES] = (struct s_empty){start_ns, end_ns, s_me};
}

void s_settle(void)
{
    for (uint32_t i = 0; i < S_WINDOW; i++) {
        const struct s_entry *e = &s_books->entry[i];
        uint64_t word = e->word;
        if (word == 0 || (word & (S_ACKED | S_FAILED | S_FILLING)) != 0 ||
            ((word & S_ACKING) != 0 && s_was_killed(s_holder(e))))
            continue;
        if ((word & S_SENT) != 0 || s_holder(e) != 0) {
            s_complain(&s_books->lost, "message %llu (flags %#x, sender %u, holder %u) never came",
                       (unsigned long long)(word >> 16), (unsigned)(word & 0xffff), e->sender,
                       s_holder(e));
        } else if (!s_was_killed(e->sender)) {
            s_complain(&s_books->failures, "message %llu: its sender %u does not know",
                       (unsigned long long)(word >> 16), e->sender);
        }
    }
}
