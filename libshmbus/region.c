/*
 * A region: writers exclude each other by a lock that names its holder, readers copy without any
 * lock and check afterwards that nothing changed (a sequence lock), and a half write of a dead
 * process is undone from a copy of the old bytes.
 *
 *   writer                                       reader
 *   L  cas  lock: 0, or a dead holder -> me      P  load_acquire version: odd -> wait
 *   U  undo area = old bytes; store undo         Q  load_acquire the words of the data
 *   B  store_release version: odd                R  load version again: changed -> from P
 *   W  store_release the words of the data
 *   C  store_release version: even = COMMIT
 *   K  store writes; store_release lock = 0; wake
 *
 * Who writes: lock by CAS as above, to 0 by its holder; everything else the holder of the lock.
 * U before B: who finds the version odd finds the undo area complete; B is a release.
 * B before W, W->Q: each data word is a release store and an acquire load, so a reader who sees one
 *   new word sees the odd version at R. On x86 these are plain moves.
 * Q before R: acquire loads are done before what follows. R = P means no word was from a write.
 * A reader who does not get a quiet moment within his spin takes the lock like a writer.
 *
 * Killed before B: lock held, version even: nothing to undo. Wherever it was killed, recovery sets
 *   the lock to 0, and the next one may take it over before that.
 * Killed between B and C: whoever next takes the lock finds the version odd, puts the old bytes
 *   back, makes the version even and counts a rollback. He holds the lock by his own name while he
 *   does, so nobody else writes; killed himself, the next one does the same from the same undo.
 * Killed between C and K: the write is done; the lock is taken over, writes is set right.
 * Killed between K and the wake-up: recovery wakes whoever waits for any region.
 * Stopped anywhere: the others wait, at most their timeout. Nobody takes a lock from the living.
 * A dead holder is one whose process word is not ACTIVE with the epoch in the lock, or of whom the
 * kernel says so. A lock value is never used twice by different holders (48 bits of epoch), so the
 * CAS from a dead holder cannot hit a living one.
 * Half a write is undone only by processes with an identity: an anonymous helper could be stopped
 *   in the middle and go on later, over newer bytes. Observers answer -EAGAIN.
 *
 * version / 2 = finished writes + rollbacks at any even version; so writes and rollbacks are
 * functions of each other and of version, and repeating an interrupted step counts nothing twice.
 * Checked by: test/unit/test_region.c, test_region_steps.c, test/model
 */
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "cancel.h"
#include "clock.h"
#include "error.h"
#include "event.h"
#include "wait.h"

#define WORD 8u
#define QUICK_TRIES 16u    /* optimistic reads without looking at the clock */
#define SLICE_NS 50000000  /* longest sleep before the holder is looked at again */
#define BEAT_NS 10000000   /* from one heartbeat to the next while spinning */
#define OBSERVER_NS 200000 /* an observer cannot be woken */

struct shmbus_region {
    struct shmbus *bus;
    const struct sb_region_view *view;
    const char *name;
    struct shmbus_region *next;
};

/* ----------------------------------------------------------------------------- lock and wait */

/* One call's patience: spin a while, ask the kernel about the holder, then sleep in slices. */
struct patience {
    int64_t timeout_ns, deadline_ns, spin_until_ns, signals_ns, beat_ns;
    bool ask_kernel;
};

static struct patience patience_make(const struct shmbus *bus, int64_t timeout_ns)
{
    struct patience p = {.timeout_ns = timeout_ns};
    if (timeout_ns != 0) {
        p.deadline_ns = sb_deadline_ns(timeout_ns);
        p.spin_until_ns = sb_deadline_ns(bus->spin_ns > 0 ? bus->spin_ns : 0);
        p.signals_ns = sb_deadline_ns(bus->minds_signals ? SB_SIGNALS_NS : SHMBUS_WAIT_FOREVER);
    }
    return p;
}

