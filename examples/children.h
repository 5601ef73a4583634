/* SPDX-License-Identifier: MIT */
/*
 * The processes of the demo: started, watched, buried. They die with it, whatever kills it.
 */
#ifndef SHMBUS_EXAMPLE_CHILDREN_H
#define SHMBUS_EXAMPLE_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

#include <shmbus/shmbus.h>

#define CHILDREN_MAX 40

struct child {
    char name[SHMBUS_NAME_BYTES];
    pid_t pid;
    int status;     /* of waitpid(), valid when gone */
    bool gone;      /* buried */
    bool killed;    /* by us: SIGKILL is what it must have died of */
    bool dismissed; /* by us: may have died of SIGTERM */
    bool coordinator;
    bool replacement; /* started late; may come when the run is over */
};

struct children {
    const char *bus_name;
    long tasks, workers, work_ms; /* what they are told */
    char bin[4096];               /* directory of the programs */
    struct child list[CHILDREN_MAX];
    int count;
};

/* Finds the directory of the programs: that of this program. */
bool children_find_programs(struct children *children, const char *argv0);

/* Starts "coordinator" or "worker". NULL after saying why not. */
struct child *children_start(struct children *children, const char *program, const char *name);

/* Buries who has died; PROGRAM_FAILED after saying who died who should not have. */
int children_reap(struct children *children);

/* The coordinator started last. */
struct child *children_coordinator(struct children *children);

/* Whether all are gone; all but the replacements if @but_replacements. */
bool children_gone(const struct children *children, bool but_replacements);

/* Asks the children that are still there to leave, and after 3 s makes them. */
void children_end(struct children *children);

#endif
