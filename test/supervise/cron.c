/* SPDX-License-Identifier: MIT */
/*
 * cron EXPRESSION ZONE FROM TO: prints, in that time zone, when the expression is due between two
 * moments (seconds since 1970); "no: WHY" and status 1 when it is not valid.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../shmbusctl/supervise/cron.h"

int main(int argc, char **argv)
{
    struct sup_cron cron;
    const char *why = argc == 5 ? sup_cron_parse(argv[1], &cron) : "usage";

    if (why != NULL) {
        printf("no: %s\n", why);
        return 1;
    }
    setenv("TZ", argv[2], 1);
    for (time_t minute = strtol(argv[3], NULL, 10) / 60 * 60; minute < strtol(argv[4], NULL, 10);
         minute += 60) {
        char text[64];
        struct tm tm;

        if (sup_cron_is_due(&cron, argv[2], minute)) {
            localtime_r(&minute, &tm);
            strftime(text, sizeof text, "%m-%d %H:%M %Z", &tm);
            printf("%s\n", text);
        }
    }
    return 0;
}
