/* SPDX-License-Identifier: MIT */
/*
 * Coming and going: shmbus_attach() and what a process does with the bus as a whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/inherit.h"
#include "base/sized.h"
#include "bus/bus.h"
#include "bus/reach.h"
#include "bus/watcher.h"
#include "channel/channel.h"
#include "channel/close.h"
#include "channel/threads.h"
#include "inspect/compare.h"
#include "protocol/event.h"
#include "protocol/sweep.h"
#include "region.h"

#define SPIN_DEFAULT_NS 20000

static int create(const char *name, const struct shmbus_plan *plan)
{
    struct shmbus_plan *built_in = NULL;
    int r;

    if (plan == NULL) {
        r = shmbus_plan_new(0, &built_in);
        if (r < 0) {
            return r;
        }
        plan = built_in;
    }
    r = sb_segment_create(name, plan);
    shmbus_plan_free(built_in);
    return r;
}

struct creation {
    const char *name;
    const struct shmbus_plan *plan;
};

static int create_job(void *argument)
{
    const struct creation *c = argument;
    return create(c->name, c->plan);
}

int shmbus_create(const char *name, const struct shmbus_plan *plan,
                  const struct shmbus_create_opts *opts)
{
    struct creation c = {name, plan};
    struct shmbus_create_opts o;
    struct sb_keeper *keeper;
    int r;

    if (name == NULL) {
        return sb_fail(-EINVAL, "shmbus_create: the name is NULL");
    }
    r = sb_take_opts(&o, sizeof o, opts, "shmbus_create");
    if (r < 0) {
        return r;
    }
    keeper = sb_keeper_start(create_job, &c, &r);
    sb_keeper_stop(keeper);
    return r;
}

/* Opens the segment, creating it when it is not there. Somebody else may create or remove it at
 * the same time: a few rounds decide that. */
static int open_or_create(const char *name, const struct shmbus_attach_opts *opts,
                          struct sb_segment *segment, struct sb_geometry **geometry, bool *ret_made)
{
    bool read_only = (opts->flags & SHMBUS_ATTACH_OBSERVE) != 0;
    bool any_owner = (opts->flags & SHMBUS_ATTACH_ANY_OWNER) != 0;
    bool may_create = !read_only && (opts->flags & SHMBUS_ATTACH_EXISTING) == 0;
    int r = -ENOENT;

    for (int round = 0; round < 8; round++) {
        r = sb_segment_open(name, read_only, any_owner, segment, geometry);
        if (r != -ENOENT || !may_create) {
            return r;
        }
        r = create(name, opts->plan);
        if (r < 0 && r != -EEXIST) {
            return r;
        }
        *ret_made = r == 0;
    }
    return r;
}

static uint32_t next_bus_id(void)
{
    static sb_word32 last;
    uint32_t id;
    do {
        id = sb_load32_relaxed(&last);
    } while (!sb_cas32(&last, id, id + 1u));
    return (id + 1u) & 0xffffffu;
}

/* The first difference that counts, and how many there are. */
struct objection {
    enum shmbus_severity from;
    int count;
    char what[200];
};

static void object(void *context, const struct sb_difference *difference)
{
    struct objection *o = context;

    if (difference->severity < o->from) {
        return;
    }
    if (o->count++ == 0) {
        memcpy(o->what, difference->what, sizeof o->what);
    }
}

/* A plan is for a segment that has to be made; but who declares a stream must not get a queue. */
static int check_plan(const struct shmbus *bus, const struct shmbus_attach_opts *opts)
{
    bool same = (opts->flags & SHMBUS_ATTACH_SAME_PLAN) != 0;
    struct objection o = {same ? SHMBUS_SEVERITY_NOTE : SHMBUS_SEVERITY_CRITICAL, 0, ""};
    int r;

    if (opts->plan == NULL || (opts->flags & SHMBUS_ATTACH_ANY_PLAN) != 0 || bus->made_it) {
        return 0;
    }
    r = sb_compare(&bus->view, bus->geometry, opts->plan, object, &o);
    if (r < 0 || o.count == 0) {
        return r < 0 ? r : 0;
    }
    return sb_fail(-SHMBUS_ERR_CONFIG,
                   "bus \"%s\" was made with another plan: %s%s; stop its users and remove it "
                   "(shmbusctl rm %s), or attach with SHMBUS_ATTACH_ANY_PLAN",
                   bus->segment.name, o.what, o.count > 1 ? ", and more" : "", bus->segment.name);
}

struct attachment {
    struct shmbus *bus;
    const char *name;
    const struct shmbus_attach_opts *opts;
};

static int join(const struct attachment *a)
{
    struct shmbus *bus = a->bus;
    const char *name =
        a->opts->process_name != NULL ? a->opts->process_name : program_invocation_short_name;

    if (bus->observer) {
        return 0;
    }
    return sb_process_join(&bus->view, &bus->liveness, bus->segment.fd, sb_keeper_is_here(), name,
                           &bus->member);
}

