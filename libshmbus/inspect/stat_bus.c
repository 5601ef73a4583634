/* SPDX-License-Identifier: MIT */
/*
 * The bus as a whole in numbers.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sized.h"
#include "inspect/inspect.h"
#include "inspect/life.h"
#include "inspect/stat.h"

bool sb_bus_is_unlinked(const struct shmbus *bus)
{
    struct stat st;
    if (stat(bus->segment.path, &st) != 0) {
        return true;
    }
    return (uint64_t)st.st_dev != bus->segment.device || (uint64_t)st.st_ino != bus->segment.inode;
}

static void format_uuid(const uint8_t uuid[16], char ret_text[37])
{
    char *at = ret_text;
    for (unsigned i = 0; i < 16; i++) {
        at += snprintf(at, 4, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    }
}

/* Only read: it is another bus, perhaps of another version, or no bus. */
void sb_bus_other_uuid(const struct shmbus *bus, char ret_text[37])
{
    struct sb_super head;
    int fd = open(bus->segment.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    ret_text[0] = '\0';
    if (fd < 0) {
        return;
    }
    if (pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
        memcmp(head.magic, SB_MAGIC, sizeof head.magic) == 0) {
        format_uuid(head.uuid, ret_text);
    }
    close(fd);
}

/* Permissions now: somebody may have changed them since we attached. */
static mode_t mode_now(struct shmbus *bus)
{
    struct stat st;
    mode_t mode = bus->segment.mode;

    pthread_mutex_lock(&bus->liveness_lock);
    if (sb_liveness_stat(&bus->liveness, &st)) {
        mode = st.st_mode;
    }
    pthread_mutex_unlock(&bus->liveness_lock);
    return mode & 07777;
}

int shmbus_bus_stat(struct shmbus *bus, struct shmbus_bus_stat *ret_stat)
{
    struct shmbus_bus_stat stat = {0};
    const struct sb_super *super;
    char name[SHMBUS_NAME_BYTES];
    int result = sb_stat_check(bus, ret_stat);
    if (result < 0) {
        return result;
    }
    super = bus->view.super;
    memcpy(stat.name, bus->segment.name, sizeof stat.name);
    memcpy(stat.path, bus->segment.path, sizeof stat.path);
    format_uuid(super->uuid, stat.uuid);
    stat.segment_bytes = bus->view.bytes;
    stat.created_realtime_ns = super->created_realtime_ns;
    stat.layout_major = super->layout_major;
    stat.layout_minor = super->layout_minor;
    stat.processes_max = bus->view.process_count;
    sb_count_lives(bus, &stat);
    stat.channels_max = bus->view.channel_count;
    for (uint32_t i = 0; i < bus->view.channel_count; i++) {
        stat.channels_used += sb_channel_name(&bus->view.channels[i], name);
    }
    stat.regions = bus->view.region_count;
    stat.block_classes = bus->view.blocks.class_count;
    stat.recoveries = sb_load_relaxed(&bus->view.super->recoveries);
    stat.attaches = sb_load_relaxed(&bus->view.super->attach_seq);
    stat.heartbeat_interval_ns = bus->view.heartbeat_interval_ns;
    stat.heartbeat_timeout_ns = bus->view.heartbeat_timeout_ns;
    stat.owner_uid = bus->segment.owner_uid;
    stat.mode = mode_now(bus);
    stat.shutting_down = sb_load_relaxed(&bus->view.super->shutdown) != 0;
    stat.device = bus->segment.device;
    stat.inode = bus->segment.inode;
    stat.unlinked = sb_bus_is_unlinked(bus);
    if (stat.unlinked) {
        sb_bus_other_uuid(bus, stat.other_uuid);
    }
    sb_give(ret_stat, &stat, sizeof stat);
    return 0;
}