static bool holder_is_dead(struct shmbus *bus, uint64_t holder, bool ask_kernel)
{
    uint32_t slot = sb_owner64_slot(holder);
    uint64_t w;
    bool dead;
    if (slot >= bus->view.process_count) {
        return true; /* names nobody: damage */
    }
    w = sb_load_acquire(&bus->view.processes[slot].w);
    if (sb_proc_state(w) != SB_PROC_ACTIVE || sb_owner64_make(slot, sb_proc_epoch(w)) != holder) {
        return true;
    }
    if (!ask_kernel) {
        return false;
    }
    pthread_mutex_lock(&bus->oracle_lock);
    dead = sb_process_is_dead(&bus->view, &bus->oracle, slot, w);
    pthread_mutex_unlock(&bus->oracle_lock);
    return dead;
}

/* True: a handler ran. */
static bool sleep_until_unlocked(struct shmbus_region *region, uint64_t holder, int64_t left_ns)
{
    struct sb_region *r = region->view->shared;
    int64_t slice_ns = left_ns < SLICE_NS ? left_ns : SLICE_NS;
    uint32_t announced;
    bool handled = false;
    if (region->bus->observer) {
        struct timespec t = {0, slice_ns < OBSERVER_NS ? slice_ns : OBSERVER_NS};
        int state = sb_cancel_off();
        handled = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL) == EINTR;
        sb_cancel_back(state);
        return handled;
    }
    sb_process_beat(&region->bus->view, &region->bus->member);
    announced = sb_event_announce(&r->unlocked);
    if (sb_load_acquire(&r->lock) == holder) {
        sb_word *waits = &region->bus->view.processes[region->bus->member.slot].region_waits;
        sb_fetch_add(waits, 1); /* other threads wait, too */
        handled = sb_event_sleep(&r->unlocked, announced, slice_ns);
        sb_fetch_add(waits, UINT64_MAX);
    }
    return handled;
}

/* The region was found in use by @holder: 0 to look again, or why not to. */
static int wait_a_while(struct shmbus_region *region, struct patience *p, uint64_t holder)
{
    int64_t now_ns;
    if (sb_load32_relaxed(&region->bus->interrupted) != 0) {
        return sb_fail_quick(-EINTR, region->name, "interrupted");
    }
    if (p->timeout_ns == 0) {
        if (p->ask_kernel) {
            return sb_fail_quick(-EAGAIN, region->name, "region is being written");
        }
        p->ask_kernel = true;
        return 0;
    }
    now_ns = sb_now_ns();
    if (now_ns >= p->signals_ns && now_ns < p->deadline_ns) {
        return sb_fail_quick(-EINTR, region->name, "a signal may have come");
    }
    if (now_ns < p->spin_until_ns && now_ns < p->deadline_ns) {
        if (now_ns >= p->beat_ns && !region->bus->observer) {
            p->beat_ns = now_ns + BEAT_NS;
            sb_process_beat(&region->bus->view, &region->bus->member);
        }
        sb_pause();
        return 0;
    }
    if (!p->ask_kernel) {
        p->ask_kernel = true;
        return 0;
    }
    if (now_ns >= p->deadline_ns) {
        return sb_fail_quick(-ETIMEDOUT, region->name, "region is still being written");
    }
    if (sleep_until_unlocked(region, holder, p->deadline_ns - now_ns) &&
        region->bus->minds_signals) {
        return sb_fail_quick(-EINTR, region->name, "interrupted by a signal");
    }
    return 0;
}

static void unlock(struct shmbus_region *region)
{
    struct sb_region *r = region->view->shared;
    sb_store_release(&r->lock, 0); /* K */
    sb_event_wake_after_store(&r->unlocked);
}

/* ------------------------------------------------------------------------------------- bytes */

static inline sb_word *word_of(uint8_t *area, uint64_t index)
{
    return (sb_word *)(void *)(area + index * WORD);
}

/* Words that bytes [offset, offset + size) touch; size is not 0. */
struct span {
    uint64_t first, count;
};

static struct span span_of(uint64_t offset_bytes, uint64_t size_bytes)
{
    uint64_t first = offset_bytes / WORD;
    return (struct span){first, (offset_bytes + size_bytes + WORD - 1) / WORD - first};
}

static void copy_words(uint8_t *to, uint8_t *from, struct span span)
{
    for (uint64_t i = span.first; i < span.first + span.count; i++) {
        sb_store_release(word_of(to, i), sb_load_acquire(word_of(from, i)));
    }
}

