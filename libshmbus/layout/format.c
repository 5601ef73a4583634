/* SPDX-License-Identifier: MIT */
/*
 * The segment's tables, written once by the creator. verify.c checks them.
 */
#include "layout/format.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "layout/name.h"

uint32_t sb_fingerprint(void)
{
    const uint8_t bytes[4] = {1, 2, 3, 4};
    uint32_t order;

    memcpy(&order, bytes, sizeof order);
    return order ^ (uint32_t)(sizeof(sb_word) << 16 | sizeof(void *) << 8 | SB_LINE);
}

uint64_t sb_constants_hash(const struct sb_super *super, const struct sb_geometry *g)
{
    struct sb_super copy;
    uint64_t hash;

    memcpy(&copy, super, SB_SUPER_CONSTANT_BYTES);
    copy.constants_hash = 0;
    hash = sb_hash_bytes(SB_HASH_START, &copy, SB_SUPER_CONSTANT_BYTES);
    for (uint32_t i = 0; i < g->class_count; i++) {
        hash = sb_hash_u64(hash, g->classes[i].size_bytes);
        hash = sb_hash_u64(hash, g->classes[i].count);
    }
    for (uint32_t i = 0; i < g->channel_count; i++) {
        const struct sb_channel_geometry *ch = &g->channels[i];
        hash = sb_hash_u64(hash, (uint64_t)ch->kind << 32 | ch->on_full);
        hash = sb_hash_u64(hash, (uint64_t)ch->depth << 32 | ch->max_deliveries);
        hash = sb_hash_u64(hash, (uint64_t)ch->dead_letter << 32 | ch->endpoints);
        hash = sb_hash_u64(hash, (uint64_t)ch->lanes << 32 | ch->flags);
        hash = sb_hash_u64(hash, ch->bytes);
        hash = sb_hash_u64(hash, ch->share);
    }
    for (uint32_t i = 0; i < g->region_count; i++) {
        hash = sb_hash_bytes(hash, g->regions[i].name, SHMBUS_NAME_BYTES);
        hash = sb_hash_u64(hash, g->regions[i].bytes);
    }
    return hash;
}

static unsigned hex_value(char digit)
{
    return digit <= '9' ? (unsigned)digit - '0' : (unsigned)digit - 'a' + 10u;
}

/* Stays zero where /proc is missing; it is only for people. */
static void read_boot_id(uint8_t ret_id[16])
{
    char text[40] = "";
    unsigned digits = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    for (const char *c = text; *c != '\0' && digits < 32; c++) {
        if ((*c < '0' || *c > '9') && (*c < 'a' || *c > 'f'))
            continue; /* the dashes */
        unsigned byte = (unsigned)ret_id[digits / 2] << 4 | hex_value(*c);
        ret_id[digits / 2] = (uint8_t)byte;
        digits++;
    }
}

static void make_uuid(uint8_t ret_uuid[16])
{
    if (getrandom(ret_uuid, 16, 0) != 16) {
        uint64_t parts[2] = {(uint64_t)sb_now_ns(), (uint64_t)getpid()};
        memcpy(ret_uuid, parts, sizeof parts);
    }
    ret_uuid[6] = (uint8_t)((ret_uuid[6] & 0x0fu) | 0x40u); /* RFC 4122: random, version 4 */
    ret_uuid[8] = (uint8_t)((ret_uuid[8] & 0x3fu) | 0x80u);
}

static void format_super(struct sb_super *super, const struct sb_geometry *g)
{
    memcpy(super->magic, SB_MAGIC, sizeof super->magic);
    super->layout_major = SB_LAYOUT_MAJOR;
    super->layout_minor = SB_LAYOUT_MINOR;
    super->fingerprint = sb_fingerprint();
    super->super_bytes = sizeof *super;
    super->segment_bytes = g->segment_bytes;
    make_uuid(super->uuid);
    read_boot_id(super->boot_id);
    super->created_realtime_ns = sb_clock_ns(CLOCK_REALTIME);
    super->heartbeat_interval_ns = g->heartbeat_interval_ns;
    super->heartbeat_timeout_ns = g->heartbeat_timeout_ns;
    super->compatible_features = g->core ? SB_FEATURE_CORE : 0;
    super->processes = g->processes;
    super->classes = g->class_count;
    super->channels = g->channel_count;
    super->regions = g->region_count;
    super->constants_hash = sb_constants_hash(super, g);
}

static void format_channel(uint8_t *base, struct sb_channel *shared,
                           const struct sb_channel_geometry *ch)
{
    const struct sb_kind_layout *kind = sb_geometry_kind(ch);

    shared->kind = ch->kind;
    shared->on_full = ch->on_full;
    shared->depth = ch->depth;
    shared->max_deliveries = ch->max_deliveries;
    shared->dead_letter = ch->dead_letter;
    shared->endpoints = ch->endpoints;
    shared->flags = ch->flags;
    shared->lanes = ch->lanes;
    shared->bytes = ch->bytes;
    shared->share = ch->share;
    if (ch->name[0] != '\0') {
        sb_name_store(shared->name, ch->name);
        sb_store_relaxed(&shared->dir, sb_dir_make(sb_name_hash(ch->name), SB_DIR_READY));
    }
    if (kind != NULL && kind->format != NULL)
        kind->format(base, ch);
}

static void format_class(uint8_t *base, struct sb_class *shared,
                         const struct sb_class_geometry *cls)
{
    sb_word *bitmap = (sb_word *)(void *)(base + cls->bitmap_off);
    uint64_t whole = cls->count / 64;

    shared->size_bytes = cls->size_bytes;
    shared->count = cls->count;
    for (uint64_t i = 0; i < whole; i++)
        sb_store_relaxed(&bitmap[i], UINT64_MAX);
    if (cls->count % 64 != 0)
        sb_store_relaxed(&bitmap[whole], (1ull << (cls->count % 64)) - 1);
}

/* Nobody else sees the mapping yet. Block headers (free, generation 0), process slots (free, epoch
 * 0), lanes and their cells (nobody's; free, lap 0), endpoints and stream bytes are right as
 * zeroes. */
void sb_layout_format(uint8_t *base, const struct sb_geometry *g)
{
    struct sb_class *classes = (struct sb_class *)(void *)(base + g->class_off);
    struct sb_channel *channels = (struct sb_channel *)(void *)(base + g->channel_off);
    struct sb_region *regions = (struct sb_region *)(void *)(base + g->region_off);

    for (uint32_t i = 0; i < g->class_count; i++)
        format_class(base, &classes[i], &g->classes[i]);
    for (uint32_t i = 0; i < g->channel_count; i++)
        format_channel(base, &channels[i], &g->channels[i]);
    for (uint32_t i = 0; i < g->region_count; i++) {
        sb_name_store(regions[i].name, g->regions[i].name);
        regions[i].bytes = g->regions[i].bytes;
    }
    format_super((struct sb_super *)(void *)base, g);
}
