/* SPDX-License-Identifier: MIT */
/*
 * The segment's tables, checked by everybody who attaches.
 *
 * Accidents (damage, another version, another machine) are told apart and named. Attackers are met
 * by taking every number exactly once into private memory and checking it there; the hash is
 * no defence against them.
 */
#include "layout/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "layout/bounds.h"
#include "layout/format.h"
#include "layout/name.h"

#define CHANNEL_NUMBERS_OFF offsetof(struct sb_channel, kind)

/* ---------------------------------------------------------------------------------- superblock */

static int check_version(const struct sb_super *super, bool read_only)
{
    if (super->fingerprint != sb_fingerprint()) {
        return sb_fail(-SHMBUS_ERR_LAYOUT,
                       "made on a machine of another kind (fingerprint %08x, here %08x); remove it "
                       "and create it on this machine",
                       super->fingerprint, sb_fingerprint());
    }
    if (super->layout_major != SB_LAYOUT_MAJOR) {
        return sb_fail(
            -SHMBUS_ERR_LAYOUT,
            "has layout %u.%u, this library (shmbus %s) knows %u.%u; use the shmbus that "
            "created it, or stop its users, remove it and create it again",
            super->layout_major, super->layout_minor, SHMBUS_VERSION, SB_LAYOUT_MAJOR,
            SB_LAYOUT_MINOR);
    }
    if (super->incompatible_features != 0) {
        return sb_fail(-SHMBUS_ERR_LAYOUT,
                       "uses features that this library (shmbus %s) does not know (%#" PRIx64
                       "); use the shmbus that created it",
                       SHMBUS_VERSION, super->incompatible_features);
    }
    if (super->read_only_features != 0 && !read_only) {
        return sb_fail(-SHMBUS_ERR_LAYOUT,
                       "uses features with which this library (shmbus %s) can only observe it "
                       "(%#" PRIx64 "); use the shmbus that created it, or SHMBUS_ATTACH_OBSERVE",
                       SHMBUS_VERSION, super->read_only_features);
    }
    return 0;
}

int sb_damaged(const char *what, uint64_t value)
{
    return sb_fail(-SHMBUS_ERR_CORRUPT,
                   "damaged: %s is %" PRIu64 "; stop its users, remove it and create it again",
                   what, value);
}

int sb_super_check(const struct sb_super *super, uint64_t file_bytes, bool read_only)
{
    if (memcmp(super->magic, SB_MAGIC, sizeof super->magic) != 0)
        return sb_fail(-SHMBUS_ERR_CORRUPT, "not a shmbus segment; remove it or choose another "
                                            "name");
    int r = check_version(super, read_only);
    if (r < 0)
        return r;
    if (super->super_bytes != sizeof *super)
        return sb_damaged("super_bytes", super->super_bytes);
    if (super->segment_bytes != file_bytes) {
        return sb_fail(-SHMBUS_ERR_CORRUPT,
                       "%" PRIu64 " bytes long, but made with %" PRIu64
                       "; it was cut or overwritten: stop its users, remove it and create it again",
                       file_bytes, super->segment_bytes);
    }
    if (super->segment_bytes % SB_PAGE != 0 || super->segment_bytes > SB_SEGMENT_MAX)
        return sb_damaged("segment_bytes", super->segment_bytes);
    if (super->heartbeat_interval_ns <= 0)
        return sb_damaged("heartbeat_interval_ns", (uint64_t)super->heartbeat_interval_ns);
    if (super->heartbeat_timeout_ns < super->heartbeat_interval_ns)
        return sb_damaged("heartbeat_timeout_ns", (uint64_t)super->heartbeat_timeout_ns);
    if (super->processes == 0 || super->processes > SHMBUS_PROCESSES_MAX)
        return sb_damaged("processes", super->processes);
    if (super->classes > SHMBUS_BLOCK_CLASSES_MAX)
        return sb_damaged("classes", super->classes);
    if (super->channels > SHMBUS_CHANNELS_MAX)
        return sb_damaged("channels", super->channels);
    if (super->regions > SHMBUS_REGIONS_MAX)
        return sb_damaged("regions", super->regions);
    return 0;
}

