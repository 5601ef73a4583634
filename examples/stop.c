/* SPDX-License-Identifier: MIT */
/* See stop.h. */
#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define GIVE_BACK_NS INT64_C(1000000000) /* for what a thread does when the deadline is there */
enum { DEPTH_MAX = 8 };

int stop_init(struct stop *node, struct stop *parent, struct shmbus *bus)
{
    node->parent = parent;
    node->bus = bus;
    node->asked_ns = node->deadline_ns = 0;
    node->given_back = 0;
    node->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return node->event < 0 ? -errno : 0;
}

void stop_free(struct stop *node)
{
    close(node->event);
}

/* The deadline first: who sees that it was asked must find it. */
void stop_ask(struct stop *node, int64_t limit_ns)
{
    int64_t none = 0, now_ns = program_now_ns();
    uint64_t one = 1;

    if (!atomic_compare_exchange_strong(&node->deadline_ns, &none, now_ns + limit_ns))
        return;
    node->asked_ns = now_ns;
    if (write(node->event, &one, sizeof one) < 0) {
        /* full, which is readable as well */
    }
    if (node->bus != NULL)
        shmbus_interrupt(node->bus); /* stays on: a thread that is about to wait does not */
}

bool stop_asked(const struct stop *node)
{
    return stop_since_ns(node) != 0;
}

int64_t stop_since_ns(const struct stop *node)
{
    int64_t first_ns = 0;

    for (; node != NULL; node = node->parent) {
        int64_t asked_ns = node->asked_ns;

        if (asked_ns != 0 && (first_ns == 0 || asked_ns < first_ns))
            first_ns = asked_ns;
    }
    return first_ns;
}

int64_t stop_left_ns(const struct stop *node)
{
    int64_t left_ns = INT64_MAX, now_ns = program_now_ns();

    for (; node != NULL; node = node->parent) {
        int64_t deadline_ns = node->deadline_ns;

        if (node->asked_ns != 0 && deadline_ns - now_ns < left_ns)
            left_ns = deadline_ns - now_ns;
    }
    return left_ns < 0 ? 0 : left_ns;
}

int stop_recv(struct stop *node, struct shmbus_channel *ch, struct shmbus_msg *ret_msg,
              int64_t timeout_ns)
{
    int result;

    if (stop_asked(node))
        return -ECANCELED;
    result = shmbus_recv(ch, ret_msg, timeout_ns);
    return result == -EINTR && stop_asked(node) ? -ECANCELED : result;
}

int stop_give_back(struct stop *node, struct shmbus_msg *msg)
{
    int result = shmbus_requeue(msg);

    if (result == 0)
        node->given_back++;
    return result;
}

/* Sleeps until @end_ns, or until it is asked. */
static void sleep_until(const struct stop *node, int64_t end_ns)
{
    struct pollfd events[DEPTH_MAX];
    int64_t left_ns = end_ns - program_now_ns();
    struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
    nfds_t count = 0;

    for (; node != NULL && count < DEPTH_MAX; node = node->parent)
        events[count++] = (struct pollfd){.fd = node->event, .events = POLLIN};
    if (left_ns > 0)
        ppoll(events, count, &left, NULL);
}

bool stop_pause(struct stop *node, int64_t ns)
{
    int64_t end_ns = program_now_ns() + ns;

    while (!stop_asked(node) && program_now_ns() < end_ns)
        sleep_until(node, end_ns);
    return !stop_asked(node);
}

bool stop_finish(struct stop *node, int64_t ns)
{
    int64_t end_ns = program_now_ns() + ns, left_ns;

    while (program_now_ns() < end_ns && !stop_asked(node))
        sleep_until(node, end_ns);
    left_ns = end_ns - program_now_ns();
    if (left_ns <= 0)
        return true;
    if (left_ns <= stop_left_ns(node)) {
        program_sleep_ns(left_ns);
        return true;
    }
    program_sleep_ns(stop_left_ns(node));
    return false;
}

size_t stop_join(struct stop *node, const pthread_t *threads, size_t count)
{
    int64_t end_ns = program_now_ns() + stop_left_ns(node) + GIVE_BACK_NS;
    struct timespec end = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        left += pthread_clockjoin_np(threads[i], NULL, CLOCK_MONOTONIC, &end) != 0;
    return left;
}
