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
    uint32_t sender;
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
            items[n++] = (struct item){e->sender, e->send_start_ns, e->send_end_ns,
                                       e->recv_start_ns, e->recv_end_ns};
    }
    return n;
}

/* Among all messages whose send ended before @before, the latest start of a receive. */
struct sweep {
    struct item **by_end;
    size_t count, next;
    int64_t latest_recv_ns;
};

static int64_t latest_before(struct sweep *sweep, int64_t before)
{
    while (sweep->next < sweep->count && sweep->by_end[sweep->next]->send_end_ns < before) {
        int64_t start = sweep->by_end[sweep->next++]->recv_start_ns;
        if (start > sweep->latest_recv_ns)
            sweep->latest_recv_ns = start;
    }
    return sweep->latest_recv_ns;
}

/* a was sent before b, but b had been taken before the taking of a began. */
static uint64_t wrong_order(struct item *items, struct sweep sweep)
{
    uint64_t found = 0;
    for (size_t i = 0; i < sweep.count; i++)
        found += latest_before(&sweep, items[i].send_start_ns) > items[i].recv_end_ns;
    return found;
}

/* The same among the messages of each producer, who sends one after the other. Sorts them. */
static uint64_t wrong_order_of_one(struct item *items, size_t count)
{
    uint64_t found = 0;
    int64_t latest_recv_ns = 0;
    qsort(items, count, sizeof *items, by_sender);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || items[i].sender != items[i - 1].sender)
            latest_recv_ns = 0;
        found += latest_recv_ns > items[i].recv_end_ns;
        if (items[i].recv_start_ns > latest_recv_ns)
            latest_recv_ns = items[i].recv_start_ns;
    }
    return found;
}

static uint64_t wrong_empty(struct s_empty *empties, size_t count, struct sweep sweep)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += latest_before(&sweep, empties[i].start_ns) > empties[i].end_ns;
    return found;
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
    struct sweep sweep = {by_end, n, 0, 0};
    history.messages = n;
    history.empties = empties;
    history.violations = wrong_empty(empty, empties, sweep);
    history.violations +=
        stage == S_JOBS ? wrong_order_of_one(items, n) : wrong_order(items, sweep);
    free(by_end);
    free(items);
    return history;
}
