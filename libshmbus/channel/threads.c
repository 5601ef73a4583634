/* SPDX-License-Identifier: MIT */
/*
 * A handle belongs to one thread at a time, and may be handed on; so that the thread which opened
 * it has ended does not prove that nobody will use it, and nothing is taken back for that alone.
 * Who opens with SHMBUS_OPEN_THREAD says that it is not handed on: then the end of the thread
 * closes it, in the thread itself (a key of thread-specific data), where nobody else can be using
 * it. For all other handles the row says which thread opened it, or has used it since, and that it
 * is gone is shown (left.c).
 *
 * The number of a thread may be another one's later: then a handle counts as in use that is not.
 */
#include "channel/threads.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/here.h"
#include "channel/close.h"

/* --------------------------------------------------------------------------- bound to a thread */

/* Takes one handle of the calling thread off the bus's list; NULL: there is none left. */
static struct shmbus_channel *take_bound(struct shmbus *bus, uint64_t thread)
{
    struct shmbus_channel **p;
    struct shmbus_channel *ch;

    pthread_mutex_lock(&bus->lock);
    for (p = &bus->channels; *p != NULL && (*p)->bound_thread != thread;) {
        p = &(*p)->next;
    }
    ch = *p;
    if (ch != NULL) {
        *p = ch->next;
    }
    pthread_mutex_unlock(&bus->lock);
    return ch;
}

/* The destructor of the key: the calling thread ends. */
static void close_bound(void *argument)
{
    struct shmbus *bus = argument;
    struct shmbus_channel *ch;
    int state;

    if (!sb_bus_is_ours(bus)) { /* a thread of a forked child: the handles are the parent's */
        return;
    }
    state = sb_cancel_off();
    while ((ch = take_bound(bus, sb_own_thread())) != NULL) {
        sb_channel_shut(ch);
    }
    sb_cancel_back(state);
}

static int make_key(struct shmbus *bus)
{
    int e = 0;

    pthread_mutex_lock(&bus->lock);
    if (!bus->has_thread_key) {
        e = pthread_key_create(&bus->thread_key, close_bound);
        bus->has_thread_key = e == 0;
    }
    pthread_mutex_unlock(&bus->lock);
    return e;
}

int sb_thread_bind(struct shmbus_channel *ch)
{
    int e = make_key(ch->bus);

    if (e == 0) {
        e = pthread_setspecific(ch->bus->thread_key, ch->bus);
    }
    if (e == EAGAIN) {
        return sb_fail(-SHMBUS_ERR_TOO_MANY,
                       "channel \"%s\": the process has no key of thread-specific data left; open "
                       "without SHMBUS_OPEN_THREAD and close before the thread ends",
                       ch->name);
    }
    if (e != 0) {
        return sb_fail(-ENOMEM, "channel \"%s\": out of memory", ch->name);
    }
    ch->bound_thread = sb_own_thread();
    return 0;
}

void sb_threads_forget(struct shmbus *bus)
{
    if (bus->has_thread_key) {
        pthread_key_delete(bus->thread_key);
        bus->has_thread_key = false;
    }
}

/* ----------------------------------------------------------------------------------- counting */

static bool own_thread_is_gone(uint64_t thread)
{
    return thread != 0 && syscall(SYS_tgkill, getpid(), (pid_t)thread, 0) < 0 && errno == ESRCH;
}

struct sb_handle_count sb_handle_count(const struct shmbus_channel *ch)
{
    struct sb_handle_count count = {0};

    for (uint32_t i = 0; i < ch->view->endpoint_count; i++) {
        const struct sb_endpoint *row = &ch->view->endpoints[i];
        uint64_t owner64 = sb_load_acquire(&row->w);
        count.all += owner64 != 0;
        if (owner64 == ch->bus->member.owner64) {
            count.own++;
            count.left += own_thread_is_gone(sb_load_relaxed(&row->thread));
        }
    }
    return count;
}