/* ------------------------------------------------------------------------- from the segment */

/* A private copy of constants: another process might be changing them between our check and our
 * use, and the fence keeps the compiler from reading them again. */
static void copy_once(void *ret_copy, const void *shared, size_t bytes)
{
    memcpy(ret_copy, shared, bytes);
    sb_compiler_fence();
}

static int read_classes(const uint8_t *base, struct sb_geometry *g)
{
    const struct sb_class *shared = (const struct sb_class *)(const void *)(base + g->class_off);
    uint64_t total = 0, previous = 0;

    for (uint32_t i = 0; i < g->class_count; i++) {
        struct sb_class copy;
        copy_once(&copy, &shared[i], sizeof copy);
        uint64_t size = copy.size_bytes, count = copy.count;
        if (size % SB_LINE != 0 || size <= previous || size > SB_BLOCK_BYTES_MAX)
            return sb_damaged("the size of a block class", size);
        if (count == 0 || count > SB_BLOCKS_MAX - total)
            return sb_damaged("the number of blocks of a class", count);
        g->classes[i].size_bytes = size;
        g->classes[i].count = count;
        previous = size;
        total += count;
    }
    return 0;
}

static int check_channel(const struct sb_channel_geometry *ch)
{
    const struct sb_kind_layout *kind = sb_geometry_kind(ch);

    if (kind == NULL)
        return sb_damaged("the kind of a channel", ch->kind);
    if (ch->endpoints == 0 || ch->endpoints > SB_ENDPOINTS_MAX)
        return sb_damaged("the number of endpoints of a channel", ch->endpoints);
    if (ch->share != 0 && !sb_geometry_uses_blocks(ch))
        return sb_damaged("the share of blocks of a channel without blocks", ch->share);
    if ((ch->flags & ~(SB_CHANNEL_TIMESTAMPS | SB_CHANNEL_SPARE)) != 0)
        return sb_damaged("the flags of a channel", ch->flags);
    return kind->check(ch);
}

/* A name under construction is left alone: whoever needs it finishes it. */
static int read_channel_name(const struct sb_channel *shared, struct sb_channel_geometry *ch)
{
    uint64_t dir = sb_load_acquire(&shared->dir);

    switch (dir & 0xffu) {
    case SB_DIR_SPARE:
        return sb_dir_hash(dir) == 0 ? 0 : sb_damaged("the directory word of a spare channel", dir);
    case SB_DIR_NAMING:
        return sb_dir_hash(dir) != 0 ? 0 : sb_damaged("the directory word of a new channel", dir);
    case SB_DIR_READY:
        sb_name_load(shared->name, ch->name);
        if (!sb_name_is_valid(ch->name) || sb_name_hash(ch->name) != sb_dir_hash(dir))
            return sb_damaged("the directory word of a channel whose name does not match", dir);
        return 0;
    default:
        return sb_damaged("the directory word of a channel", dir);
    }
}

static int read_channel(const struct sb_channel *shared, struct sb_channel_geometry *ch)
{
    struct sb_channel copy;

    /* Only the numbers: the words around them may be changing. */
    copy_once((char *)&copy + CHANNEL_NUMBERS_OFF, (const char *)shared + CHANNEL_NUMBERS_OFF,
              offsetof(struct sb_channel, pad0) - CHANNEL_NUMBERS_OFF);
    ch->kind = copy.kind;
    ch->on_full = copy.on_full;
    ch->depth = copy.depth;
    ch->max_deliveries = copy.max_deliveries;
    ch->dead_letter = copy.dead_letter;
    ch->endpoints = copy.endpoints;
    ch->flags = copy.flags;
    ch->lanes = copy.lanes;
    ch->bytes = copy.bytes;
    ch->share = copy.share;
    int r = check_channel(ch);
    return r < 0 ? r : read_channel_name(shared, ch);
}

