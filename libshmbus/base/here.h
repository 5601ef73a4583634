/* SPDX-License-Identifier: MIT */
/*
 * What this process sees otherwise than others do: its namespaces and its clock. And what /proc
 * says about a process whose number means the same here.
 */
#ifndef SB_HERE_H
#define SB_HERE_H

#include <stdint.h>
#include <sys/types.h>

#define SB_OFFSET_UNKNOWN INT64_MIN

struct sb_here {
    uint64_t pid_namespace;  /* inode; 0: unknown */
    uint64_t time_namespace; /* inode; 0: unknown, or a kernel that has none */
    int64_t clock_offset_ns; /* what CLOCK_MONOTONIC is ahead of the machine's, or UNKNOWN */
    int64_t now_ns;          /* CLOCK_MONOTONIC */
};

/* Asked anew each time: a process may move. */
struct sb_here sb_here(void);

/* How long ago, by the clock of @here, a process took @stamp_ns from its own. 0 for the near
 * future, INT64_MAX beyond all numbers, -1: the two clocks cannot be compared. */
int64_t sb_age_ns(const struct sb_here *here, uint64_t time_namespace, int64_t clock_offset_ns,
                  int64_t stamp_ns);

/* Inode of this process's pid namespace; 0: unknown. */
uint64_t sb_own_pid_namespace(void);

/* What belongs behind a process's number in a sentence: "" or " of another pid namespace". */
const char *sb_pid_mark(uint64_t pid_namespace);

/* When the process (0: this one) started, for telling it from a later one with the same number, by
 * the clock of the machine: processes of two time namespaces see the same. 0: unknown. */
uint64_t sb_start_time_ticks(pid_t pid);

/* The letter of its state, 'T' stopped, 't' by a debugger; 0: cannot be seen, or is not the process
 * that started then. */
char sb_process_state(pid_t pid, uint64_t start_time_ticks);

/* The number of the calling thread, as in /proc/PID/task. */
uint64_t sb_own_thread(void);

#endif
