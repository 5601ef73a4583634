/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the health check share: how a finding is said.
 */
#ifndef SB_FINDING_H
#define SB_FINDING_H

#include <stdarg.h>
#include <stdio.h>

#include "bus/bus.h"

#define TEXT_BYTES 320

struct check {
    struct shmbus *bus;
    shmbus_finding_fn each;
    void *context;
    struct shmbus_check_opts limits;
    int bad;               /* findings above a note */
    bool stopped;          /* @each wants no more */
    char name[TEXT_BYTES]; /* of the bus, as shmbusctl takes it: with its directory */
    char cure[TEXT_BYTES];
};

/* Sets the cure of the next finding. A cure does no harm where the finding is wrong: it names what
 * to look at, and tells to end or to remove only what was proved to be of no use any more. */
__attribute__((format(printf, 2, 3))) static void cure(struct check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(check->cure, sizeof check->cure, format, args);
    va_end(args);
}

/* Reports; the cure is what cure() said before. */
__attribute__((format(printf, 3, 4))) static void found(struct check *check,
                                                        enum shmbus_severity severity,
                                                        const char *format, ...)
{
    char what[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (check->stopped) {
        return;
    }
    check->bad += severity > SHMBUS_SEVERITY_NOTE;
    check->stopped = !check->each(check->context, severity, what, check->cure);
}

/* Whether @now of @all is as much as a limit in per cent says. */
static inline bool is_at_limit(uint32_t percent, uint64_t now, uint64_t all)
{
    return percent != SHMBUS_CHECK_NEVER && all > 0 &&
           (now >= all || (double)now * 100.0 >= (double)all * percent);
}

static inline const char *bus_name(const struct check *check)
{
    return check->name;
}

#endif
