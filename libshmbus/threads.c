/*
 * A handle belongs to one thread at a time, and may be handed on; so that the thread which opened
 * it has ended does not prove that nobody will use it, and nothing is taken back for that alone.
 * Who opens with SHMBUS_THREAD says that it is not handed on: then the end of the thread closes it,
 * in the thread itself (a key of thread-specific data), where nobody else can be using it. For all
 * other handles the row says which thread opened it, or has used it since, and that it is gone is
 * shown.
 *
 * The number of a thread may be another one's later: then a handle counts as in use that is not.
 */
#include "threads.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cancel.h"
#include "error.h"
#include "life.h"
#include "ring_lanes.h"
#include "stat.h"

uint64_t sb_own_thread(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

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
                       "without SHMBUS_THREAD and close before the thread ends",
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

/* ------------------------------------------------------------------------- what was left behind */

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

/* The threads of one process, seen from any process of its pid namespace. */
struct threads {
    const struct sb_view *view;
    pid_t pid;
    uint32_t owner;
    uint64_t owner64;
    uint64_t last; /* asked about last, and the answer */
    bool last_is_gone;
};

static bool is_gone(struct threads *threads, uint64_t thread)
{
    char path[64];

    if (thread == 0) {
        return false;
    }
    if (thread != threads->last) {
        snprintf(path, sizeof path, "/proc/%d/task/%llu", (int)threads->pid,
                 (unsigned long long)thread);
        threads->last = thread;
        threads->last_is_gone = access(path, F_OK) < 0 && errno == ENOENT;
    }
    return threads->last_is_gone;
}

/* @holder: the mark of the handle that gave a message to the application, see channel.c. */
static bool is_left(struct threads *threads, uint64_t holder)
{
    uint32_t channel = ((uint32_t)(holder >> 16) & 0xffffu) - 1u;
    uint32_t row = ((uint32_t)holder & 0xffffu) - 1u;
    const struct sb_endpoint *endpoint;

    if (holder >> 32 != threads->owner || channel >= threads->view->channel_count ||
        row >= threads->view->channels[channel].endpoint_count) {
        return false;
    }
    endpoint = &threads->view->channels[channel].endpoints[row];
    return sb_load_acquire(&endpoint->w) == threads->owner64 &&
           is_gone(threads, sb_load_relaxed(&endpoint->thread));
}

static uint64_t left_in_blocks(struct threads *threads)
{
    const struct sb_blocks *blocks = &threads->view->blocks;
    uint64_t n = 0;

    for (uint32_t b = 0; b < blocks->count; b++) {
        struct sb_block_look look;
        uint64_t hdr = sb_load_relaxed(&sb_block_at(blocks, b)->hdr);
        if (sb_hdr_owner(hdr) != threads->owner || !sb_block_look(blocks, b, &look) ||
            sb_hdr_owner(look.hdr) != threads->owner) {
            continue;
        }
        n += (sb_hdr_state(look.hdr) == SB_HRX || sb_hdr_state(look.hdr) == SB_HTX) &&
             is_left(threads, look.holder);
    }
    return n;
}

static uint64_t left_in_cells(struct threads *threads, const struct sb_channel_view *ch)
{
    uint64_t end = sb_cells_used(ch), n = 0;

    for (uint64_t i = 0; i < end; i++) {
        const struct sb_cell *cell = sb_cell_at(ch, i);
        uint64_t w = sb_load_acquire(&cell->w);
        n += sb_hdr_state(w) == SB_HRX && sb_hdr_owner(w) == threads->owner &&
             is_left(threads, sb_load_acquire(&cell->holder));
    }
    return n;
}

/* Handles, and what a stream gave through them. */
static void left_in_rows(struct threads *threads, const struct sb_channel_view *ch,
                         struct shmbus_process_stat *stat)
{
    for (uint32_t i = 0; i < ch->endpoint_count; i++) {
        const struct sb_endpoint *row = &ch->endpoints[i];
        if (sb_load_acquire(&row->w) != threads->owner64 ||
            !is_gone(threads, sb_load_relaxed(&row->thread))) {
            continue;
        }
        stat->handles_left++;
        stat->held_left += (uint32_t)sb_in_hand_of_stream(ch, row);
    }
}

void sb_left_behind(const struct sb_view *view, uint64_t w, struct shmbus_process_stat *stat)
{
    struct threads threads = {
        .view = view,
        .pid = stat->pid,
        .owner = sb_owner_make(stat->slot, sb_proc_epoch(w)),
        .owner64 = sb_owner64_make(stat->slot, sb_proc_epoch(w)),
    };

    if (!stat->same_pid_namespace || sb_process_state(stat->pid, stat->start_time_ticks) == 0) {
        return;
    }
    for (uint32_t c = 0; c < view->channel_count; c++) {
        left_in_rows(&threads, &view->channels[c], stat);
    }
    if (stat->handles_left == 0) {
        return;
    }
    stat->held_left += (uint32_t)left_in_blocks(&threads);
    for (uint32_t c = 0; c < view->channel_count; c++) {
        stat->held_left += (uint32_t)left_in_cells(&threads, &view->channels[c]);
    }
}