/* Where nobody looks for the dead for us, because processes come one at a time and are gone before
 * their clock tells them to look, each looks as it comes. */
static void look_first(struct shmbus *bus)
{
    bool kept = bus->observer || sb_sweep_is_kept(&bus->view, &bus->liveness);

    if (!kept) {
        sb_bus_sweep(bus);
    }
}

/* Leaves no descriptor behind but that of the liveness check, and none if it fails. */
static int attach_job(void *argument)
{
    const struct attachment *a = argument;
    struct shmbus *bus = a->bus;
    int r = open_or_create(a->name, a->opts, &bus->segment, &bus->geometry, &bus->made_it);

    if (r < 0) {
        return r;
    }
    r = sb_view_make(bus->segment.base, bus->geometry, &bus->view);
    if (r == 0) {
        r = check_plan(bus, a->opts);
    }
    if (r == 0) {
        r = sb_liveness_open(&bus->liveness, bus->segment.fd, bus->segment.path);
    }
    if (r == 0) {
        r = join(a);
    }
    close(bus->segment.fd);
    bus->segment.fd = -1;
    if (r < 0) {
        sb_liveness_close(&bus->liveness);
        return r;
    }
    look_first(bus);
    return 0;
}

static int close_job(void *argument)
{
    sb_liveness_close(argument);
    return 0;
}

/* The keeper stays with its descriptor, or we get one of our own and the keeper ends. */
static void keep_or_end(struct shmbus *bus, struct sb_keeper *keeper)
{
    struct sb_liveness of_keeper = bus->liveness;

    if (!bus->no_watcher && sb_keeper_is_private(keeper)) {
        bus->keeper = keeper;
        sb_liveness_entrust(&bus->liveness, keeper);
        return;
    }
    sb_liveness_take_over(&bus->liveness, keeper);
    sb_keeper_do(keeper, close_job, &of_keeper); /* its table may be ours */
    sb_keeper_stop(keeper);
}

/* What is opened meanwhile, other threads can neither inherit nor hit. */
static int attach_apart(struct shmbus *bus, const char *name, const struct shmbus_attach_opts *opts)
{
    struct attachment a = {bus, name, opts};
    int r;
    struct sb_keeper *keeper = sb_keeper_start(attach_job, &a, &r);

    if (r < 0) {
        sb_keeper_stop(keeper);
    } else if (keeper != NULL) {
        keep_or_end(bus, keeper);
    }
    return r;
}

static void free_bus(struct shmbus *bus)
{
    sb_liveness_close(&bus->liveness);
    sb_keeper_stop(bus->keeper);
    sb_view_clear(&bus->view);
    sb_segment_close(&bus->segment);
    sb_geometry_free(bus->geometry);
    sb_mark_drop(bus->cookie);
    pthread_mutex_destroy(&bus->lock);
    pthread_mutex_destroy(&bus->liveness_lock);
    free(bus);
}

static int check_opts(const char *name, const struct shmbus_attach_opts *opts,
                      struct shmbus_attach_opts *ret)
{
    const unsigned known = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING |
                           SHMBUS_ATTACH_ANY_OWNER | SHMBUS_ATTACH_NO_WATCHER |
                           SHMBUS_ATTACH_EINTR | SHMBUS_ATTACH_SAME_PLAN | SHMBUS_ATTACH_ANY_PLAN |
                           SHMBUS_ATTACH_UNLINKED;
    int r;

    if (name == NULL) {
        return sb_fail(-EINVAL, "shmbus_attach: the name is NULL");
    }
    r = sb_take_opts(ret, sizeof *ret, opts, "shmbus_attach");
    if (r < 0) {
        return r;
    }
    if ((ret->flags & ~known) != 0) {
        return sb_fail(-EINVAL, "shmbus_attach: unknown flags %#x", ret->flags & ~known);
    }
    if (ret->spin_ns < SHMBUS_SPIN_NONE) {
        return sb_fail(-EINVAL,
                       "shmbus_attach: spin_ns %" PRId64 " is neither SHMBUS_SPIN_NONE nor a time",
                       ret->spin_ns);
    }
    return 0;
}

