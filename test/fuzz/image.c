/* SPDX-License-Identifier: MIT */
/*
 * The segment that every input starts from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus/segment.h"
#include "fuzz.h"
#include "layout/bounds.h"
#include "layout/format.h"
#include "layout/name.h"
#include "layout/verify.h"
#include "plan/plan_geometry.h"

#define LOCK_BASE (1ll << 62) /* as in process.c */
#define LONG_AGO 1u

void fuzz_fail(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "fuzz: %s\n", text);
    abort();
}

static void must(int result, const char *what)
{
    if (result < 0) {
        fuzz_fail("%s: %s", what, shmbus_detail());
    }
}

void fuzz_name(const char *target, char ret_name[SHMBUS_NAME_BYTES])
{
    snprintf(ret_name, SHMBUS_NAME_BYTES, "fuzz-%s-%d", target, (int)getpid());
}

/* ----------------------------------------------------------------------------------- the plans */

static void add_channel(struct shmbus_plan *plan, const char *name, enum shmbus_kind kind,
                        struct shmbus_channel_opts with)
{
    with.struct_bytes = sizeof with;
    with.kind = kind;
    with.endpoints = 4;
    must(shmbus_plan_add_channel(plan, name, &with), "add_channel");
}

static void add_region(struct shmbus_plan *plan, const char *name, uint64_t bytes)
{
    struct shmbus_region_opts region = {sizeof region, bytes};

    must(shmbus_plan_add_region(plan, name, &region), "add_region");
}

static void add_blocks(struct shmbus_plan *plan, uint64_t size_bytes, uint64_t count)
{
    struct shmbus_block_opts blocks = {sizeof blocks, size_bytes, count};

    must(shmbus_plan_add_blocks(plan, &blocks), "add_blocks");
}

/* The queues, all but the dead-letter queue with lanes or none. */
static void add_queues(struct shmbus_plan *plan, bool lanes)
{
    struct shmbus_channel_opts q = {.depth = 4, .max_deliveries = 3, .dead_letter = "dead"};
    struct shmbus_channel_opts drop = {
        .depth = 4, .on_full = SHMBUS_FULL_DROP_OLDEST, .timestamps = SHMBUS_SWITCH_ON};

    if (lanes) {
        q.order = drop.order = SHMBUS_ORDER_PRODUCER;
        q.producers = drop.producers = 3;
        q.message_bytes = 100;
        drop.message_bytes = 2000;
    }
    add_channel(plan, "dead", SHMBUS_KIND_QUEUE, (struct shmbus_channel_opts){.depth = 4});
    add_channel(plan, "q", SHMBUS_KIND_QUEUE, q);
    add_channel(plan, "drop", SHMBUS_KIND_QUEUE, drop);
}

static struct shmbus_plan *make_plan(enum fuzz_kind kind)
{
    struct shmbus_plan *plan = NULL;
    bool bare = kind == FUZZ_KIND_BARE;
    struct shmbus_plan_opts whole = {.struct_bytes = sizeof whole,
                                     .processes = 4,
                                     .spare_channels = bare ? SHMBUS_SPARE_NONE : 2,
                                     .spare_depth = 4};

    must(shmbus_plan_new(0, &plan), "plan_new");
    must(shmbus_plan_set(plan, &whole), "plan_set");
    must(shmbus_plan_clear_blocks(plan), "plan_clear_blocks");
    add_channel(plan, "s", SHMBUS_KIND_STREAM, (struct shmbus_channel_opts){.bytes = 4096});
    add_channel(plan, "st", SHMBUS_KIND_STREAM,
                (struct shmbus_channel_opts){.bytes = 4096, .timestamps = SHMBUS_SWITCH_ON});
    add_region(plan, "r", 100);
    add_region(plan, "big", 5000);
    if (!bare) {
        add_queues(plan, kind == FUZZ_KIND_LANES);
        add_blocks(plan, 64, 9);
        add_blocks(plan, 2048, 9); /* 5 are shares of queues */
    }
    return plan;
}

/* ------------------------------------------------------------------------------------- history */

static void write_streams(struct shmbus *bus)
{
    static const char *const names[] = {"s", "st"};
    static const char text[700] = "a record";

    for (unsigned i = 0; i < 2; i++) {
        struct shmbus_channel *tx = NULL, *rx = NULL;
        struct shmbus_msg msg;
        must(shmbus_channel_open(bus, names[i], SHMBUS_OPEN_SEND, NULL, &tx), "open");
        must(shmbus_channel_open(bus, names[i], SHMBUS_OPEN_RECV, NULL, &rx), "open");
        for (unsigned n = 0; n < 7; n++) { /* round the ring once */
            must(shmbus_send(tx, text, sizeof text, 0), "send");
            if (n < 5) {
                must(shmbus_recv(rx, &msg, 0), "recv");
                must(shmbus_release(&msg), "release");
            }
        }
        must(shmbus_recv(rx, &msg, 0), "recv"); /* one in hand */
    }
}

