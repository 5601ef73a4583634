/* SPDX-License-Identifier: MIT */
/*
 * A helper thread that sees to it that deaths are noticed, by the clock and as soon as the kernel
 * tells of them. Without it the calls of the process do.
 */
#ifndef SB_WATCHER_H
#define SB_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

struct shmbus;

/* Starts it unless it runs or the bus was attached without; called before the first sleep, and in a
 * handle that does without sleeping but is in use. */
void sb_watcher_start(struct shmbus *bus);
void sb_watcher_stop(struct shmbus *bus);
bool sb_watcher_runs(struct shmbus *bus);

/* For every call that has slept, or looks at the clock for another reason: sees to it, when that is
 * due, that deaths are noticed (watcher.c). */
void sb_bus_look(struct shmbus *bus, int64_t now_ns);

#endif
