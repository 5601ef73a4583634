/* SPDX-License-Identifier: MIT */
/*
 * Cron expressions, answered as Debian's cron answers them: five fields, names, lists, ranges,
 * steps, @hourly and its like; day of month and day of week are joined by "or" when neither
 * begins with a star.
 *
 * When clocks change: an expression whose minute or hour begins with a star follows the clock as it
 * is. A fixed time that a change leaps over is run right after it; one that comes twice is run the
 * first time.
 */
#ifndef SHMBUSCTL_SUPERVISE_CRON_H
#define SHMBUSCTL_SUPERVISE_CRON_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct sup_cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday, follows_clock;
};

/* NULL, or what is wrong with it. */
const char *sup_cron_parse(const char *text, struct sup_cron *ret);
/* Whether it is due in the minute that begins at @minute; in @zone, NULL: that of the process. */
bool sup_cron_is_due(const struct sup_cron *cron, const char *zone, time_t minute);

#endif