static int attach(const char *name, const struct shmbus_attach_opts *opts, struct shmbus **ret_bus)
{
    struct shmbus_attach_opts o;
    struct shmbus *bus;
    int r = check_opts(name, opts, &o);

    if (r < 0) {
        return r;
    }
    if (ret_bus == NULL) {
        return sb_fail(-EINVAL, "shmbus_attach: ret_bus is NULL");
    }
    bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        return sb_fail(-ENOMEM, "bus \"%s\": out of memory", name);
    }
    sb_event_setup();
    pthread_mutex_init(&bus->lock, NULL);
    pthread_mutex_init(&bus->liveness_lock, NULL);
    bus->segment.fd = bus->liveness.fd = -1;
    bus->id = next_bus_id();
    bus->observer = (o.flags & SHMBUS_ATTACH_OBSERVE) != 0;
    bus->no_watcher = (o.flags & SHMBUS_ATTACH_NO_WATCHER) != 0;
    bus->minds_signals = (o.flags & SHMBUS_ATTACH_EINTR) != 0;
    bus->minds_no_name = (o.flags & SHMBUS_ATTACH_UNLINKED) != 0;
    sb_store_relaxed(&bus->no_hope, 1);
    bus->spin_ns = o.spin_ns == 0 ? SPIN_DEFAULT_NS : o.spin_ns == SHMBUS_SPIN_NONE ? 0 : o.spin_ns;
    bus->cookie = sb_mark_take(SB_COOKIE);
    if (bus->cookie == NULL) {
        r = sb_fail(-ENOMEM, "bus \"%s\": out of memory", name);
        goto fail;
    }
    r = attach_apart(bus, name, &o);
    if (r < 0) {
        goto fail;
    }
    sb_store_relaxed(&bus->looked_ns, (uint64_t)sb_now_ns());
    sb_reach_begin(bus);
    *ret_bus = bus;
    return 0;

fail:
    free_bus(bus);
    return r;
}

int shmbus_attach(const char *name, const struct shmbus_attach_opts *opts, struct shmbus **ret_bus)
{
    int state = sb_cancel_off();
    int r = attach(name, opts, ret_bus);

    sb_cancel_back(state);
    return r;
}

static void close_handles(struct shmbus *bus)
{
    while (bus->channels != NULL) {
        struct shmbus_channel *ch = bus->channels;
        bus->channels = ch->next;
        sb_channel_shut(ch);
    }
    while (bus->regions != NULL) {
        shmbus_region_close(bus->regions);
    }
}

void shmbus_detach(struct shmbus *bus)
{
    int state;

    if (bus == NULL) {
        return;
    }
    state = sb_cancel_off();
    bus->no_watcher = true; /* closing handles starts none */
    sb_watcher_stop(bus);
    sb_threads_forget(bus);
    close_handles(bus);
    sb_keeper_tell_to_stop(bus->keeper);
    if (!bus->observer && sb_bus_is_ours(bus)) {
        sb_process_leave(&bus->view, &bus->member); /* with its handles it gave back all it had */
    }
    free_bus(bus);
    sb_cancel_back(state);
}

/* ------------------------------------------------------------------------------ the whole bus */

static int check_bus(const struct shmbus *bus, const char *call)
{
    if (bus == NULL) {
        return sb_fail(-EINVAL, "%s: the bus is NULL", call);
    }
    if (!sb_bus_is_ours(bus)) {
        return sb_fail(-SHMBUS_ERR_FORKED, "%s: the handle is the parent's; attach again", call);
    }
    if (bus->observer) {
        return sb_fail(-EROFS, "%s: an observer changes nothing", call);
    }
    return 0;
}

int shmbus_reclaim(struct shmbus *bus)
{
    int r = check_bus(bus, "shmbus_reclaim");
    if (r < 0) {
        return r;
    }
    r = (int)sb_bus_sweep(bus);
    sb_region_repair_all(bus);
    return r;
}

int shmbus_slot(const struct shmbus *bus)
{
    if (bus == NULL || bus->observer) {
        return sb_fail(-EINVAL, "shmbus_slot: not attached, or only as an observer");
    }
    return (int)bus->member.slot;
}

int shmbus_heartbeat(struct shmbus *bus)
{
    int r = check_bus(bus, "shmbus_heartbeat");
    if (r == 0) {
        sb_process_beat(&bus->view, &bus->member);
    }
    return r;
}

static void wake_everybody(const struct shmbus *bus)
{
    for (uint32_t i = 0; i < bus->view.channel_count; i++) {
        sb_event_wake_all(&bus->view.channels[i].shared->readable);
        sb_event_wake_all(&bus->view.channels[i].shared->writable);
    }
    for (uint32_t i = 0; i < bus->view.region_count; i++) {
        sb_event_wake_all(&bus->view.regions[i].shared->unlocked);
    }
    sb_event_wake_all(bus->view.blocks.freed);
}

int shmbus_shutdown(struct shmbus *bus, bool on)
{
    int r = check_bus(bus, "shmbus_shutdown");
    if (r < 0) {
        return r;
    }
    sb_store_release(&bus->view.super->shutdown, on ? 1 : 0);
    wake_everybody(bus);
    return 0;
}

/* From a signal handler: no locks, and errno as it was. Whoever of the bus sleeps looks again; that
 * others do, too, costs them a look. */
void shmbus_interrupt(struct shmbus *bus)
{
    int e = errno;

    if (bus == NULL) {
        return;
    }
    sb_store32_release(&bus->interrupted, 1);
    sb_fence(); /* whoever sleeps has announced it, or sees the flag */
    if (!bus->observer && sb_bus_is_ours(bus)) {
        sb_bus_wake_sleepers(bus);
    }
    errno = e;
}

void shmbus_interrupt_clear(struct shmbus *bus)
{
    if (bus != NULL) {
        sb_store32_release(&bus->interrupted, 0);
    }
}
