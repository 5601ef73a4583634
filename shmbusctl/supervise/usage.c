/* SPDX-License-Identifier: MIT */
/* What a process uses, from /proc. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usage.h"

size_t sup_proc_read(pid_t pid, const char *file, char *out, size_t out_bytes)
{
    char path[64];
    ssize_t bytes;
    int fd;

    out[0] = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    bytes = read(fd, out, out_bytes - 1);
    close(fd);
    out[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0 ? (size_t)bytes : 0;
}

size_t sup_proc_link(pid_t pid, const char *file, char *out, size_t out_bytes)
{
    char path[64];
    ssize_t bytes;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    bytes = readlink(path, out, out_bytes - 1);
    out[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0 ? (size_t)bytes : 0;
}

static uint64_t kib_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? strtoull(at + strlen(word), NULL, 10) * 1024 : 0;
}

uint64_t sup_anonymous_bytes(pid_t pid)
{
    char text[4096];

    return sup_proc_read(pid, "status", text, sizeof text) > 0 ? kib_behind(text, "\nRssAnon:") : 0;
}

uint64_t sup_pss_bytes(pid_t pid)
{
    char text[4096];

    return sup_proc_read(pid, "smaps_rollup", text, sizeof text) > 0 ? kib_behind(text, "\nPss:")
                                                                     : 0;
}

/* Field @number (from 3 up) of /proc/PID/stat; the name before may have anything in it. */
static const char *stat_field(const char *text, int number)
{
    const char *at = strrchr(text, ')');

    for (int i = 2; at != NULL && i < number; i++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? at + 1 : NULL;
}

double sup_cpu_seconds(pid_t pid)
{
    char text[1024], *end;
    const char *at =
        sup_proc_read(pid, "stat", text, sizeof text) > 0 ? stat_field(text, 14) : NULL;
    unsigned long user;

    if (at == NULL) {
        return 0;
    }
    user = strtoul(at, &end, 10);
    return (double)(user + strtoul(end, NULL, 10)) / (double)sysconf(_SC_CLK_TCK);
}

static char state_of(pid_t pid)
{
    char text[1024];
    const char *at = sup_proc_read(pid, "stat", text, sizeof text) > 0 ? stat_field(text, 3) : NULL;

    return at != NULL ? *at : 0;
}

bool sup_is_paused(pid_t pid)
{
    char state = state_of(pid);

    return state == 'T' || state == 't';
}

bool sup_is_zombie(pid_t pid)
{
    char state = state_of(pid);

    return state == 'Z' || state == 'X';
}

pid_t sup_parent_of(pid_t pid)
{
    char text[1024];
    const char *at = sup_proc_read(pid, "stat", text, sizeof text) > 0 ? stat_field(text, 4) : NULL;

    return at != NULL ? (pid_t)strtol(at, NULL, 10) : 0;
}

uid_t sup_uid_of(pid_t pid)
{
    char text[4096];
    const char *at =
        sup_proc_read(pid, "status", text, sizeof text) > 0 ? strstr(text, "\nUid:") : NULL;

    return at != NULL ? (uid_t)strtoul(at + 5, NULL, 10) : (uid_t)-1;
}

/* From the file, where a container may have a load of its own (lxcfs); getloadavg() has only that
 * of the whole machine. */
double sup_load_average(void)
{
    FILE *file = fopen("/proc/loadavg", "re");
    double load = 0;

    if (file == NULL || fscanf(file, "%lf", &load) != 1) {
        load = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return load;
}

int64_t sup_clock_offset_ns(const char *clock)
{
    char text[256], name[16];
    const char *line = text;
    long long seconds, ns;

    sup_proc_read(getpid(), "timens_offsets", text, sizeof text);
    while (line != NULL && sscanf(line, "%15s %lld %lld", name, &seconds, &ns) == 3) {
        if (strcmp(name, clock) == 0) {
            return seconds * INT64_C(1000000000) + ns;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}
