/* SPDX-License-Identifier: MIT */
/*
 * Is the segment what a plan says? Compared name by name: two releases of a program may declare in
 * another order, and one may know of less. What programs would take for something else is critical;
 * other numbers are a warning, and more than declared is no difference.
 */
#include "inspect/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "bus/bus.h"
#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/stat.h"
#include "layout/kinds.h"
#include "layout/words.h"
#include "plan/plan.h"
#include "plan/plan_geometry.h"
#include "protocol/directory.h"

struct comparison {
    const struct sb_view *view;
    const struct sb_geometry *there, *plan;
    sb_difference_fn each;
    void *context;
    int count;
};

__attribute__((format(printf, 3, 4))) static void differ(struct comparison *c,
                                                         enum shmbus_severity severity,
                                                         const char *format, ...)
{
    struct sb_difference difference = {severity, ""};
    va_list args;

    va_start(args, format);
    vsnprintf(difference.what, sizeof difference.what, format, args);
    va_end(args);
    c->count++;
    if (c->each != NULL) {
        c->each(c->context, &difference);
    }
}

/* Fewer than declared; more do no harm. */
static void check_enough(struct comparison *c, const char *channel, const char *what,
                         uint64_t there, uint64_t declared)
{
    if (there < declared) {
        differ(c, SHMBUS_SEVERITY_WARNING, "channel \"%s\" has %s %" PRIu64 ", declared: %" PRIu64,
               channel, what, there, declared);
    }
}

static const char *kind_of(const struct sb_channel_geometry *channel)
{
    return sb_kind_row(sb_kind_of(channel->kind, channel->lanes))->look->noun;
}

/* The largest message of a queue in blocks. */
static uint64_t message_max(const struct sb_geometry *g, const struct sb_channel_geometry *channel)
{
    return channel->bytes != 0 || g->class_count == 0 ? channel->bytes
                                                      : g->classes[g->class_count - 1].size_bytes;
}

static void compare_deliveries(struct comparison *c, const struct sb_channel_geometry *declared,
                               const struct sb_channel_geometry *there)
{
    char to[SHMBUS_NAME_BYTES] = "";
    const char *wanted = declared->dead_letter < c->plan->channel_count
                             ? c->plan->channels[declared->dead_letter].name
                             : "";

    if (there->dead_letter < c->view->channel_count) {
        sb_channel_name(&c->view->channels[there->dead_letter], to);
    }
    if (there->max_deliveries != declared->max_deliveries) {
        differ(c, SHMBUS_SEVERITY_CRITICAL, "channel \"%s\" has max_deliveries %u, declared: %u",
               declared->name, there->max_deliveries, declared->max_deliveries);
    }
    if (strcmp(to, wanted) != 0) {
        differ(c, SHMBUS_SEVERITY_CRITICAL, "channel \"%s\" has %s%s, declared: %s%s",
               declared->name, to[0] != '\0' ? "dead_letter " : "no dead_letter", to,
               wanted[0] != '\0' ? "dead_letter " : "none", wanted);
    }
}

static void compare_queue(struct comparison *c, const struct sb_channel_geometry *declared,
                          const struct sb_channel_geometry *there)
{
    bool lanes = declared->lanes > 0;

    if (there->on_full != declared->on_full) {
        differ(c, SHMBUS_SEVERITY_CRITICAL, "channel \"%s\" has on_full %s, declared: %s",
               declared->name, sb_word_or(sb_on_full_name(there->on_full), "?"),
               sb_word_or(sb_on_full_name(declared->on_full), "?"));
    }
    compare_deliveries(c, declared, there);
    check_enough(c, declared->name, "depth", there->depth, declared->depth);
    check_enough(c, declared->name, lanes ? "cells of bytes" : "message_bytes",
                 lanes ? there->bytes : message_max(c->there, there),
                 lanes ? declared->bytes : message_max(c->plan, declared));
    check_enough(c, declared->name, "producers", there->lanes, declared->lanes);
    check_enough(c, declared->name, "share", there->share, declared->share);
}

