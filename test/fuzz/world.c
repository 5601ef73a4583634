/* SPDX-License-Identifier: MIT */
/*
 * Calls of the library on a segment that may be anything. Whatever comes back is used as an
 * application would use it: every byte of a message is read and written, every failure must say
 * why, and no call may take long.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "channel/channel.h"
#include "fuzz.h"

#define CALL_LIMIT_NS 4000000000ll /* of processor time: far more than any call needs */
#define SHORT_WAIT_NS 200000

static const char *const names[] = {"q", "drop", "s", "st", "dead", "extra", "new", "newer"};
#define NAMES (sizeof names / sizeof names[0])

/* Of this thread, so that a busy machine does not matter. */
static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A failure has a name and a sentence. */
static int result_of(const char *call, int result)
{
    if (result < 0 && (shmbus_detail()[0] == '\0' || shmbus_strerrorname(result)[0] == '?')) {
        fuzz_fail("%s: %d without a name or a sentence", call, result);
    }
    return result;
}

/* --------------------------------------------------------------------------------- what we hold */

static bool lies_within(const struct shmbus_msg *msg, const uint8_t *area, uint64_t bytes)
{
    uint64_t at = (uint64_t)((const uint8_t *)msg->data - area);
    return at <= bytes && msg->size_bytes <= bytes - at;
}

/* Whether it is in one cell, of whichever queue. */
static bool is_in_cell(const struct shmbus_msg *msg)
{
    const struct sb_view *view = &msg->channel->bus->view;

    for (uint32_t c = 0; c < view->channel_count; c++) {
        const struct sb_channel_view *ch = &view->channels[c];
        for (uint64_t i = 0; i < sb_cell_count(ch); i++) {
            if (msg->data == sb_cell_payload(sb_cell_at(ch, i))) {
                return msg->size_bytes <= ch->cell_bytes - sizeof(struct sb_cell);
            }
        }
    }
    return false;
}

/* A message is in the ring of its stream, in one block or in one cell. */
static void check_place(const struct shmbus_msg *msg)
{
    const struct sb_channel_view *view = msg->channel->view;
    const struct sb_blocks *blocks = &msg->channel->bus->view.blocks;
    bool good = view->kind == SHMBUS_KIND_STREAM && lies_within(msg, view->ring, view->ring_bytes);

    for (uint32_t b = 0; b < blocks->count && view->kind == SHMBUS_KIND_QUEUE && !good; b++) {
        const struct sb_class_view *cls = sb_class_of(blocks, b);
        good = msg->data == sb_payload_in(cls, b) && msg->size_bytes <= cls->size_bytes;
    }
    if (!good && !(view->kind == SHMBUS_KIND_QUEUE && is_in_cell(msg))) {
        fuzz_fail("a message of %zu bytes is not in its place", msg->size_bytes);
    }
}

/* Reads and writes every byte; the compiler must not see through it. */
static void touch(const struct shmbus_msg *msg)
{
    static uint8_t sink[1u << 20];

    if (msg->data == NULL || msg->size_bytes > sizeof sink) {
        fuzz_fail("a message of %zu bytes at %p", msg->size_bytes, msg->data);
    }
    if (msg->channel != NULL) { /* not a copy that was shown by peek */
        check_place(msg);
    }
    memcpy(sink, msg->data, msg->size_bytes);
    memcpy(msg->data, sink, msg->size_bytes);
}

static struct fuzz_held *free_place(struct fuzz_world *world)
{
    for (unsigned i = 0; i < FUZZ_MESSAGES; i++) {
        if (!world->held[i].used) {
            return &world->held[i];
        }
    }
    return NULL;
}

static void keep(struct fuzz_world *world, struct shmbus_channel *from,
                 const struct shmbus_msg *msg)
{
    struct fuzz_held *place = free_place(world);

    touch(msg);
    if (place != NULL) {
        *place = (struct fuzz_held){true, from, *msg};
    }
}

/* A message must not be used when its channel is closed. */
static void forget(struct fuzz_world *world, const struct shmbus_channel *ch)
{
    for (unsigned i = 0; i < FUZZ_MESSAGES; i++) {
        if (world->held[i].from == ch || world->held[i].msg.channel == ch) {
            world->held[i].used = false;
        }
    }
}

static void close_channel(struct fuzz_world *world, unsigned i)
{
    forget(world, world->channels[i]);
    shmbus_channel_close(world->channels[i]);
    world->channels[i] = NULL;
}

/* ---------------------------------------------------------------------------------- the world */

