/* What a process uses, from /proc. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "usage.h"

static bool read_proc(pid_t pid, const char *file, char *out, size_t out_bytes)
{
    char path[64];
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bytes = read(fd, out, out_bytes - 1);
    close(fd);
    out[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0;
}

static uint64_t kib_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? strtoull(at + strlen(word), NULL, 10) * 1024 : 0;
}

uint64_t sup_anonymous_bytes(pid_t pid)
{
    char text[4096];

    return read_proc(pid, "status", text, sizeof text) ? kib_behind(text, "\nRssAnon:") : 0;
}

uint64_t sup_pss_bytes(pid_t pid)
{
    char text[4096];

    return read_proc(pid, "smaps_rollup", text, sizeof text) ? kib_behind(text, "\nPss:") : 0;
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
    const char *at = read_proc(pid, "stat", text, sizeof text) ? stat_field(text, 14) : NULL;
    unsigned long user;

    if (at == NULL) {
        return 0;
    }
    user = strtoul(at, &end, 10);
    return (double)(user + strtoul(end, NULL, 10)) / (double)sysconf(_SC_CLK_TCK);
}

bool sup_is_paused(pid_t pid)
{
    char text[1024];
    const char *at = read_proc(pid, "stat", text, sizeof text) ? stat_field(text, 3) : NULL;

    return at != NULL && (*at == 'T' || *at == 't');
}

double sup_load_average(void)
{
    double load = 0;

    return getloadavg(&load, 1) == 1 ? load : 0;
}
