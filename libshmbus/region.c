/* SPDX-License-Identifier: MIT */
/*
 * Named regions: the handle, and waiting. What is done with the words is in region_lock.c.
 */
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "bus/bus.h"
#include "channel/wait.h"
#include "protocol/event.h"
#include "protocol/region_lock.h"

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

/* Without asking the kernel: only whether it has left, or was recovered. */
static bool holder_is_dead(struct shmbus *bus, uint64_t holder, bool ask_kernel)
{
    return ask_kernel ? sb_bus_owner64_is_dead(bus, holder)
                      : sb_owner64_word(&bus->view, holder) == 0;
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
        return sb_fail_static(-EINTR, region->name, "interrupted");
    }
    if (p->timeout_ns == 0) {
        if (p->ask_kernel) {
            return sb_fail_static(-EAGAIN, region->name, "region is being written");
        }
        p->ask_kernel = true;
        return 0;
    }
    if (p->timeout_ns < 0 && p->timeout_ns != SHMBUS_WAIT_FOREVER) {
        return sb_fail_static(-EINVAL, region->name,
                              "a timeout is 0, more, or SHMBUS_WAIT_FOREVER");
    }
    now_ns = sb_now_ns();
    if (now_ns >= p->signals_ns && now_ns < p->deadline_ns) {
        return sb_fail_static(-EINTR, region->name, "a signal may have come");
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
        return sb_fail_static(-ETIMEDOUT, region->name, "region is still being written");
    }
    if (sleep_until_unlocked(region, holder, p->deadline_ns - now_ns) &&
        region->bus->minds_signals) {
        return sb_fail_static(-EINTR, region->name, "interrupted by a signal");
    }
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
            sb_region_take(r, holder, region->bus->member.owner64)) {
            break;
        }
        result = wait_a_while(region, p, holder);
        if (result < 0) {
            return result;
        }
    }
    result = sb_region_repair(region->view, region->name);
    if (result < 0) {
        sb_region_unlock(region->view->shared);
    }
    return result;
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
                sb_region_unlock(r);
            }
        }
    }
    return undone;
}

/* ----------------------------------------------------------------------------------- public */

static int check(const struct shmbus_region *region, uint64_t offset_bytes, size_t size_bytes)
{
    if (!sb_bus_is_ours(region->bus)) {
        return sb_fail_static(-SHMBUS_ERR_FORKED, region->name, shmbus_strerror(SHMBUS_ERR_FORKED));
    }
    if (offset_bytes > region->view->bytes || size_bytes > region->view->bytes - offset_bytes) {
        return sb_fail(-ERANGE, "region \"%s\": %zu bytes at %llu are beyond its end at %llu",
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
        return sb_fail(-EINVAL, "shmbus_region_open: an argument is NULL");
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail_static(-SHMBUS_ERR_FORKED, name, shmbus_strerror(SHMBUS_ERR_FORKED));
    }
    while (i < bus->view.region_count && strcmp(bus->geometry->regions[i].name, name) != 0) {
        i++;
    }
    if (i == bus->view.region_count) {
        return sb_fail(-ENOENT, "bus \"%s\" has no region \"%s\"; regions are fixed by its plan",
                       bus->segment.name, name);
    }
    region = malloc(sizeof *region);
    if (region == NULL) {
        return sb_fail_static(-ENOMEM, name, "no memory for the handle of a region");
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
    if (sb_bus_is_ours(region->bus)) { /* in a forked child the mutex may be held forever */
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
    struct patience p;
    int result;
    if (region == NULL || (data == NULL && size_bytes > 0)) {
        return sb_fail(-EINVAL, "shmbus_region_write: an argument is NULL");
    }
    result = check(region, offset_bytes, size_bytes);
    if (result == 0 && region->bus->observer) {
        result = sb_fail_static(-EROFS, region->name, "an observer changes nothing");
    }
    if (result < 0 || size_bytes == 0) {
        return result;
    }
    p = patience_make(region->bus, timeout_ns);
    result = lock(region, &p);
    if (result < 0) {
        return result;
    }
    sb_region_put(region->view, offset_bytes, data, size_bytes);
    sb_region_unlock(region->view->shared);
    return 0;
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
                       "region \"%s\": its writer was killed half-way and an observer cannot undo "
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
        return sb_fail(-EINVAL, "shmbus_region_read: an argument is NULL");
    }
    result = check(region, offset_bytes, size_bytes);
    if (result < 0 || size_bytes == 0) {
        return result;
    }
    for (unsigned i = 0; i < QUICK_TRIES; i++) {
        if (sb_region_try_get(region->view, offset_bytes, buffer, size_bytes)) {
            return 0;
        }
        sb_pause();
    }
    p = patience_make(region->bus, timeout_ns);
    while (region->bus->observer || sb_now_ns() < p.spin_until_ns) {
        if (sb_region_try_get(region->view, offset_bytes, buffer, size_bytes)) {
            return 0;
        }
        result = region->bus->observer ? observer_wait(region, &p) : 0;
        if (result < 0) {
            return result;
        }
    }
    result = lock(region, &p);
    if (result == 0) {
        sb_region_get(region->view, offset_bytes, buffer, size_bytes);
        sb_region_unlock(region->view->shared);
    }
    return result;
}