/* @there: of that name, or a spare one that would get it. */
static void compare_channel(struct comparison *c, const struct sb_channel_geometry *declared,
                            const struct sb_channel_geometry *there)
{
    bool is_kind = there->kind == declared->kind && (there->lanes > 0) == (declared->lanes > 0);

    if (!is_kind) {
        differ(c, SHMBUS_SEVERITY_CRITICAL, "channel \"%s\" %s %s, declared: %s", declared->name,
               there->name[0] != '\0' ? "is" : "is not there and would become", kind_of(there),
               kind_of(declared));
        return;
    }
    if (declared->kind == SHMBUS_KIND_STREAM) {
        check_enough(c, declared->name, "bytes", there->bytes, declared->bytes);
    } else {
        compare_queue(c, declared, there);
    }
    check_enough(c, declared->name, "endpoints", there->endpoints, declared->endpoints);
    if ((declared->flags & SB_CHANNEL_TIMESTAMPS) > (there->flags & SB_CHANNEL_TIMESTAMPS)) {
        differ(c, SHMBUS_SEVERITY_WARNING, "channel \"%s\" has no timestamps, declared: with",
               declared->name);
    }
}

/* The first channel without a name: it would become what is asked for. */
static uint32_t first_spare(const struct comparison *c)
{
    char name[SHMBUS_NAME_BYTES];
    uint32_t i = 0;

    while (i < c->view->channel_count && sb_channel_name(&c->view->channels[i], name)) {
        i++;
    }
    return i;
}

static void find_and_compare(struct comparison *c, const struct sb_channel_geometry *declared)
{
    struct sb_channel_geometry there;
    uint32_t index;

    if (sb_directory_find(c->view, declared->name, &index) < 0) {
        index = first_spare(c);
        if (index == c->view->channel_count) {
            differ(c, SHMBUS_SEVERITY_CRITICAL, "channel \"%s\" is not there, declared: %s",
                   declared->name, kind_of(declared));
            return;
        }
        there = c->there->channels[index];
        there.name[0] = '\0';
    } else {
        there = c->there->channels[index];
        memcpy(there.name, declared->name, sizeof there.name);
    }
    compare_channel(c, declared, &there);
}

static void compare_region(struct comparison *c, const struct sb_region_geometry *declared)
{
    const struct sb_region_geometry *there = NULL;

    for (uint32_t i = 0; i < c->there->region_count && there == NULL; i++) {
        if (strcmp(c->there->regions[i].name, declared->name) == 0) {
            there = &c->there->regions[i];
        }
    }
    if (there == NULL) {
        differ(c, SHMBUS_SEVERITY_CRITICAL, "region \"%s\" is not there", declared->name);
    } else if (there->bytes < declared->bytes) {
        differ(c, SHMBUS_SEVERITY_CRITICAL,
               "region \"%s\" has %" PRIu64 " bytes, declared: %" PRIu64, declared->name,
               there->bytes, declared->bytes);
    }
}

int sb_compare(const struct sb_view *view, const struct sb_geometry *there,
               const struct shmbus_plan *plan, sb_difference_fn each, void *context)
{
    struct comparison c = {.view = view, .there = there, .each = each, .context = context};
    struct sb_geometry *declared;
    int r = sb_geometry_from_plan(plan, &declared);

    if (r < 0) {
        return r;
    }
    c.plan = declared;
    for (uint32_t i = 0; i < plan->channel_count; i++) {
        if (plan->channels[i].endpoints == 0) {
            declared->channels[i].endpoints = 0; /* a default follows the processes */
        }
        find_and_compare(&c, &declared->channels[i]);
    }
    for (uint32_t i = 0; i < declared->region_count; i++) {
        compare_region(&c, &declared->regions[i]);
    }
    if (there->processes < declared->processes) {
        differ(&c, SHMBUS_SEVERITY_WARNING, "there is room for %u processes, declared: %u",
               there->processes, declared->processes);
    }
    sb_geometry_free(declared);
    return c.count;
}

struct telling {
    shmbus_finding_fn each; /* NULL: does not want any */
    void *context;
    char cure[400];
};

static void tell(void *context, const struct sb_difference *difference)
{
    struct telling *t = context;

    if (t->each != NULL && !t->each(t->context, difference->severity, difference->what, t->cure)) {
        t->each = NULL;
    }
}

int shmbus_plan_compare(struct shmbus *bus, const struct shmbus_plan *plan, shmbus_finding_fn each,
                        void *context)
{
    struct telling t = {.each = each, .context = context};
    int r = sb_look_check(bus);

    if (r < 0) {
        return r;
    }
    if (plan == NULL) {
        return sb_fail(-EINVAL, "shmbus_plan_compare: the plan is NULL");
    }
    snprintf(t.cure, sizeof t.cure,
             "to have it so: stop the users of the bus and remove it, the next start makes it anew "
             "(shmbusctl rm %s)",
             bus->segment.name);
    return sb_compare(&bus->view, bus->geometry, plan, tell, &t);
}
