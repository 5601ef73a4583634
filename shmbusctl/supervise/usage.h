/* SPDX-License-Identifier: MIT */
/* What a process uses, from /proc. */
#ifndef SHMBUSCTL_SUPERVISE_USAGE_H
#define SHMBUSCTL_SUPERVISE_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All of /proc/PID/FILE that fits, with a 0 behind it; returns its bytes, 0 for none. */
size_t sup_proc_read(pid_t pid, const char *file, char *out, size_t out_bytes);
size_t sup_proc_link(pid_t pid, const char *file, char *out, size_t out_bytes);
bool sup_is_zombie(pid_t pid);
pid_t sup_parent_of(pid_t pid); /* 0: there is no such process */
uid_t sup_uid_of(pid_t pid);    /* the real one; (uid_t)-1: there is no such process */

/* Private memory (RssAnon): RSS counts the bus, which every worker that touches it would seem to
 * own. 0: there is no such process. */
uint64_t sup_anonymous_bytes(pid_t pid);
uint64_t sup_pss_bytes(pid_t pid); /* shared pages by their share; slower */
double sup_cpu_seconds(pid_t pid);
bool sup_is_paused(pid_t pid); /* SIGSTOP or a debugger */
/* What the time namespace of this process adds to a clock of the first one: "monotonic" or
 * "boottime". 0 where the kernel knows none. */
int64_t sup_clock_offset_ns(const char *clock);
double sup_load_average(void); /* of one minute */

#endif
