/* SPDX-License-Identifier: MIT */
/*
 * The accounts of the soak, outside the bus: an anonymous mapping that all its processes share.
 *
 * Every message has an entry. Who is about to do something writes that down first, and again when
 * it is done; so after a kill there is either certainty or one open question, and the supervisor
 * notes every kill before it happens. What a receiver sees is held against that:
 *   - a message that was acknowledged, forwarded, or whose send failed, must not come (again);
 *   - one that comes again must have been given back, or its last holder killed: nobody is robbed;
 *   - its payload must be what was written;
 *   - at the end every message that was sent has been acknowledged.
 */
#ifndef S_LEDGER_H
#define S_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

#define S_WINDOW (1u << 18)    /* messages in the books at once; entries are used again */
#define S_LIVES_MAX (1u << 16) /* processes that a run may start */
#define S_EMPTIES (1u << 15)   /* "queue is empty" answers remembered, of each history */
#define S_STREAMS 4u
#define S_COMPLAINTS 20u

/* Tasks have total order, jobs the order of each producer; both have a history. */
enum s_stage { S_TASKS = 0, S_JOBS = 1, S_HISTORIES = 2, S_RESULTS = 2, S_DEAD = 3, S_STAGES = 4 };

/* word: seq:48 | flags:16, so that nobody can mark the next message in the entry by mistake */
enum s_flag {
    S_SENT = 1,     /* the send returned 0 */
    S_FAILED = 2,   /* the send failed: nothing was sent */
    S_GIVEN = 4,    /* the holder is giving it back, or has */
    S_ACKING = 8,   /* the holder is about to release it */
    S_ACKED = 16,   /* it was released */
    S_PASSING = 32, /* the holder is about to forward it */
    S_PASSED = 64,  /* it was forwarded */
    S_FILLING = 128 /* its entry is being filled in: nobody else may have it */
};

struct s_entry {
    uint64_t word;
    uint32_t sender; /* life that sent it */
    /* stage : 32 | life : 32 that received it last, 0 nobody yet. In one word: one that is killed
     * while it notes itself would otherwise be taken for the one before, in a later stage. */
    uint64_t taken;
    uint32_t first[S_STAGES]; /* deliveries with count 1 */
    uint32_t deliveries;
    int64_t send_start_ns, send_end_ns;
    int64_t recv_start_ns, recv_end_ns;
};

/* One process from start to end. Number 0 is nobody. */
struct s_life {
    int64_t killed_ns; /* noted before the kill; 0: alive or left in order */
    uint32_t slot;     /* of the process table; valid once attached is set */
    uint32_t attached;
    uint64_t epoch;
    uint64_t progress;
};

struct s_stream {
    uint64_t confirmed; /* number of the last message whose send returned 0 */
    uint64_t attempts;  /* each send is one */
    uint64_t last, last_attempt;
    uint32_t last_sender, receiver;
};

struct s_empty {
    int64_t start_ns, end_ns;
    uint32_t by;
};

struct s_ledger {
    uint64_t next_seq;
    uint32_t lives;
    uint32_t stop;
    uint64_t messages, redelivered, skipped;
    uint64_t lost, duplicated, robbed, damaged, failures;
    uint32_t complaints;
    char complaint[S_COMPLAINTS][500];
    uint64_t empties[S_HISTORIES];
    struct s_empty empty[S_HISTORIES][S_EMPTIES];
    struct s_stream stream[S_STREAMS];
    struct s_life life[S_LIVES_MAX];
    struct s_entry entry[S_WINDOW];
};

extern struct s_ledger *s_books;
extern uint32_t s_me; /* my life */

void s_books_open(void);
int64_t s_now_ns(void);

/* The time before and after something, for those who compare with the clock of another process. A
 * call that commits by a plain store returns while the store is in the store buffer, up to a
 * microsecond before others see it (doc/memory-model.md, "When it is sent"): s_after_ns() waits. */
int64_t s_before_ns(void);
int64_t s_after_ns(void);
uint64_t s_random(void);
void s_random_seed(uint64_t seed);

/* Something that must not be: counted in *@counter and in the failures. */
void s_complain(uint64_t *counter, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool s_was_killed(uint32_t life);
uint32_t s_holder(const struct s_entry *e); /* life, 0: nobody yet */

/* A new message of @bytes in @buffer; 0 if its entry is still in use. */
uint64_t s_begin_send(void *buffer, uint32_t bytes);
void s_end_send(uint64_t seq, int result);
uint32_t s_message_bytes_min(void);

/* A message in the hands of this process. Its number, 0 if it is damaged. */
uint64_t s_received(const struct shmbus_msg *msg, enum s_stage stage, int64_t start_ns);

/* Before and after what is done with it. */
void s_mark(uint64_t seq, uint32_t set, uint32_t clear);
void s_empty_seen(enum s_stage stage, int64_t start_ns, int64_t end_ns);

/* At the end: what was sent and never acknowledged. */
void s_settle(void);

/* Whether the recorded history of tasks, or jobs, is one of such a queue. history.c */
struct s_history {
    uint64_t messages, empties, violations;
    char first[400]; /* the first violation, if there is one */
};
struct s_history s_check_history(enum s_stage stage);

/* The work of one process until the books say stop; @role 0 .. S_ROLES - 1. workers.c */
#define S_ROLES 8u
int s_work(const char *bus_name, uint32_t index);
/* Takes what is left of everything. */
void s_drain(struct shmbus *bus);

#endif
