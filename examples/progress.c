/* SPDX-License-Identifier: MIT */
/* See progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define BAR_WIDTH 40u
#define STEP 10u

static uint32_t total_steps;
static bool bar_wanted;
static bool bar_visible;

void progress_start(uint32_t total, bool bar)
{
    total_steps = total;
    bar_wanted = bar && isatty(STDOUT_FILENO);
}

void progress_show(uint32_t done)
{
    char bar[BAR_WIDTH + 1];
    uint32_t filled;

    if (!bar_wanted) {
        if (done % STEP == 0 || done == total_steps)
            program_log("completed %" PRIu32 "/%" PRIu32 " tasks", done, total_steps);
        return;
    }
    filled = total_steps == 0 ? BAR_WIDTH : (uint32_t)((uint64_t)done * BAR_WIDTH / total_steps);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = 0;
    printf("\r[%s] %" PRIu32 "/%" PRIu32 " tasks", bar, done, total_steps);
    fflush(stdout);
    bar_visible = true;
    if (done == total_steps) { /* the finished bar stays */
        putchar('\n');
        bar_visible = false;
    }
}

void progress_hide(void)
{
    if (!bar_visible)
        return;
    fputs("\r\033[K", stdout);
    bar_visible = false;
}