void fuzz_world_enter(struct fuzz_world *world, const char *name, unsigned attach_flags)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;

    *world = (struct fuzz_world){.name = name, .attach_flags = attach_flags};
    opts.flags = attach_flags | SHMBUS_ATTACH_EXISTING;
    opts.process_name = "fuzz";
    opts.spin_ns = 1000;
    result_of("attach", shmbus_attach(name, &opts, &world->bus));
}

void fuzz_world_open(struct fuzz_world *world)
{
    static const struct fuzz_record usual[] = {{1, 0, 2, 0, 0}, {1, 1, 2, 1, 0}, {1, 2, 0, 2, 0},
                                               {1, 3, 1, 2, 0}, {1, 4, 0, 3, 0}, {1, 5, 1, 3, 0},
                                               {1, 6, 2, 4, 0}, {1, 7, 2, 6, 0}};

    for (unsigned i = 0; i < FUZZ_HANDLES; i++) {
        fuzz_world_call(world, &usual[i]);
    }
}

void fuzz_world_leave(struct fuzz_world *world)
{
    int64_t start_ns = cpu_ns();

    shmbus_detach(world->bus);
    if (cpu_ns() - start_ns > CALL_LIMIT_NS) {
        fuzz_fail("detach took %lld ms", (long long)(cpu_ns() - start_ns) / 1000000);
    }
    *world = (struct fuzz_world){.name = world->name, .attach_flags = world->attach_flags};
}

/* --------------------------------------------------------------------------------- looking on */

static bool show(void *context, const struct shmbus_msg *msg)
{
    (void)context;
    touch(msg);
    return true;
}

static bool finding(void *context, enum shmbus_severity severity, const char *what,
                    const char *cure)
{
    (void)context;
    if (severity < SHMBUS_SEVERITY_NOTE || severity > SHMBUS_SEVERITY_CRITICAL || what[0] == '\0' ||
        cure == NULL) {
        fuzz_fail("an empty finding");
    }
    return true;
}

/* Names from the segment end and have nothing in them that a terminal would obey. */
static void check_name(const char *name)
{
    size_t length = strnlen(name, SHMBUS_NAME_BYTES);

    if (length == SHMBUS_NAME_BYTES) {
        fuzz_fail("a name without an end");
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) {
            fuzz_fail("a control character in a name");
        }
    }
}

