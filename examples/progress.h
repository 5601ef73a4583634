/* SPDX-License-Identifier: MIT */
/* A progress bar on a terminal, a line for every tenth step anywhere else. One for a program. */
#ifndef SHMBUS_EXAMPLE_PROGRESS_H
#define SHMBUS_EXAMPLE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* @bar: draw one if standard output is a terminal. */
void progress_start(uint32_t total, bool bar);
void progress_show(uint32_t done);

/* Takes the bar off the line, if there is one, so that something else can be written there. */
void progress_hide(void);

#endif
