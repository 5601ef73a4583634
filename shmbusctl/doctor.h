/* SPDX-License-Identifier: MIT */
/* The findings of doctor, and its checks of the machine. */
#ifndef SHMBUSCTL_DOCTOR_H
#define SHMBUSCTL_DOCTOR_H

#include <shmbus/shmbus.h>

enum doctor_level { DOCTOR_NOTE = 0, DOCTOR_UNKNOWN, DOCTOR_WARNING, DOCTOR_CRITICAL };

struct doctor_finding {
    enum doctor_level level;
    char *subject, *what, *cure; /* of this struct */
};

struct doctor {
    struct doctor_finding *findings;
    size_t count;
    unsigned buses; /* that could be looked at */
    bool no_memory;
    struct shmbus_check_opts limits;
};

void doctor_add(struct doctor *doctor, enum doctor_level level, const char *subject,
                const char *cure, const char *format, ...) __attribute__((format(printf, 5, 6)));
void doctor_free(struct doctor *doctor);

/* The file system that holds buses: what it is, and how full. */
void doctor_directory(struct doctor *doctor, const char *dir);
/* Whether systemd-logind will remove the bus when its user logs out. */
void doctor_logind(struct doctor *doctor, const char *name, const struct shmbus_bus_stat *stat);

/* Processes that use another segment of the same path: one that was removed, or one in a /dev/shm
 * of their own. Sees those whose /proc/PID/maps may be read. */
void doctor_others(struct doctor *doctor, const char *name, const struct shmbus_bus_stat *stat);

#endif