/* Bytes [at, at + n) of one word; the others stay. */
static void put_part(sb_word *word, size_t at, const uint8_t *from, size_t n)
{
    uint64_t value = sb_load_relaxed(word); /* relaxed: only the holder of the lock writes */
    memcpy((uint8_t *)&value + at, from, n);
    sb_store_release(word, value);
}

static void get_part(const sb_word *word, size_t at, uint8_t *to, size_t n)
{
    uint64_t value = sb_load_acquire(word);
    memcpy(to, (const uint8_t *)&value + at, n);
}

/* How many of the bytes lie in a first word that they do not fill. */
static size_t leading_bytes(uint64_t offset_bytes, size_t size_bytes)
{
    size_t at = offset_bytes % WORD;
    if (at == 0) {
        return 0;
    }
    return size_bytes < WORD - at ? size_bytes : WORD - at;
}

/* W. */
static void put_bytes(uint8_t *area, uint64_t offset_bytes, const uint8_t *from, size_t size_bytes)
{
    size_t lead = leading_bytes(offset_bytes, size_bytes);
    uint64_t index = (offset_bytes + lead) / WORD, value;
    size_t left = size_bytes - lead;
    if (lead > 0) {
        put_part(word_of(area, offset_bytes / WORD), offset_bytes % WORD, from, lead);
    }
    for (from += lead; left >= WORD; left -= WORD, from += WORD) {
        memcpy(&value, from, WORD);
        sb_store_release(word_of(area, index++), value);
    }
    if (left > 0) {
        put_part(word_of(area, index), 0, from, left);
    }
}

/* Q. */
static void get_bytes(uint8_t *area, uint64_t offset_bytes, uint8_t *to, size_t size_bytes)
{
    size_t lead = leading_bytes(offset_bytes, size_bytes);
    uint64_t index = (offset_bytes + lead) / WORD, value;
    size_t left = size_bytes - lead;
    if (lead > 0) {
        get_part(word_of(area, offset_bytes / WORD), offset_bytes % WORD, to, lead);
    }
    for (to += lead; left >= WORD; left -= WORD, to += WORD) {
        value = sb_load_acquire(word_of(area, index++));
        memcpy(to, &value, WORD);
    }
    if (left > 0) {
        get_part(word_of(area, index), 0, to, left);
    }
}

/* ----------------------------------------------------------------------------------- repair */

uint64_t sb_region_writes(const struct sb_region *region)
{
    for (unsigned i = 0; i < QUICK_TRIES; i++) {
        uint64_t version = sb_load_acquire(&region->version);
        uint64_t rollbacks = sb_load_acquire(&region->rollbacks);
        if (version % 2 == 0 && sb_load_acquire(&region->version) == version) {
            return version / 2 - rollbacks;
        }
    }
    return sb_load_acquire(&region->writes); /* right while the version is odd */
}

/* The lock has just been taken: whatever its last holder left is put right. */
static int repair(struct shmbus_region *region)
{
    struct sb_region *r = region->view->shared;
    uint64_t version = sb_load_acquire(&r->version);
    uint64_t undo = sb_load_relaxed(&r->undo);
    uint64_t words = (region->view->bytes + WORD - 1) / WORD;
    struct span span = {undo >> 32, undo & UINT32_MAX};
    if (version % 2 == 0) {
        sb_store_relaxed(&r->writes, version / 2 - sb_load_relaxed(&r->rollbacks));
        return 0;
    }
    if (span.first > words || span.count > words - span.first) {
        return sb_fail(-SHMBUS_ERR_CORRUPT,
                       "region `%s`: half a write cannot be undone, its undo area is damaged; "
                       "remove the bus and create it again",
                       region->name);
    }
    copy_words(region->view->data, region->view->undo, span);
    sb_store_relaxed(&r->rollbacks, (version + 1) / 2 - sb_load_relaxed(&r->writes));
    sb_store_release(&r->version, version + 1);
    return 0;
}