static int read_channels(const uint8_t *base, struct sb_geometry *g)
{
    const struct sb_channel *shared =
        (const struct sb_channel *)(const void *)(base + g->channel_off);

    for (uint32_t i = 0; i < g->channel_count; i++) {
        int r = read_channel(&shared[i], &g->channels[i]);
        if (r < 0)
            return r;
        if (g->channels[i].kind == SHMBUS_KIND_QUEUE && g->class_count == 0)
            return sb_damaged("classes, although there are queues,", 0);
        if (sb_geometry_uses_blocks(&g->channels[i]) &&
            g->channels[i].bytes > g->classes[g->class_count - 1].size_bytes)
            return sb_damaged("the largest message of a queue", g->channels[i].bytes);
    }
    for (uint32_t i = 0; i < g->channel_count; i++) {
        uint32_t target = g->channels[i].dead_letter;
        if (target == SB_NONE)
            continue;
        if (target >= g->channel_count || target == i ||
            g->channels[target].kind != SHMBUS_KIND_QUEUE ||
            g->channels[target].dead_letter != SB_NONE || g->channels[target].lanes != 0)
            return sb_damaged("the dead-letter queue of a channel", target);
    }
    uint32_t cls = sb_geometry_share(g);
    return cls == SB_NONE ? 0
                          : sb_damaged("a class of fewer blocks than the shares of queues", cls);
}

static int read_regions(const uint8_t *base, struct sb_geometry *g)
{
    const struct sb_region *shared = (const struct sb_region *)(const void *)(base + g->region_off);

    for (uint32_t i = 0; i < g->region_count; i++) {
        uint64_t bytes;
        copy_once(&bytes, &shared[i].bytes, sizeof bytes);
        if (bytes == 0 || bytes > SB_REGION_MAX)
            return sb_damaged("the size of a region", bytes);
        g->regions[i].bytes = bytes;
        sb_name_load(shared[i].name, g->regions[i].name);
        if (!sb_name_is_valid(g->regions[i].name))
            return sb_damaged("the first byte of the bad name of a region",
                              (unsigned char)g->regions[i].name[0]);
    }
    return 0;
}

/* Reads the tables of a superblock that was checked in private memory. Where the tables lie follows
 * from their counts alone, so they are placed first, with nothing in them. */
static int read_tables(const uint8_t *base, const struct sb_super *super, struct sb_geometry *g)
{
    g->processes = super->processes;
    g->class_count = super->classes;
    g->channel_count = super->channels;
    g->region_count = super->regions;
    g->heartbeat_interval_ns = super->heartbeat_interval_ns;
    g->heartbeat_timeout_ns = super->heartbeat_timeout_ns;
    g->core = (super->compatible_features & SB_FEATURE_CORE) != 0;

    int r = sb_geometry_alloc(g);
    if (r < 0)
        return r;
    if (!sb_geometry_place(g) || g->segment_bytes > super->segment_bytes)
        return sb_damaged("segment_bytes", super->segment_bytes);
    r = read_classes(base, g);
    if (r == 0)
        r = read_channels(base, g);
    if (r == 0)
        r = read_regions(base, g);
    if (r < 0)
        return r;
    if (!sb_geometry_place(g) || g->segment_bytes != super->segment_bytes)
        return sb_damaged("segment_bytes", super->segment_bytes);
    if (sb_constants_hash(super, g) != super->constants_hash)
        return sb_damaged("the hash of the constants", super->constants_hash);
    return 0;
}

int sb_geometry_from_segment(const uint8_t *base, uint64_t bytes, struct sb_geometry **ret)
{
    struct sb_super super;

    if (bytes < sizeof super)
        return sb_damaged("the length", bytes);
    memset(&super, 0, sizeof super);
    copy_once(&super, base, SB_SUPER_CONSTANT_BYTES);
    int r = sb_super_check(&super, bytes, true);
    if (r < 0)
        return r;
    struct sb_geometry *g = calloc(1, sizeof *g);
    if (g == NULL)
        return sb_fail(-ENOMEM, "no memory for the tables of a segment");
    r = read_tables(base, &super, g);
    if (r < 0) {
        sb_geometry_free(g);
        return r;
    }
    *ret = g;
    return 0;
}