/* The producer passes over cells that are held, and a next one takes over another lane. */
static void write_lanes(struct shmbus *bus, struct shmbus_channel *q)
{
    static const char text[64] = "past what is held";
    struct shmbus_channel *other = NULL;
    struct shmbus_msg msg;

    must(shmbus_recv(q, &msg, 0), "recv");
    must(shmbus_release(&msg), "release");
    must(shmbus_send(q, text, sizeof text, 0), "send");
    must(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &other), "open");
    must(shmbus_send(other, text, 20, 0), "send");
    shmbus_channel_close(other);
}

static void write_queues(struct shmbus *bus, bool lanes)
{
    static const char text[64] = "a message";
    struct shmbus_channel *q = NULL, *dropping = NULL;
    struct shmbus_msg msg;

    must(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &q), "open");
    must(shmbus_channel_open(bus, "drop", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &dropping),
         "open");
    for (unsigned n = 0; n < 4; n++) {
        const struct shmbus_send_opts opts = {
            .struct_bytes = sizeof opts, .type = SHMBUS_TYPE_USER, .correlation_id = n};
        must(shmbus_send_with(q, &opts, text, 8 * n, 0), "send");
    }
    for (unsigned n = 0; n < 3; n++) { /* until it is a dead letter */
        must(shmbus_recv(q, &msg, 0), "recv");
        must(shmbus_requeue(&msg), "requeue");
    }
    must(shmbus_recv(q, &msg, 0), "recv");
    must(shmbus_requeue(&msg), "requeue"); /* an orphan */
    must(shmbus_recv(q, &msg, 0), "recv"); /* in hand again */
    must(shmbus_recv(q, &msg, 0), "recv"); /* in hand for the first time */
    if (lanes) {
        write_lanes(bus, q);
    }
    must(shmbus_send(dropping, text, 1, 0), "send");
    must(shmbus_reserve(dropping, 2000, &msg, 0), "reserve");
}

/* In a process of its own, which dies with all of it in hand. */
static void make_history(const char *name, enum fuzz_kind kind)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *dying = NULL, *living = NULL;
    struct shmbus_channel *ch = NULL;
    struct shmbus_region *region = NULL;

    opts.flags = SHMBUS_ATTACH_NO_WATCHER;
    opts.process_name = "dying";
    must(shmbus_attach(name, &opts, &dying), "attach");
    opts.process_name = "living";
    must(shmbus_attach(name, &opts, &living), "attach");
    must(shmbus_region_open(dying, "r", &region), "region_open");
    must(shmbus_region_write(region, 3, name, 5, 0), "region_write");
    write_streams(dying);
    if (kind != FUZZ_KIND_BARE) {
        write_queues(dying, kind == FUZZ_KIND_LANES);
        must(shmbus_channel_open(living, "q", SHMBUS_OPEN_RECV, NULL, &ch), "open");
        must(shmbus_channel_open(living, "extra", SHMBUS_OPEN_SEND, NULL, &ch), "open");
        must(shmbus_send(ch, "x", 1, 0), "send");
    }
}

/* What differs from run to run, and would make a found input worthless tomorrow. */
static void make_timeless(uint8_t *bytes, const struct sb_geometry *g)
{
    struct sb_super *super = (struct sb_super *)(void *)bytes;
    struct sb_proc *processes = (struct sb_proc *)(void *)(bytes + g->process_off);

    memset(super->uuid, 0x55, sizeof super->uuid);
    memset(super->boot_id, 0, sizeof super->boot_id);
    super->created_realtime_ns = 1000000000;
    for (uint32_t i = 0; i < 2; i++) {
        sb_store_relaxed(&processes[i].pid, 0x7ffffff0u + i);
        sb_store_relaxed(&processes[i].pid_namespace, 1);
        sb_store_relaxed(&processes[i].start_time_ticks, LONG_AGO);
        sb_store_relaxed(&processes[i].attached_ns, LONG_AGO);
        sb_store_relaxed(&processes[i].heartbeat_ns, LONG_AGO);
        sb_store_relaxed(&processes[i].uid, 0);
    }
    super->constants_hash = sb_constants_hash(super, g);
}

static void read_image(const char *name, struct fuzz_image *image)
{
    char path[256], short_name[SHMBUS_NAME_BYTES];
    ssize_t n;
    int fd;

    must(sb_segment_path(name, path, sizeof path, short_name), "path");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : pread(fd, image->bytes, FUZZ_SEGMENT_MAX, 0);
    if (n <= 0 || (size_t)n == FUZZ_SEGMENT_MAX) {
        fuzz_fail("%s cannot be read, or it is too large", path);
    }
    close(fd);
    image->size = (size_t)n;
}