#define LOOK_AT(kind)                                                                              \
    static void look_at_##kind(struct shmbus *bus)                                                 \
    {                                                                                              \
        struct shmbus_##kind##_stat stat = {.struct_bytes = sizeof stat};                          \
        int result = 0;                                                                            \
        for (uint32_t i = 0; result == 0 || result == -ENODATA; i++) {                             \
            result = result_of(#kind "_stat", shmbus_##kind##_stat(bus, i, &stat));                \
            NAME_OF_##kind;                                                                        \
            stat = (struct shmbus_##kind##_stat){.struct_bytes = sizeof stat};                     \
        }                                                                                          \
    }
#define NAME_OF_channel check_name(stat.name)
#define NAME_OF_process check_name(stat.name)
#define NAME_OF_region check_name(stat.name)
#define NAME_OF_block
LOOK_AT(channel)
LOOK_AT(process)
LOOK_AT(region)
LOOK_AT(block)

void fuzz_world_look(struct shmbus *bus)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    int64_t start_ns = cpu_ns();

    if (bus == NULL) {
        return;
    }
    result_of("bus_stat", shmbus_bus_stat(bus, &stat));
    look_at_channel(bus);
    look_at_process(bus);
    look_at_block(bus);
    look_at_region(bus);
    for (unsigned i = 0; i < NAMES; i++) {
        result_of("peek", shmbus_peek(bus, names[i], SIZE_MAX, show, NULL));
    }
    result_of("check", shmbus_check(bus, finding, NULL));
    if (cpu_ns() - start_ns > CALL_LIMIT_NS) {
        fuzz_fail("looking took %lld ms", (long long)(cpu_ns() - start_ns) / 1000000);
    }
}

/* ----------------------------------------------------------------------------------- the calls */

static struct shmbus_channel *channel_of(const struct fuzz_world *world, unsigned index)
{
    return world->channels[index % FUZZ_HANDLES];
}

static void call_open(struct fuzz_world *world, const struct fuzz_record *r)
{
    unsigned at = r->index % FUZZ_HANDLES, mode = 1u + r->word % 3u;

    close_channel(world, at);
    result_of("open", shmbus_channel_open(world->bus, names[r->how % NAMES],
                                          mode | (r->value % 2u != 0 ? SHMBUS_OPEN_EXISTING : 0u),
                                          NULL, &world->channels[at]));
}

static void call_send(struct fuzz_world *world, const struct fuzz_record *r, int64_t timeout_ns)
{
    static const uint8_t text[9000] = {1, 2, 3};
    struct shmbus_channel *ch = channel_of(world, r->index);
    struct iovec items[3] = {{(void *)(uintptr_t)text, r->value % 100},
                             {(void *)(uintptr_t)text, r->value % 3000},
                             {(void *)(uintptr_t)text, r->word}};

    if (r->how % 4u == 0) {
        result_of("send_batch", shmbus_send_batch(ch, items, 3, timeout_ns));
    } else {
        const struct shmbus_send_opts opts = {.struct_bytes = sizeof opts,
                                              .type = r->how,
                                              .correlation_id = r->how % 8u == 1 ? r->value : 0};
        result_of("send", shmbus_send_with(ch, &opts, text, r->value % sizeof text, timeout_ns));
    }
}

static void call_recv(struct fuzz_world *world, const struct fuzz_record *r, int64_t timeout_ns)
{
    struct shmbus_channel *ch = channel_of(world, r->index);
    struct shmbus_msg msgs[3];
    size_t max = 1u + r->word % 3u;
    int n = result_of("recv", shmbus_recv_batch(ch, msgs, max, timeout_ns));

    if (n > (int)max) {
        fuzz_fail("%d of at most %zu messages", n, max);
    }
    for (int i = 0; i < n; i++) {
        keep(world, ch, &msgs[i]);
    }
}

static void call_recv_copy(struct fuzz_world *world, const struct fuzz_record *r)
{
    static uint8_t buffer[8192];
    struct shmbus_msg info;
    size_t bytes = r->word % 2u != 0 ? sizeof buffer : r->value % 100u, got = 0;

    if (result_of("recv_copy", shmbus_recv_copy(channel_of(world, r->index), buffer, bytes, &got,
                                                &info, 0)) == 0 &&
        got > bytes) {
        fuzz_fail("recv_copy: %zu bytes in %zu", got, bytes);
    }
}

static void call_reserve(struct fuzz_world *world, const struct fuzz_record *r)
{
    struct shmbus_channel *ch = channel_of(world, r->index);
    struct shmbus_msg msg;

    if (result_of("reserve", shmbus_reserve(ch, r->value % 2100u, &msg, 0)) == 0) {
        keep(world, ch, &msg);
    }
}

/* What can be done with a message; a copy kept by mistake must be found out. */
static void call_finish(struct fuzz_world *world, const struct fuzz_record *r, unsigned how)
{
    struct fuzz_held *held = &world->held[r->index % FUZZ_MESSAGES];
    struct shmbus_msg copy;
    struct shmbus_channel *to = channel_of(world, r->word);
    int result = 0;

    if (!held->used) {
        return;
    }
    touch(&held->msg);
    copy = held->msg;
    switch (how) {
    case 0:
        result = shmbus_release(&held->msg);
        break;
    case 1:
        result = shmbus_requeue(&held->msg);
        break;
    case 2:
        held->msg.size_bytes -= held->msg.size_bytes != 0 ? r->value % held->msg.size_bytes : 0;
        result = shmbus_commit(&held->msg, 0);
        break;
    case 3:
        result = shmbus_abort(&held->msg);
        break;
    default:
        result = shmbus_forward(&held->msg, to, 0);
        break;
    }
    held->used = result_of("finish", result) < 0 && result != -SHMBUS_ERR_STALE;
    if (r->how % 4u == 3 && !held->used) {
        result_of("release again", shmbus_release(&copy));
        result_of("abort again", shmbus_abort(&copy));
    }
}

static void call_region(struct fuzz_world *world, const struct fuzz_record *r, bool write)
{
    static uint8_t buffer[8192];
    struct shmbus_region **region = &world->regions[r->index % 2u];
    uint64_t offset = r->value % 5100u, bytes = (r->value >> 16) % 5100u;
    int64_t timeout_ns = r->how % 4u == 1 ? SHORT_WAIT_NS : 0;

    if (*region == NULL &&
        result_of("region_open",
                  shmbus_region_open(world->bus, r->index % 2u != 0 ? "r" : "big", region)) < 0) {
        return;
    }
    if (write) {
        result_of("region_write", shmbus_region_write(*region, offset, buffer, bytes, timeout_ns));
    } else {
        result_of("region_read", shmbus_region_read(*region, offset, buffer, bytes, timeout_ns));
    }
    if (r->how % 8u == 7) {
        shmbus_region_close(*region);
        *region = NULL;
    }
}

static void call_fd(struct fuzz_world *world, const struct fuzz_record *r)
{
    struct pollfd p = {.fd = shmbus_channel_fd(channel_of(world, r->index)), .events = POLLIN};

    if (result_of("fd", p.fd) >= 0) {
        poll(&p, 1, 0);
    }
}

static void attach_again(struct fuzz_world *world)
{
    fuzz_world_leave(world);
    fuzz_world_enter(world, world->name, world->attach_flags);
    if (world->bus != NULL) {
        fuzz_world_open(world);
    }
}

static void call_bus(struct fuzz_world *world, const struct fuzz_record *r)
{
    switch (r->index % 6u) {
    case 0:
        result_of("heartbeat", shmbus_heartbeat(world->bus));
        break;
    case 1:
        result_of("shutdown", shmbus_shutdown(world->bus, r->value % 4u == 0));
        break;
    case 2:
        shmbus_interrupt(world->bus);
        call_recv(world, r, SHORT_WAIT_NS);
        shmbus_interrupt_clear(world->bus);
        break;
    case 3:
        attach_again(world);
        break;
    default:
        result_of("reclaim", shmbus_reclaim(world->bus));
        break;
    }
}

static void call(struct fuzz_world *world, const struct fuzz_record *r)
{
    unsigned number = r->kind / 2u % FUZZ_CALLS;

    switch (number) {
    case 0:
        call_open(world, r);
        break;
    case 1:
        close_channel(world, r->index % FUZZ_HANDLES);
        break;
    case 2:
    case 3:
    case 4:
        call_send(world, r, 0);
        break;
    case 5:
        call_send(world, r, SHORT_WAIT_NS);
        break;
    case 6:
    case 7:
    case 8:
        call_recv(world, r, 0);
        break;
    case 9:
        call_recv(world, r, SHORT_WAIT_NS);
        break;
    case 10:
        call_recv_copy(world, r);
        break;
    case 11:
    case 12:
        call_reserve(world, r);
        break;
    case 18:
    case 19:
        call_region(world, r, number == 18);
        break;
    case 20:
        call_bus(world, r);
        break;
    case 21:
        fuzz_world_look(world->bus);
        break;
    case 22:
        call_fd(world, r);
        break;
    case 23:
        result_of("peek",
                  shmbus_peek(world->bus, names[r->index % NAMES], 1u + r->word, show, NULL));
        break;
    default:
        call_finish(world, r, number - 13u);
        break;
    }
}

void fuzz_world_call(struct fuzz_world *world, const struct fuzz_record *record)
{
    int64_t start_ns = cpu_ns(), took_ns;

    if (world->bus == NULL) {
        return;
    }
    call(world, record);
    took_ns = cpu_ns() - start_ns;
    if (took_ns > CALL_LIMIT_NS) {
        fuzz_fail("call %u took %lld ms", record->kind / 2u % FUZZ_CALLS,
                  (long long)took_ns / 1000000);
    }
}

static void drain_channel(struct fuzz_world *world, uint8_t i)
{
    for (uint8_t n = 0; n < 3; n++) {
        fuzz_world_call(world, &(struct fuzz_record){6 * 2 + 1, i, n, n, 0});
        fuzz_world_call(world, &(struct fuzz_record){10 * 2 + 1, i, n, 0, n * 30u});
    }
    for (uint8_t n = 0; n < FUZZ_MESSAGES; n++) { /* release, requeue, forward */
        static const uint8_t ends[] = {13, 14, 17, 13};
        uint8_t end = (uint8_t)(ends[n % 4u] * 2u + 1u);
        fuzz_world_call(world, &(struct fuzz_record){end, n, 1, 3, 0});
        fuzz_world_call(world, &(struct fuzz_record){13 * 2 + 1, n, 0, 0, 0});
    }
}

void fuzz_world_drain(struct fuzz_world *world)
{
    for (uint8_t i = 0; i < FUZZ_HANDLES && world->bus != NULL; i++) {
        drain_channel(world, i);
    }
    for (uint8_t i = 0; i < 2 && world->bus != NULL; i++) { /* 100 bytes of each region */
        fuzz_world_call(world, &(struct fuzz_record){19 * 2 + 1, i, 0, 0, 100u << 16});
        fuzz_world_call(world, &(struct fuzz_record){18 * 2 + 1, i, 0, 0, 100u << 16});
    }
}
