/* SPDX-License-Identifier: MIT */
/*
 * shmbus_channel_fd(): an eventfd that a helper thread of this process makes readable.
 *
 * The thread sleeps on the channel's futex word like any receiver and writes the eventfd when
 * there is something; the receiver's -EAGAIN empties the eventfd and sends the thread to sleep
 * again. So senders need to know nothing about descriptors, and no descriptor ever has to cross a
 * process or a container border. The price is a second wake-up. Like a receiver that sleeps it sees
 * to it that deaths are noticed: what is to come may be what a dead process holds.
 */
#include "channel/poll.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/keeper.h"
#include "bus/watcher.h"
#include "channel/channel.h"
#include "channel/wait.h"
#include "protocol/anchor.h"
#include "protocol/event.h"

struct sb_poll {
    struct shmbus_channel *ch;
    pthread_t thread;
    int fd;
    sem_t armed;      /* posted when the receiver has found nothing */
    sb_word32 state;  /* POLL_WATCHING until reported; POLL_STOP ends the thread */
    max_align_t at[]; /* where the receiver stood when it armed us; its own while REPORTED */
};

enum { POLL_REPORTED = 0, POLL_WATCHING = 1, POLL_STOP = 2 };

/* Whether the next receive would return at once: a message, a departure, or the end. */
static bool has_news(struct sb_poll *poll)
{
    const struct shmbus_channel *ch = poll->ch;

    if (sb_load_relaxed(&ch->bus->view.super->shutdown) != 0 ||
        sb_load32_relaxed(&ch->bus->interrupted) != 0) {
        return true;
    }
    if (sb_hope_is_gone(ch, SB_WAITS_MESSAGE)) {
        return true;
    }
    return ch->ops->has_news(ch, poll->at);
}

static void report(struct sb_poll *poll)
{
    uint64_t one = 1;
    while (write(poll->fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void watch(struct sb_poll *poll)
{
    struct sb_event *event = &poll->ch->view->shared->readable;
    int64_t slice_ns = sb_wait_slice_ns(poll->ch->bus);

    while (sb_load32_acquire(&poll->state) == POLL_WATCHING) {
        uint32_t announced = sb_event_announce(event);
        if (has_news(poll)) {
            if (sb_cas32(&poll->state, POLL_WATCHING, POLL_REPORTED)) {
                report(poll);
            }
            return;
        }
        sb_event_sleep(event, announced, slice_ns);
        sb_bus_look(poll->ch->bus, sb_now_ns());
    }
}

static void *poll_main(void *argument)
{
    struct sb_poll *poll = argument;

    for (;;) {
        while (sem_wait(&poll->armed) < 0) {
        }
        if (sb_load32_acquire(&poll->state) == POLL_STOP) {
            return NULL;
        }
        watch(poll);
    }
}

static int poll_open(struct shmbus_channel *ch)
{
    struct sb_poll *poll = calloc(1, sizeof *poll + ch->ops->standpoint_bytes);
    int r;

    if (poll == NULL) {
        return sb_fail(-ENOMEM, "channel \"%s\": out of memory", ch->name);
    }
    poll->ch = ch;
    sem_init(&poll->armed, 0, 0);
    poll->fd = sb_fd_above_standard(
        eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); /* readable until the first -EAGAIN */
    if (poll->fd < 0) {
        r = sb_fail(errno == EINVAL ? -EMFILE : -errno,
                    "channel \"%s\": no descriptor to be had: %s; raise RLIMIT_NOFILE (ulimit -n)",
                    ch->name, strerror(errno));
        free(poll);
        return r;
    }
    r = -sb_thread_start(&poll->thread, poll_main, poll);
    if (r < 0) {
        close(poll->fd);
        free(poll);
        return sb_fail(r == -EAGAIN ? -ENOMEM : r, /* a limit: trying again is of no use */
                       "channel \"%s\": no thread for its descriptor: %s; raise RLIMIT_NPROC "
                       "(ulimit -u), the pids of the cgroup or, with mlockall(), RLIMIT_MEMLOCK",
                       ch->name, strerror(-r));
    }
    ch->poll = poll;
    sb_watcher_start(ch->bus); /* the receiver will sleep, only not in a call of ours */
    return poll->fd;
}

int shmbus_channel_fd(struct shmbus_channel *ch)
{
    if (ch == NULL || (ch->mode & SHMBUS_OPEN_RECV) == 0) {
        return sb_fail(-EINVAL, "shmbus_channel_fd: the channel is not open for receiving");
    }
    if (!sb_bus_is_ours(ch->bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED,
                       "shmbus_channel_fd: the handle is the parent's; attach again");
    }
    return ch->poll != NULL ? ch->poll->fd : poll_open(ch);
}

/* Empties first and looks at the state second: a report that comes in between is then either
 * still WATCHING, and its write comes after the emptying, or seen as REPORTED and armed again. */
void sb_poll_rearm(struct sb_poll *poll)
{
    uint64_t count;
    int state = sb_cancel_off();

    while (read(poll->fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
    sb_cancel_back(state);
    if (sb_load32_acquire(&poll->state) != POLL_REPORTED) {
        return;
    }
    if (poll->ch->ops->stand != NULL) {
        poll->ch->ops->stand(poll->ch, poll->at);
    }
    if (sb_cas32(&poll->state, POLL_REPORTED, POLL_WATCHING)) {
        sem_post(&poll->armed);
    }
}

void sb_poll_close(struct sb_poll *poll)
{
    if (poll == NULL) {
        return;
    }
    if (sb_bus_is_ours(poll->ch->bus)) { /* a forked child has no such thread */
        sb_store32_release(&poll->state, POLL_STOP);
        sem_post(&poll->armed);
        sb_event_wake_all(&poll->ch->view->shared->readable);
        pthread_join(poll->thread, NULL);
    }
    sem_destroy(&poll->armed);
    close(poll->fd);
    free(poll);
}
