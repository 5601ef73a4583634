/* SPDX-License-Identifier: MIT */
/*
 * The health check: who is attached, and whether somebody from an earlier life of the machine
 * could be. Advice here goes to people who follow it: a pid is only named as something to act on
 * where it is the number of that process, and nobody is told to end what is not proved to be wrong.
 */
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "inspect/check_process.h"
#include "inspect/stat.h"

/* --------------------------------------------------------------------------------- processes */

/* "process NAME (slot 3, pid 17)"; a number of another pid namespace is marked as one. */
static void name_process(const struct shmbus_process_stat *stat, char ret_text[TEXT_BYTES])
{
    int n = snprintf(ret_text, TEXT_BYTES, "process %s (slot %" PRIu32 ", pid %d", stat->name,
                     stat->slot, (int)stat->pid);
    if (stat->same_pid_namespace) {
        snprintf(ret_text + n, TEXT_BYTES - (size_t)n, ")");
    } else if (stat->pid_namespace != 0) {
        snprintf(ret_text + n, TEXT_BYTES - (size_t)n, " of pid namespace %" PRIu64 ")",
                 stat->pid_namespace);
    } else {
        snprintf(ret_text + n, TEXT_BYTES - (size_t)n, " of an unknown pid namespace)");
    }
}

/* What makes its silence matter: ", in a call on tasks; it keeps 2 messages". */
static void name_hands(const struct shmbus_process_stat *stat, char ret_text[TEXT_BYTES])
{
    int n = 0;
    if (stat->waiting_calls > 0 || stat->half_sent > 0) {
        n = snprintf(ret_text, TEXT_BYTES, ", in the middle of a call%s%s",
                     stat->waits_in[0] != '\0' ? " on " : "", stat->waits_in);
    }
    snprintf(ret_text + n, TEXT_BYTES - (size_t)n, "; it keeps %" PRIu64 " messages%s",
             stat->held_blocks, stat->regions_locked > 0 ? " and the lock of a region" : "");
}

static void cure_stalled(struct check *check, const struct shmbus_process_stat *stat)
{
    if (!stat->same_pid_namespace) {
        cure(check,
             "look at it inside its container, where its number means it: lsns -t pid lists them; "
             "here pid %d is nobody or somebody else",
             (int)stat->pid);
    } else if (stat->stopped) {
        cure(check, "let it go on: kill -CONT %d, or leave the debugger", (int)stat->pid);
    } else {
        cure(check,
             "look at what it does (/proc/%d/wchan, a debugger); long work wants "
             "shmbus_heartbeat() now and then; when it ends, others get what it keeps",
             (int)stat->pid);
    }
}

static bool has_anything(const struct shmbus_process_stat *stat)
{
    return stat->held_blocks > 0 || stat->half_sent > 0 || stat->regions_locked > 0 ||
           stat->waiting_calls > 0;
}

static void check_silent(struct check *check, const struct shmbus_process_stat *stat)
{
    char who[TEXT_BYTES], hands[TEXT_BYTES];

    name_process(stat, who);
    if (stat->life == SHMBUS_LIFE_STALLED) {
        name_hands(stat, hands);
        cure_stalled(check, stat);
        found(check, SHMBUS_SEVERITY_WARNING, "%.120s was last heard of %.1f s ago%s%.120s", who,
              (double)stat->heartbeat_age_ns / 1e9, stat->stopped ? ", is stopped" : "", hands);
    } else if (stat->stopped && has_anything(stat)) {
        name_hands(stat, hands);
        cure_stalled(check, stat);
        found(check, SHMBUS_SEVERITY_NOTE, "%.120s is stopped by a signal or a debugger%.120s", who,
              hands);
    } else if (stat->stopped) {
        cure(check, "none needed: nobody misses it");
        found(check, SHMBUS_SEVERITY_NOTE,
              "%.120s is stopped by a signal or a debugger, with nothing in its hands", who);
    }
}

/* Threads that ended with handles open: the process lives, so nobody else gets what is in them. */
static void check_left(struct check *check, const struct shmbus_process_stat *stat)
{
    char who[TEXT_BYTES];

    if (stat->handles_left == 0) {
        return;
    }
    name_process(stat, who);
    cure(check,
         "close handles before their thread ends, or open them with SHMBUS_OPEN_THREAD; when the "
         "process ends, others get what is in them");
    found(check, stat->held_left > 0 ? SHMBUS_SEVERITY_WARNING : SHMBUS_SEVERITY_NOTE,
          "%.120s has %" PRIu32 " handles of threads that have ended, with %" PRIu32
          " messages in them",
          who, stat->handles_left, stat->held_left);
}

static void check_process(struct check *check, uint32_t index)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    char who[TEXT_BYTES];

    if (shmbus_process_stat(check->bus, index, &stat) < 0) {
        return;
    }
    if (stat.life == SHMBUS_LIFE_DEAD) {
        name_process(&stat, who);
        cure(check, "shmbusctl reclaim %s", bus_name(check));
        found(check, SHMBUS_SEVERITY_WARNING,
              "%.120s is dead and not cleaned up after; it held %" PRIu64 " blocks or cells", who,
              stat.held_blocks + stat.stock_blocks);
    } else {
        check_silent(check, &stat);
        check_left(check, &stat);
    }
}

void sb_check_processes(struct check *check)
{
    for (uint32_t i = 0; i < check->bus->view.process_count; i++) {
        check_process(check, i);
    }
}

/* -------------------------------------------------------------------------- an earlier machine */

static bool read_boot_id(uint8_t ret_id[16])
{
    char text[64] = "";
    unsigned digits = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL) {
        return false;
    }
    if (fgets(text, sizeof text, file) == NULL) {
        text[0] = '\0';
    }
    fclose(file);
    memset(ret_id, 0, 16);
    for (const char *c = text; *c != '\0' && digits < 32; c++) {
        unsigned value = *c >= '0' && *c <= '9'   ? (unsigned)(*c - '0')
                         : *c >= 'a' && *c <= 'f' ? (unsigned)(*c - 'a' + 10)
                                                  : 16;
        if (value < 16) {
            ret_id[digits / 2] = (uint8_t)((unsigned)ret_id[digits / 2] << 4 | value);
            digits++;
        }
    }
    return digits == 32;
}

static bool is_in_use(const struct check *check)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    return shmbus_bus_stat(check->bus, &stat) < 0 ||
           stat.processes_alive + stat.processes_idle + stat.processes_stalled > 0;
}

static bool survives_a_boot(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC &&
           fs.f_type != HUGETLBFS_MAGIC;
}

/* A boot id that differs proves little: containers have one of their own (systemd-nspawn), on
 * either side. Somebody alive who is attached proves that it is the same machine. */
void sb_check_boot(struct check *check)
{
    static const uint8_t unknown[16];
    const uint8_t *then = check->bus->view.super->boot_id;
    uint8_t now[16];

    if (memcmp(then, unknown, sizeof unknown) == 0 || !read_boot_id(now) ||
        memcmp(now, then, sizeof now) == 0 || is_in_use(check)) {
        return;
    }
    cure(check,
         "none needed; if it is no copy kept for examination and nobody will come back to it: "
         "shmbusctl rm %s",
         bus_name(check));
    found(check, SHMBUS_SEVERITY_NOTE,
          "the segment was made %sin a container with a boot id of its own%s; nobody is attached",
          survives_a_boot(check->bus->segment.path) ? "before the machine was started, or " : "",
          survives_a_boot(check->bus->segment.path) ? "" : ", or is a copy");
}
