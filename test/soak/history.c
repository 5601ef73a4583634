/* SPDX-License-Identifier: MIT */
/*
 * Was it a queue? The recorded intervals of sends and receives are held against the properties that
 * make a history one of a queue: what comes out was sent, and once (ledger.c); no two messages come
 * out in the wrong order, with order per producer no two of one producer; and "empty" is not said
 * while something waits. Messages that were delivered again are left out: they are allowed to come
 * out of order.
 */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    uint64_t seq;
    uint32_t sender, receiver;
    int64_t send_start_ns, send_end_ns, recv_start_ns, recv_end_ns;
};

static int by_send_start(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return (x->send_start_ns > y->send_start_ns) - (x->send_start_ns < y->send_start_ns);
}

static int by_send_end(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    return (x->send_end_ns > y->send_end_ns) - (x->send_end_ns < y->send_end_ns);
}

static int by_empty_start(const void *a, const void *b)
{
    const struct s_empty *x = a, *y = b;
    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static int by_sender(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->sender != y->sender ? (x->sender > y->sender) - (x->sender < y->sender)
                                  : by_send_start(a, b);
}

/* Messages delivered exactly once whose send and receive are both known. */
static size_t collect(struct item *items, enum s_stage stage)
{
    size_t n = 0;
    for (uint32_t i = 0; i < S_WINDOW; i++) {
        const struct s_entry *e = &s_books->entry[i];
        bool known = (e->word & S_SENT) != 0 && e->first[stage] == 1 &&
                     e->send_end_ns >= e->send_start_ns && e->recv_start_ns != 0;
        if (known && e->deliveries == 1 + ((e->word & S_PASSING) != 0))
            items[n++] =
                (struct item){e->word >> 16,  e->sender,        s_holder(e),   e->send_start_ns,
                              e->send_end_ns, e->recv_start_ns, e->recv_end_ns};
    }
    return n;
}

/* One finding more. The first one is told in full: it will not come again. Times are relative to
 * the end of the send of @early, which was to come first and was received last. */
static void found(struct s_history *history, const char *what, const struct item *early,
                  int64_t start_ns, int64_t end_ns, uint32_t by)
{
    int64_t zero = early->send_end_ns;

    if (history->violations++ == 0)
        snprintf(history->first, sizeof history->first,
                 "%s by life %u from %lld to %lld ns; message %llu of life %u was sent from %lld "
                 "to 0 ns and taken by life %u from %lld to %lld ns",
                 what, by, (long long)(start_ns - zero), (long long)(end_ns - zero),
                 (unsigned long long)early->seq, early->sender,
                 (long long)(early->send_start_ns - zero), early->receiver,
                 (long long)(early->recv_start_ns - zero), (long long)(early->recv_end_ns - zero));
}

/* Among all messages whose send ended before @before, the one whose receive began last; or NULL. */
struct sweep {
    struct item **by_end;
    size_t count, next;
    const struct item *latest;
};

static const struct item *latest_before(struct sweep *sweep, int64_t before)
{
    while (sweep->next < sweep->count && sweep->by_end[sweep->next]->send_end_ns < before) {
        const struct item *item = sweep->by_end[sweep->next++];
        if (sweep->latest == NULL || item->recv_start_ns > sweep->latest->recv_start_ns)
            sweep->latest = item;
    }
    return sweep->latest;
}

/* a was sent before b, but b had been taken before the taking of a began. */
static void look_for_wrong_order(struct s_history *history, struct item *items, struct sweep sweep)
{
    for (size_t i = 0; i < sweep.count; i++) {
        const struct item *b = &items[i], *a = latest_before(&sweep, b->send_start_ns);
        if (a != NULL && a->recv_start_ns > b->recv_end_ns)
            found(history, "a later message was taken", a, b->recv_start_ns, b->recv_end_ns,
                  b->receiver);
    }
}

/* The same among the messages of each producer, who sends one after the other. Sorts them. */
static void look_for_wrong_order_of_one(struct s_history *history, struct item *items, size_t count)
{
    const struct item *a = NULL;

    qsort(items, count, sizeof *items, by_sender);
    for (size_t i = 0; i < count; i++) {
        const struct item *b = &items[i];
        if (a != NULL && a->sender != b->sender)
            a = NULL;
        if (a != NULL && a->recv_start_ns > b->recv_end_ns)
            found(history, "a later message of the same producer was taken", a, b->recv_start_ns,
                  b->recv_end_ns, b->receiver);
        if (a == NULL || b->recv_start_ns > a->recv_start_ns)
            a = b;
    }
}

static void look_for_wrong_empty(struct s_history *history, struct s_empty *empties, size_t count,
                                 struct sweep sweep)
{
    for (size_t i = 0; i < count; i++) {
        const struct item *a = latest_before(&sweep, empties[i].start_ns);
        if (a != NULL && a->recv_start_ns > empties[i].end_ns)
            found(history, "\"empty\" was said", a, empties[i].start_ns, empties[i].end_ns,
                  empties[i].by);
    }
}

struct s_history s_check_history(enum s_stage stage)
{
    struct s_history history = {0};
    struct item *items = calloc(S_WINDOW, sizeof *items);
    struct item **by_end = calloc(S_WINDOW, sizeof *by_end);
    struct s_empty *empty = s_books->empty[stage];
    size_t empties = s_books->empties[stage] < S_EMPTIES ? s_books->empties[stage] : S_EMPTIES;

    if (items == NULL || by_end == NULL) {
        perror("soak: no memory for the history");
        exit(2);
    }
    size_t n = collect(items, stage);
    qsort(items, n, sizeof *items, by_send_start);
    for (size_t i = 0; i < n; i++)
        by_end[i] = &items[i];
    qsort(by_end, n, sizeof *by_end, by_send_end);
    qsort(empty, empties, sizeof *empty, by_empty_start);
    struct sweep sweep = {by_end, n, 0, NULL};
    history.messages = n;
    history.empties = empties;
    look_for_wrong_empty(&history, empty, empties, sweep);
    if (stage == S_JOBS)
        look_for_wrong_order_of_one(&history, items, n);
    else
        look_for_wrong_order(&history, items, sweep);
    free(by_end);
    free(items);
    return history;
}