/* Takes the lock from nobody or from a dead holder and repairs. */
static int lock(struct shmbus_region *region, struct patience *p)
{
    struct sb_region *r = region->view->shared;
    int result;
    for (;;) {
        uint64_t holder = sb_load_acquire(&r->lock);
        if ((holder == 0 || holder_is_dead(region->bus, holder, p->ask_kernel)) &&
            sb_cas(&r->lock, holder, region->bus->member.owner64)) { /* L */
            break;
        }
        result = wait_a_while(region, p, holder);
        if (result < 0) {
            return result;
        }
    }
    result = repair(region);
    if (result < 0) {
        unlock(region);
    }
    return result;
}

/* The lock first, so that nobody goes to sleep after the wake-up because of the dead holder. Wakes
 * all, not only those of a locked region: the dead process may have unlocked and owe the wake-up.
 */
void sb_region_recover(struct sb_region *r, uint64_t dead_owner64)
{
    if (dead_owner64 != 0) {
        sb_cas(&r->lock, dead_owner64, 0);
    }
    sb_event_wake_all(&r->unlocked);
}

uint32_t sb_region_repair_all(struct shmbus *bus)
{
    uint32_t undone = 0;
    for (uint32_t i = 0; i < bus->view.region_count && !bus->observer; i++) {
        struct shmbus_region region = {bus, &bus->view.regions[i], bus->geometry->regions[i].name,
                                       NULL};
        struct patience p = patience_make(bus, 0);
        struct sb_region *r = region.view->shared;
        if (sb_load_acquire(&r->lock) != 0 || sb_load_acquire(&r->version) % 2 != 0) {
            uint64_t before = sb_load_relaxed(&r->rollbacks);
            if (lock(&region, &p) == 0) {
                undone += sb_load_relaxed(&r->rollbacks) != before;
                unlock(&region);
            }
        }
    }
    return undone;
}

/* ----------------------------------------------------------------------------------- public */

static int check(const struct shmbus_region *region, uint64_t offset_bytes, size_t size_bytes)
{
    if (!sb_bus_is_ours(region->bus)) {
        return sb_fail_quick(-SHMBUS_ERR_FORKED, region->name, shmbus_strerror(SHMBUS_ERR_FORKED));
    }
    if (offset_bytes > region->view->bytes || size_bytes > region->view->bytes - offset_bytes) {
        return sb_fail(-ERANGE, "region `%s`: %zu bytes at %llu are beyond its end at %llu",
                       region->name, size_bytes, (unsigned long long)offset_bytes,
                       (unsigned long long)region->view->bytes);
    }
    return 0;
}

int shmbus_region_open(struct shmbus *bus, const char *name, struct shmbus_region **ret_region)
{
    struct shmbus_region *region;
    uint32_t i = 0;
    if (bus == NULL || name == NULL || ret_region == NULL) {
        return sb_fail(-EINVAL, "bus, name and the place for the region must not be null");
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail_quick(-SHMBUS_ERR_FORKED, name, shmbus_strerror(SHMBUS_ERR_FORKED));
    }
    while (i < bus->view.region_count && strcmp(bus->geometry->regions[i].name, name) != 0) {
        i++;
    }
    if (i == bus->view.region_count) {
        return sb_fail(-ENOENT, "bus `%s` has no region `%s`; regions are fixed by its plan",
                       bus->segment.name, name);
    }
    region = malloc(sizeof *region);
    if (region == NULL) {
        return sb_fail_quick(-ENOMEM, name, "no memory for the handle of a region");
    }
    pthread_mutex_lock(&bus->lock);
    *region = (struct shmbus_region){bus, &bus->view.regions[i], bus->geometry->regions[i].name,
                                     bus->regions};
    bus->regions = region;
    pthread_mutex_unlock(&bus->lock);
    *ret_region = region;
    return 0;
}

void shmbus_region_close(struct shmbus_region *region)
{
    struct shmbus_region **link;
    if (region == NULL) {
        return;
    }
    if (sb_bus_is_ours(region->bus)) { /* in a forked child the mutex may be held for ever */
        pthread_mutex_lock(&region->bus->lock);
    }
    link = &region->bus->regions;
    while (*link != NULL && *link != region) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = region->next;
    }
    if (sb_bus_is_ours(region->bus)) {
        pthread_mutex_unlock(&region->bus->lock);
    }
    free(region);
}

