/* SPDX-License-Identifier: MIT */
/* Cron expressions: see cron.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cron.h"

#define MOST_LEAP_S (3 * 3600) /* a larger step of the clock is a correction, and no change */

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
    unsigned min, max;
    const char *const *names;
    unsigned name_count;
};

static const struct field fields[5] = {{0, 59, NULL, 0},
                                       {0, 23, NULL, 0},
                                       {1, 31, NULL, 0},
                                       {1, 12, month_names, 12},
                                       {0, 7, day_names, 7}};

/* A number or a name at *at, which is moved behind it. */
static bool take_value(const struct field *f, const char **at, unsigned *ret)
{
    char *end;

    for (unsigned i = 0; i < f->name_count; i++) {
        if (strncasecmp(*at, f->names[i], 3) == 0) {
            *at += 3;
            *ret = i + f->min;
            return true;
        }
    }
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    *ret = (unsigned)strtoul(*at, &end, 10);
    *at = end;
    return *ret >= f->min && *ret <= f->max;
}

/* "*", "3", "1-5", each with a step. */
static bool take_range(const struct field *f, const char **at, uint64_t *set)
{
    unsigned first = f->min, last = f->max, step = 1;
    bool star = **at == '*';

    if (star) {
        (*at)++;
    } else if (!take_value(f, at, &first)) {
        return false;
    } else {
        last = first;
        if (**at == '-') {
            (*at)++;
            if (!take_value(f, at, &last) || last < first) {
                return false;
            }
        } else if (**at == '/') {
            return false; /* what a step of one number means, crons do not agree on */
        }
    }
    if (**at == '/') {
        char *end;

        step = (unsigned)strtoul(*at + 1, &end, 10);
        if (end == *at + 1 || step == 0) {
            return false;
        }
        *at = end;
    }
    for (; first <= last; first += step) {
        *set |= (uint64_t)1 << first;
    }
    return true;
}

static bool take_field(const struct field *f, const char **at, uint64_t *set, bool *star)
{
    *set = 0;
    *star = **at == '*';
    do {
        if (!take_range(f, at, set)) {
            return false;
        }
    } while (**at == ',' && (*at)++ != NULL);
    if (**at != 0 && **at != ' ' && **at != '\t') {
        return false;
    }
    *at += strspn(*at, " \t");
    return true;
}

static const char *nickname(const char *text)
{
    static const char *const names[][2] = {{"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
                                           {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                                           {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                           {"@hourly", "0 * * * *"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return text;
}

const char *sup_cron_parse(const char *text, struct sup_cron *ret)
{
    static const char *const wrong[5] = {"the minute is not valid", "the hour is not valid",
                                         "the day of the month is not valid",
                                         "the month is not valid",
                                         "the day of the week is not valid"};
    uint64_t sets[5];
    bool stars[5];
    const char *at = nickname(text);

    for (int i = 0; i < 5; i++) {
        if (*at == 0) {
            return "it needs five fields: minute, hour, day, month, day of the week";
        }
        if (!take_field(&fields[i], &at, &sets[i], &stars[i])) {
            return wrong[i];
        }
    }
    if (*at != 0) {
        return "it has more than five fields";
    }
    *ret = (struct sup_cron){.minutes = sets[0],
                             .hours = (uint32_t)sets[1],
                             .days = (uint32_t)sets[2],
                             .months = (uint32_t)sets[3],
                             .weekdays = (uint32_t)(sets[4] | sets[4] >> 7), /* 7 is Sunday */
                             .any_day = stars[2],
                             .any_weekday = stars[4],
                             .follows_clock = stars[0] || stars[1]};
    return NULL;
}

static bool matches(const struct sup_cron *cron, const struct tm *tm)
{
    bool day = (cron->days >> tm->tm_mday & 1) != 0,
         weekday = (cron->weekdays >> tm->tm_wday & 1) != 0;

    return (cron->minutes >> tm->tm_min & 1) != 0 && (cron->hours >> tm->tm_hour & 1) != 0 &&
           (cron->months >> (tm->tm_mon + 1) & 1) != 0 &&
           (cron->any_day || cron->any_weekday ? day && weekday : day || weekday);
}

/* The clock shows what it showed already, before it was set back. */
static bool comes_again(const struct tm *now, time_t minute)
{
    for (time_t back = 60; back <= MOST_LEAP_S; back += 60) {
        time_t earlier = minute - back;
        struct tm then;

        localtime_r(&earlier, &then);
        if (then.tm_gmtoff > now->tm_gmtoff && then.tm_gmtoff - now->tm_gmtoff == back) {
            return true;
        }
    }
    return false;
}

/* Between the minute before and this one the clock was set forward, over a time of it. */
static bool was_leapt_over(const struct sup_cron *cron, const struct tm *now, time_t minute)
{
    time_t before = minute - 60;
    struct tm then;
    long leap;

    localtime_r(&before, &then);
    leap = now->tm_gmtoff - then.tm_gmtoff;
    if (leap <= 0 || leap > MOST_LEAP_S) {
        return false;
    }
    for (long skipped = 0; skipped < leap; skipped += 60) {
        time_t shown = minute + then.tm_gmtoff + skipped; /* as if it had not been */
        struct tm tm;

        gmtime_r(&shown, &tm);
        if (matches(cron, &tm)) {
            return true;
        }
    }
    return false;
}

static bool is_due(const struct sup_cron *cron, time_t minute)
{
    struct tm now;

    localtime_r(&minute, &now);
    if (cron->follows_clock) {
        return matches(cron, &now);
    }
    return was_leapt_over(cron, &now, minute) ||
           (matches(cron, &now) && !comes_again(&now, minute));
}

bool sup_cron_is_due(const struct sup_cron *cron, const char *zone, time_t minute)
{
    const char *before = getenv("TZ");
    char *kept = before != NULL ? strdup(before) : NULL;
    bool due;

    if (zone != NULL) {
        setenv("TZ", zone, 1);
        tzset();
    }
    due = is_due(cron, minute);
    if (zone != NULL && kept != NULL) {
        setenv("TZ", kept, 1);
    } else if (zone != NULL) {
        unsetenv("TZ");
    }
    tzset();
    free(kept);
    return due;
}
