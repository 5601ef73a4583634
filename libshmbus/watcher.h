/*
 * A helper thread that is told by the kernel (pidfd) when another attached process ends, and then
 * reclaims. It only saves time: without it deaths are noticed at the next slice of a wait.
 */
#ifndef SB_WATCHER_H
#define SB_WATCHER_H

#include <stdbool.h>

struct shmbus;

/* Starts it unless it runs or the bus was attached without; called before the first sleep. */
void sb_watcher_start(struct shmbus *bus);
void sb_watcher_stop(struct shmbus *bus);
bool sb_watcher_runs(struct shmbus *bus);

#endif