uint64_t shmbus_region_bytes(const struct shmbus_region *region)
{
    return region == NULL ? 0 : region->view->bytes;
}

int shmbus_region_write(struct shmbus_region *region, uint64_t offset_bytes, const void *data,
                        size_t size_bytes, int64_t timeout_ns)
{
    struct sb_region *r;
    struct patience p;
    struct span span;
    uint64_t version, writes;
    int result;
    if (region == NULL || (data == NULL && size_bytes > 0)) {
        return sb_fail(-EINVAL, "region and data must not be null");
    }
    result = check(region, offset_bytes, size_bytes);
    if (result == 0 && region->bus->observer) {
        result = sb_fail_quick(-EROFS, region->name, "an observer changes nothing");
    }
    if (result < 0 || size_bytes == 0) {
        return result;
    }
    p = patience_make(region->bus, timeout_ns);
    result = lock(region, &p);
    if (result < 0) {
        return result;
    }
    r = region->view->shared;
    version = sb_load_relaxed(&r->version); /* relaxed: we hold the lock */
    writes = sb_load_relaxed(&r->writes);
    span = span_of(offset_bytes, size_bytes);
    copy_words(region->view->undo, region->view->data, span); /* U */
    sb_store_relaxed(&r->undo, (span.first << 32) | span.count);
    sb_store_release(&r->version, version + 1); /* B */
    put_bytes(region->view->data, offset_bytes, data, size_bytes);
    sb_store_release(&r->version, version + 2); /* C */
    sb_store_relaxed(&r->writes, writes + 1);
    unlock(region);
    return 0;
}

/* P, Q, R once; false if somebody wrote meanwhile. */
static bool try_read(struct shmbus_region *region, uint64_t offset_bytes, void *buffer,
                     size_t size_bytes)
{
    struct sb_region *r = region->view->shared;
    uint64_t version = sb_load_acquire(&r->version); /* P */
    if (version % 2 != 0) {
        return false;
    }
    get_bytes(region->view->data, offset_bytes, buffer, size_bytes);
    return sb_load_acquire(&r->version) == version; /* R */
}

/* An observer can neither take the lock nor repair. */
static int observer_wait(struct shmbus_region *region, struct patience *p)
{
    struct sb_region *r = region->view->shared;
    uint64_t holder = sb_load_acquire(&r->lock);
    if (p->ask_kernel && sb_load_acquire(&r->version) % 2 != 0 &&
        (holder == 0 || holder_is_dead(region->bus, holder, true)) &&
        sb_load_acquire(&r->lock) == holder) {
        return sb_fail(-EAGAIN,
                       "region `%s`: its writer was killed half-way and an observer cannot undo "
                       "that; run `shmbusctl reclaim %s`",
                       region->name, region->bus->segment.name);
    }
    return wait_a_while(region, p, holder);
}

int shmbus_region_read(struct shmbus_region *region, uint64_t offset_bytes, void *buffer,
                       size_t size_bytes, int64_t timeout_ns)
{
    struct patience p;
    int result;
    if (region == NULL || (buffer == NULL && size_bytes > 0)) {
        return sb_fail(-EINVAL, "region and buffer must not be null");
    }
    result = check(region, offset_bytes, size_bytes);
    if (result < 0 || size_bytes == 0) {
        return result;
    }
    for (unsigned i = 0; i < QUICK_TRIES; i++) {
        if (try_read(region, offset_bytes, buffer, size_bytes)) {
            return 0;
        }
        sb_pause();
    }
    p = patience_make(region->bus, timeout_ns);
    while (region->bus->observer || sb_now_ns() < p.spin_until_ns) {
        if (try_read(region, offset_bytes, buffer, size_bytes)) {
            return 0;
        }
        result = region->bus->observer ? observer_wait(region, &p) : 0;
        if (result < 0) {
            return result;
        }
    }
    result = lock(region, &p);
    if (result == 0) {
        get_bytes(region->view->data, offset_bytes, buffer, size_bytes);
        unlock(region);
    }
    return result;
}
