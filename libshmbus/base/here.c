/* SPDX-License-Identifier: MIT */
/*
 * Namespaces. A pid is a number of one pid namespace. CLOCK_MONOTONIC is one clock for the whole
 * machine but for time namespaces, each of which adds an offset of its own (a container restored by
 * CRIU has one, so that its clock goes on): stamps of two processes are compared by what is left
 * without the offsets. Whatever is not known for sure is "unknown", which is never held against
 * anybody.
 */
#include "base/here.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/inherit.h"

#define NS_PER_S 1000000000
#define FIRST_TIME_NAMESPACE 0xeffffffau /* Linux gives that one the same inode everywhere */
#define FUTURE_NS NS_PER_S               /* a stamp further ahead is not from this clock */

static uint64_t inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* All that a short file of /proc says; false if there is none. */
static bool read_text(const char *path, char *ret_text, size_t bytes)
{
    int state = sb_cancel_off();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd >= 0) {
        n = read(fd, ret_text, bytes - 1);
        close(fd);
    }
    sb_cancel_back(state);
    ret_text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* What lasts as long as the process is asked once; not knowing does not last. */
static uint64_t remembered(enum sb_own what, uint64_t (*ask)(void))
{
    sb_word *word = sb_own_word(what);
    uint64_t value = word == NULL ? 0 : sb_load_relaxed(word);

    if (value == 0) {
        value = ask();
        if (word != NULL) {
            sb_store_relaxed(word, value);
        }
    }
    return value;
}

static uint64_t ask_pid_namespace(void)
{
    return inode_of("/proc/self/ns/pid");
}

uint64_t sb_own_pid_namespace(void)
{
    return remembered(SB_OWN_PID_NAMESPACE, ask_pid_namespace);
}

const char *sb_pid_mark(uint64_t pid_namespace)
{
    uint64_t own = sb_own_pid_namespace();
    return own == 0 || pid_namespace == own ? "" : " of another pid namespace";
}

/* /proc/self/timens_offsets is about the namespace of future children: the same as ours unless
 * unshare() was called and no fork() followed. */
static int64_t own_offset_ns(uint64_t time_namespace, const char *clock)
{
    char text[256];
    char *end = NULL;
    const char *at;
    long long seconds, ns;

    if (time_namespace == FIRST_TIME_NAMESPACE) {
        return 0;
    }
    if (time_namespace == 0) {
        return inode_of("/proc/self/ns/pid") != 0 ? 0 : SB_OFFSET_UNKNOWN;
    }
    if (inode_of("/proc/self/ns/time_for_children") != time_namespace ||
        !read_text("/proc/self/timens_offsets", text, sizeof text)) {
        return SB_OFFSET_UNKNOWN;
    }
    at = strstr(text, clock);
    if (at == NULL) {
        return SB_OFFSET_UNKNOWN;
    }
    at += strlen(clock);
    seconds = strtoll(at, &end, 10);
    ns = strtoll(end, NULL, 10);
    return seconds > INT64_MAX / NS_PER_S / 2 || seconds < INT64_MIN / NS_PER_S / 2
               ? SB_OFFSET_UNKNOWN
               : seconds * NS_PER_S + ns;
}

struct sb_here sb_here(void)
{
    struct sb_here here = {
        .pid_namespace = sb_own_pid_namespace(),
        .time_namespace = inode_of("/proc/self/ns/time"),
        .now_ns = sb_now_ns(),
    };
    here.clock_offset_ns = own_offset_ns(here.time_namespace, "monotonic");
    return here;
}

int64_t sb_age_ns(const struct sb_here *here, uint64_t time_namespace, int64_t clock_offset_ns,
                  int64_t stamp_ns)
{
    int64_t now_ns = here->now_ns;
    int64_t age_ns;

    if (time_namespace != here->time_namespace) {
        if (clock_offset_ns == SB_OFFSET_UNKNOWN || here->clock_offset_ns == SB_OFFSET_UNKNOWN ||
            __builtin_sub_overflow(now_ns, here->clock_offset_ns, &now_ns) ||
            __builtin_sub_overflow(stamp_ns, clock_offset_ns, &stamp_ns)) {
            return -1;
        }
    }
    if (__builtin_sub_overflow(now_ns, stamp_ns, &age_ns)) {
        return stamp_ns < 0 ? INT64_MAX : -1;
    }
    if (age_ns < 0) {
        return age_ns > -FUTURE_NS ? 0 : -1;
    }
    return age_ns;
}

/* ------------------------------------------------------------------------------ /proc/PID/stat */

/* What follows the name, which may contain anything: "S 1 ...", field 3 and on. */
static const char *fields_of(pid_t pid, char *text, size_t bytes)
{
    char path[40];
    const char *p;

    if (pid == 0) {
        snprintf(path, sizeof path, "/proc/self/stat");
    } else {
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    }
    if (!read_text(path, text, bytes)) {
        return NULL;
    }
    p = strrchr(text, ')');
    return p != NULL && p[1] == ' ' ? p + 2 : NULL;
}

/* Field 22. The kernel adds what CLOCK_BOOTTIME is ahead by for the reader: that goes out again. */
static uint64_t start_time_in(const char *p)
{
    int64_t offset_ns = own_offset_ns(inode_of("/proc/self/ns/time"), "boottime");
    int64_t ticks;

    for (int field = 3; p != NULL && field < 22; field++) {
        p = strchr(p, ' ');
        p = p == NULL ? NULL : p + 1;
    }
    if (p == NULL || offset_ns == SB_OFFSET_UNKNOWN) {
        return 0;
    }
    ticks = strtoll(p, NULL, 10) - offset_ns / (NS_PER_S / sysconf(_SC_CLK_TCK));
    return ticks > 0 ? (uint64_t)ticks : 0;
}

static uint64_t ask_start_time(void)
{
    char text[1024];
    return start_time_in(fields_of(0, text, sizeof text));
}

uint64_t sb_start_time_ticks(pid_t pid)
{
    char text[1024];
    return pid == 0 ? remembered(SB_OWN_START_TICKS, ask_start_time)
                    : start_time_in(fields_of(pid, text, sizeof text));
}

/* Ticks are rounded after the offset was added: one more or less is the same moment. */
static bool is_same_start(uint64_t a_ticks, uint64_t b_ticks)
{
    return a_ticks != 0 && b_ticks != 0 && a_ticks - b_ticks + 1 <= 2;
}

char sb_process_state(pid_t pid, uint64_t start_time_ticks)
{
    char text[1024];
    const char *fields = pid > 0 ? fields_of(pid, text, sizeof text) : NULL;

    if (fields == NULL || !is_same_start(start_time_in(fields), start_time_ticks)) {
        return 0;
    }
    return *fields;
}

uint64_t sb_own_thread(void)
{
    return (uint64_t)syscall(SYS_gettid);
}