void fuzz_image_make(const char *name, enum fuzz_kind kind, struct fuzz_image *ret)
{
    struct shmbus_plan *plan = make_plan(kind);
    struct fuzz_image image = {.bytes = calloc(1, FUZZ_SEGMENT_MAX)};
    int status = 0;
    pid_t child;

    must(image.bytes == NULL ? -ENOMEM : 0, "memory");
    must(shmbus_create(name, plan, NULL), "create");
    shmbus_plan_free(plan);
    child = fork();
    if (child == 0) {
        make_history(name, kind);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        shmbus_unlink(name);
        fuzz_fail("the history of %s was not made", name);
    }
    read_image(name, &image);
    must(shmbus_unlink(name), "unlink");
    must(sb_geometry_from_segment(image.bytes, image.size, &image.geometry), "geometry");
    make_timeless(image.bytes, image.geometry);
    *ret = image;
}

/* -------------------------------------------------------------------------------------- fixing */

/* The tables as they are, however mad; false if they are not within the room. */
static bool read_raw(const uint8_t *bytes, struct sb_geometry *g)
{
    const struct sb_class *classes;
    const struct sb_channel *channels;
    const struct sb_region *regions;
    uint64_t blocks = 0;

    if (!sb_geometry_place(g) || g->segment_bytes > FUZZ_SEGMENT_MAX) {
        return false;
    }
    classes = (const struct sb_class *)(const void *)(bytes + g->class_off);
    channels = (const struct sb_channel *)(const void *)(bytes + g->channel_off);
    regions = (const struct sb_region *)(const void *)(bytes + g->region_off);
    for (uint32_t i = 0; i < g->class_count; i++) {
        g->classes[i].size_bytes = classes[i].size_bytes;
        g->classes[i].count = classes[i].count;
        if (classes[i].count > FUZZ_SEGMENT_MAX ||
            (blocks += classes[i].count) > FUZZ_SEGMENT_MAX) {
            return false;
        }
    }
    for (uint32_t i = 0; i < g->channel_count; i++) {
        struct sb_channel_geometry *ch = &g->channels[i];
        ch->kind = channels[i].kind;
        ch->on_full = channels[i].on_full;
        ch->depth = channels[i].depth;
        ch->max_deliveries = channels[i].max_deliveries;
        ch->dead_letter = channels[i].dead_letter;
        ch->endpoints = channels[i].endpoints;
        ch->flags = channels[i].flags;
        ch->lanes = channels[i].lanes;
        ch->bytes = channels[i].bytes;
    }
    for (uint32_t i = 0; i < g->region_count; i++) {
        g->regions[i].bytes = regions[i].bytes;
        sb_name_load(regions[i].name, g->regions[i].name);
        if (regions[i].bytes > FUZZ_SEGMENT_MAX) {
            return false; /* rounding it up might overflow */
        }
    }
    return sb_geometry_place(g) && g->segment_bytes <= FUZZ_SEGMENT_MAX;
}

void fuzz_image_fix(uint8_t *bytes, size_t *size)
{
    struct sb_super *super = (struct sb_super *)(void *)bytes;
    struct sb_geometry *g;

    if (super->processes > SHMBUS_PROCESSES_MAX || super->classes > SHMBUS_BLOCK_CLASSES_MAX ||
        super->channels > SHMBUS_CHANNELS_MAX || super->regions > SHMBUS_REGIONS_MAX) {
        return;
    }
    g = calloc(1, sizeof *g);
    if (g == NULL) {
        fuzz_fail("out of memory");
    }
    g->processes = super->processes;
    g->class_count = super->classes;
    g->channel_count = super->channels;
    g->region_count = super->regions;
    must(sb_geometry_alloc(g), "geometry");
    if (read_raw(bytes, g)) {
        super->segment_bytes = g->segment_bytes;
        *size = g->segment_bytes;
        super->constants_hash = sb_constants_hash(super, g);
    }
    sb_geometry_free(g);
}

/* ------------------------------------------------------------------------------------ the file */

static char file_path[256];
static pid_t file_owner;

static void remove_file(void)
{
    if (getpid() == file_owner) {
        unlink(file_path);
    }
}

int fuzz_file_make(const char *name)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BASE + 1, .l_len = 1};
    char short_name[SHMBUS_NAME_BYTES];
    int fd;

    must(sb_segment_path(name, file_path, sizeof file_path, short_name), "path");
    file_owner = getpid();
    fd = open(file_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        fuzz_fail("%s cannot be made", file_path);
    }
    atexit(remove_file);
    return fd;
}

void fuzz_file_write(int fd, const uint8_t *bytes, size_t size)
{
    if (ftruncate(fd, (off_t)size) < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size) {
        fuzz_fail("%s cannot be written", file_path);
    }
}
