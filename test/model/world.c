/* SPDX-License-Identifier: MIT */
/*
 * The segment, the processes, and what the library asks of the kernel: futexes, the clock, deaths.
 * The build renames syscall, clock_gettime and memcpy in the library's sources to what is here.
 */
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/here.h"
#include "bus/watcher.h"
#include "channel/kind.h"
#include "channel/poll.h"
#include "channel/stream.h"
#include "inspect/inspect.h"
#include "inspect/peek.h"
#include "protocol/event.h"
#include "protocol/process.h"
#include "protocol/spsc_records.h"

#define FIRST_EPOCH 5u

struct w_segment w_segment __attribute__((aligned(4096)));
struct sb_view w_view;
struct w_ghost w_ghost;
struct w_process w_processes[W_PROCESSES];
struct w_sleep w_sleeps[X_ACTORS_MAX];
const struct w_plan *w_plan;
uint32_t w_acting = W_DRIVER;
bool w_no_membarrier;

static struct w_segment first; /* the segment as each schedule finds it */
static struct w_process first_processes[W_PROCESSES];
static struct w_ghost first_ghost;
static struct sb_channel_view channel_views[W_CHANNELS];
static struct sb_region_view region_view;
static struct sb_geometry geometry;
static struct sb_region_geometry region_geometry;
static struct shmbus buses[W_PROCESSES];
/* A handle with room for the part of any kind. */
static struct handle {
    struct shmbus_channel ch;
    uint8_t part[16384] __attribute__((aligned(SB_LINE)));
} handles[W_PROCESSES][W_CHANNELS];
static struct shmbus_region *regions[W_PROCESSES];
static const uint64_t cookie = SB_COOKIE;
static bool shared[sizeof(struct w_segment) / 4];
static int64_t clock_ns;

/* The table of kinds; the parts that no file of the model has are NULL. */
#define WEAK(NAME, name, id)                                                                       \
    extern const struct sb_kind_layout sb_##name##_layout __attribute__((weak));                   \
    extern const struct sb_kind_look sb_##name##_look __attribute__((weak));
SB_KINDS(WEAK)

#define ROW(NAME, name, id)                                                                        \
    [(id)-SB_KIND_FIRST] = {                                                                       \
        .layout = &sb_##name##_layout,                                                             \
        .death = &sb_##name##_death,                                                               \
        .look = &sb_##name##_look,                                                                 \
        .calls = &sb_kind_##name,                                                                  \
    },

const struct sb_kind_row sb_kind_rows[SB_KIND_COUNT] = {SB_KINDS(ROW)};

/* ------------------------------------------------------------------------ the kernel's part */

long sb_explore_syscall(long number, ...);
int sb_explore_clock_gettime(clockid_t clock, struct timespec *ret);
void *sb_explore_memcpy(void *to, const void *from, size_t bytes);

static bool in_segment(const void *address)
{
    return (uintptr_t)address - (uintptr_t)&w_segment < sizeof w_segment;
}

static long futex_wait(const unsigned *address, unsigned expected)
{
    uint32_t actor = x_current();
    x_step(address);
    if (*address != expected) {
        errno = EAGAIN;
        return -1;
    }
    if (actor >= X_ACTORS_MAX) {
        x_fail("the driver would sleep");
        return 0;
    }
    w_sleeps[actor] = (struct w_sleep){W_WAIT_FUTEX, address, 0};
    x_block();
    w_sleeps[actor].what = W_WAIT_NONE;
    return 0;
}

static long futex_wake(const unsigned *address)
{
    long n = 0;
    x_step(address);
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (w_sleeps[i].what == W_WAIT_FUTEX && w_sleeps[i].address == address && x_is_blocked(i)) {
            x_wake(i);
            n++;
        }
    }
    return n;
}

long sb_explore_syscall(long number, ...)
{
    va_list args;
    const unsigned *address;
    int operation;
    unsigned value;

    if (number != SYS_futex) {
        if (w_no_membarrier) {
            errno = ENOSYS;
            return -1;
        }
        x_step(&w_segment.bell); /* others may go on before it */
        x_flush_all();           /* membarrier: a fence on every processor */
        return 0;
    }
    va_start(args, number);
    address = va_arg(args, const unsigned *);
    operation = va_arg(args, int);
    value = va_arg(args, unsigned);
    va_end(args);
    return operation == FUTEX_WAIT ? futex_wait(address, value) : futex_wake(address);
}

int sb_explore_clock_gettime(clockid_t clock, struct timespec *ret)
{
    (void)clock;
    ret->tv_sec = clock_ns / 1000000000;
    ret->tv_nsec = clock_ns % 1000000000;
    return 0;
}

void w_pass_time(void)
{
    clock_ns += 100000000;
}

/* Bytes that go into the segment go there at a scheduling point. */
void *sb_explore_memcpy(void *to, const void *from, size_t bytes)
{
    if (in_segment(to)) {
        sb_explore_step(to, SB_ACCESS_STORE);
    }
    return __builtin_memcpy(to, from, bytes);
}

bool sb_process_is_dead(const struct sb_view *view, struct sb_liveness *liveness, uint32_t slot,
                        uint64_t w)
{
    (void)view;
    (void)liveness;
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        if (w_processes[p].slot == slot && w_processes[p].epoch == sb_proc_epoch(w)) {
            return w_processes[p].dead;
        }
    }
    return false;
}

void sb_process_beat(const struct sb_view *view, const struct sb_member *member)
{
    (void)view;
    (void)member;
}

bool sb_liveness_works(struct sb_liveness *liveness, uint32_t slot)
{
    (void)liveness;
    (void)slot;
    return true;
}

/* Who has the blocks is a question of people, and so are the numbers of processes. */
uint64_t sb_own_pid_namespace(void)
{
    return 0;
}

bool sb_census_is_due(struct shmbus_channel *ch)
{
    (void)ch;
    return false;
}

void sb_census_of_blocks(const struct sb_view *view, uint32_t cls, uint32_t channel,
                         char ret_text[SB_CENSUS_BYTES])
{
    (void)view;
    (void)cls;
    (void)channel;
    ret_text[0] = '\0';
}

void sb_census_of_lane(const struct sb_view *view, uint32_t channel, uint32_t lane,
                       char ret_text[SB_CENSUS_BYTES])
{
    (void)view;
    (void)channel;
    (void)lane;
    ret_text[0] = '\0';
}

/* Peek and health check as well; a kind that has all its functions in one file links them here. */
void sb_peek_cell(struct sb_peek *peek, const struct sb_channel_view *origin, struct sb_cell *cell,
                  uint64_t w, uint64_t ticket)
{
    (void)peek;
    (void)origin;
    (void)cell;
    (void)w;
    (void)ticket;
}

bool sb_owner_is_listed(const struct sb_view *view, uint32_t owner)
{
    (void)view;
    (void)owner;
    return false;
}

uint32_t sb_bus_sweep(struct shmbus *bus)
{
    (void)bus;
    return 0;
}

void sb_bus_look(struct shmbus *bus, int64_t now_ns)
{
    (void)bus;
    (void)now_ns;
}

void sb_channel_beat(struct shmbus_channel *ch)
{
    (void)ch;
}

/* Nobody removes the segment here. */
bool sb_hope_is_gone(const struct shmbus_channel *ch, enum sb_waits what)
{
    (void)ch;
    (void)what;
    return false;
}

int sb_hope_tell(struct shmbus_channel *ch)
{
    (void)ch;
    return 0;
}

void sb_watcher_start(struct shmbus *bus)
{
    (void)bus;
}

bool sb_watcher_runs(struct shmbus *bus)
{
    (void)bus;
    return false;
}

void sb_poll_rearm(struct sb_poll *poll)
{
    (void)poll;
}

size_t shmbus_channel_size_max(const struct shmbus_channel *ch)
{
    if (ch == NULL) {
        return 0;
    }
    if (w_is_plain(ch->index)) {
        return ch->ops->size_max(ch);
    }
    if (ch->view->kind == SHMBUS_KIND_STREAM) {
        return (size_t)sb_spsc_size_max(ch->view->ring_bytes, ch->timestamps);
    }
    return ch->view->lane_count > 0 ? sizeof w_segment.cells[0][0].payload
                                    : sizeof w_segment.payloads[0];
}

/* -------------------------------------------------------------------------------- beginnings */

static void share(const void *address, size_t bytes)
{
    size_t at = (size_t)((const uint8_t *)address - (const uint8_t *)&w_segment);
    memset(&shared[at / 4], 1, (bytes + 3) / 4 * sizeof shared[0]);
}

static void share_lanes(const struct w_plan *plan, uint32_t c)
{
    for (uint32_t i = 0; i < plan->channels[c].lanes; i++) {
        share(&w_segment.lanes[c][i].owner, 8);
        share(&w_segment.lanes[c][i].next, 8);
        share(&w_segment.lanes[c][i].skip, 8);
    }
    for (uint32_t i = 0; i < plan->channels[c].lanes << plan->channels[c].depth_shift; i++) {
        share(&w_segment.cells[c][i].header.w, 16); /* and turn */
        if (plan->payload_shared) {
            share(w_segment.cells[c][i].payload, sizeof w_segment.cells[c][i].payload);
        }
    }
}

static uint32_t shares_before(const struct w_plan *plan, uint32_t channel)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < channel; c++) {
        n += plan->channels[c].share;
    }
    return n;
}

/* Words that only their owner ever touches are no scheduling points: counters, heartbeats, what a
 * header says about its message. */
static void share_words(const struct w_plan *plan)
{
    memset(shared, 0, sizeof shared);
    share(&w_segment.super.blocks_freed, 4);
    if (plan->sweepers_from > 0) {
        share(w_segment.super.sweepers, sizeof w_segment.super.sweepers);
        share(&w_segment.super.sweep_seq, 8);
    }
    for (uint32_t p = 0; p < W_SLOTS; p++) {
        share(&w_segment.processes[p].w, 8);
    }
    for (uint32_t c = 0; c < plan->channel_count; c++) {
        struct sb_channel *ch = &w_segment.channels[c];
        share(&ch->readable, 4);
        share(&ch->writable, 4);
        share(&ch->orphan_seq, 8);
        share(&ch->tail, 8);
        share(&ch->head, 8);
        share(&ch->sender, 16);    /* and receiver */
        share(&ch->tail_hint, 16); /* and tail_seq */
        share(&ch->acked, 24);     /* to attempt */
        share(&ch->room, 8);
        share(&ch->lanes_used, 8);
        share_lanes(plan, c);
    }
    share(w_segment.slots, sizeof w_segment.slots);
    for (uint32_t b = 0; b < plan->blocks; b++) {
        share(&w_segment.blocks[b].hdr, 24);
        if (shares_before(plan, plan->channel_count) > 0) {
            share(&w_segment.blocks[b].twin, 8);
        }
    }
    if (plan->payload_shared) {
        share(w_segment.payloads, sizeof w_segment.payloads);
    }
    share(&w_segment.bitmap, 8);
    share(w_segment.ring, sizeof w_segment.ring);
    share(w_segment.area, sizeof w_segment.area);
    share(&w_segment.region.lock, 5 * 8 + 4);
    share(w_segment.data, sizeof w_segment.data);
    share(w_segment.undo, sizeof w_segment.undo);
    share(&w_segment.bell, 4);
    share(&w_segment.rung, 8);
}

/* Every lane has come to the ticket where the channel begins, and is empty. */
static void first_lanes(const struct w_plan *plan, uint32_t c)
{
    uint32_t shift = plan->channels[c].depth_shift;
    uint64_t base = first_ghost.base[c];

    for (uint32_t i = 0; i < plan->channels[c].lanes; i++) {
        first.lanes[c][i].next.v = first.lanes[c][i].skip.v = base;
        first_ghost.lanes[c][i].next = base;
        for (uint32_t k = 0; k < 1u << shift; k++) {
            first.cells[c][(i << shift) | k].header.w.v =
                sb_hdr_make(sb_gen_prev(sb_lane_lap(base, shift)), 0, SB_BLOCK_FREE, 0);
        }
    }
    channel_views[c].slots = NULL;
    channel_views[c].lane_count = plan->channels[c].lanes;
    channel_views[c].lanes = w_segment.lanes[c];
    channel_views[c].cell_bytes = sizeof(struct w_cell);
    channel_views[c].cells = (uint8_t *)w_segment.cells[c];
}

static bool takes_letters(const struct w_plan *plan, uint32_t c)
{
    for (uint32_t i = 0; i < plan->channel_count; i++) {
        if (plan->channels[i].dead_letter == c + 1u) {
            return true;
        }
    }
    return false;
}

/* Of a kind that places, writes and views its memory itself. */
static void first_plain(const struct w_plan *plan, uint32_t c)
{
    const struct sb_kind_layout *kind = sb_kind_row(sb_view_kind(&channel_views[c]))->layout;
    struct sb_channel_geometry g = {.kind = plan->channels[c].kind,
                                    .depth = 1u << plan->channels[c].depth_shift,
                                    .on_full = SHMBUS_FULL_BLOCK,
                                    .dead_letter = SB_NONE,
                                    .bytes = plan->channels[c].ring_bytes};
    uint64_t cursor = offsetof(struct w_segment, area) + c * (W_AREA_BYTES / W_CHANNELS);

    if (kind->check(&g) != 0 || !kind->place(&g, &cursor) ||
        cursor > offsetof(struct w_segment, area) + W_AREA_BYTES) {
        x_fail("channel %u does not fit", c);
        return;
    }
    if (kind->format != NULL) {
        kind->format((uint8_t *)&first, &g);
    }
    kind->view((uint8_t *)&w_segment, NULL, &g, &channel_views[c]);
}

static void first_channel(const struct w_plan *plan, uint32_t c)
{
    const struct w_channel_plan *from = &plan->channels[c];
    uint64_t lap = plan->numbers_wrap ? (1ull << sb_lap_bits(from->depth_shift)) - 1u : 0;
    struct sb_channel *ch = &first.channels[c];

    lap = plan->old_handles ? (1ull << (sb_lap_bits(from->depth_shift) - 1u)) + 3u : lap;
    ch->dir.v = SB_DIR_READY;
    ch->depth = 1u << from->depth_shift;
    first_ghost.base[c] = lap << from->depth_shift;
    ch->tail.v = ch->head.v = first_ghost.base[c];
    for (uint32_t i = 0; i < W_DEPTH_MAX; i++) {
        first.slots[c][i].v = sb_slot_make(lap, SB_SLOT_EMPTY);
    }
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        first.endpoints[c][p].w.v =
            sb_owner64_make(first_processes[p].slot, first_processes[p].epoch);
    }
    channel_views[c] = (struct sb_channel_view){
        .shared = &w_segment.channels[c],
        .endpoints = w_segment.endpoints[c],
        .endpoint_count = W_PROCESSES,
        .kind = from->kind,
        .on_full = from->on_full == 0 ? SHMBUS_FULL_BLOCK : from->on_full,
        .max_deliveries = from->max_deliveries,
        .dead_letter = from->dead_letter - 1u,
        .takes_letters = takes_letters(plan, c),
        .flags = plan->timestamps ? SB_CHANNEL_TIMESTAMPS : 0,
        .depth_shift = from->depth_shift,
        .slots = from->kind == SHMBUS_KIND_QUEUE ? w_segment.slots[c] : NULL,
        .ring_bytes = from->ring_bytes,
        .ring = w_segment.ring,
        .share = {0,
                  plan->blocks - shares_before(plan, plan->channel_count) + shares_before(plan, c),
                  from->share},
        .message_max = sizeof w_segment.payloads[0],
    };
    if (from->lanes > 0) {
        first_lanes(plan, c);
    }
    if (w_is_plain(c)) {
        ch->tail.v = ch->head.v = 0;
        first_plain(plan, c);
    }
    if (from->kind == SHMBUS_KIND_STREAM) { /* a little before the end, so that messages wrap */
        ch->acked.v = ch->tail_hint.v = ch->room.v = from->ring_bytes - 24u;
        first_ghost.stream.tail = first_ghost.stream.acked = from->ring_bytes - 24u;
    }
}

static void first_process(const struct w_plan *plan, uint32_t p)
{
    struct w_process *process = &first_processes[p];
    uint32_t old = plan->incarnation_of[p];

    process->slot = old > 0 ? old - 1u : p;
    process->epoch = FIRST_EPOCH;
    for (uint32_t before = old; before > 0; before = plan->incarnation_of[before - 1u]) {
        process->epoch++;
        process->slot = before - 1u;
    }
    process->owner = sb_owner_make(process->slot, process->epoch);
    process->used = true;
    if (old == 0) {
        first.processes[p].w.v = sb_proc_word(FIRST_EPOCH, SB_PROC_ACTIVE);
    } else {
        first.processes[p].w.v = sb_proc_word(1, SB_PROC_FREE);
    }
}

static void first_blocks(const struct w_plan *plan)
{
    uint64_t gen = plan->numbers_wrap ? (1ull << 40) - 2u : 6;
    for (uint32_t b = 0; b < plan->blocks; b++) {
        first.blocks[b].hdr.v = sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0);
        first.bitmap.v |= 1ull << b;
    }
    first.bitmap.v &= ~(uint64_t)plan->hidden;
}

static void make_buses(void)
{
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        const struct w_process *process = &first_processes[p];
        buses[p].id = p + 1u;
        buses[p].view = w_view;
        buses[p].geometry = &geometry;
        buses[p].cookie = &cookie;
        buses[p].member =
            (struct sb_member){.slot = process->slot,
                               .epoch = process->epoch,
                               .owner = process->owner,
                               .owner64 = sb_owner64_make(process->slot, process->epoch)};
        if (regions[p] == NULL) {
            pthread_mutex_init(&buses[p].liveness_lock, NULL);
            pthread_mutex_init(&buses[p].lock, NULL);
            if (shmbus_region_open(&buses[p], "region", &regions[p]) != 0) {
                x_fail("cannot open the region");
            }
        }
    }
}

static void make_view(const struct w_plan *plan)
{
    w_view = (struct sb_view){
        .base = (uint8_t *)&w_segment,
        .bytes = sizeof w_segment,
        .super = &w_segment.super,
        .processes = w_segment.processes,
        .process_count = W_SLOTS,
        .channel_count = plan->channel_count,
        .region_count = 1,
        .heartbeat_interval_ns = 5000000000,
        .heartbeat_timeout_ns = 10000000000,
        .channels = channel_views,
        .regions = &region_view,
        .blocks = {.count = plan->blocks, .class_count = 1, .freed = &w_segment.super.blocks_freed},
    };
    w_view.blocks.classes[0] = (struct sb_class_view){
        .count = plan->blocks,
        .common_end = plan->blocks - shares_before(plan, plan->channel_count),
        .stock_max = plan->stock_max,
        .size_bytes = sizeof w_segment.payloads[0],
        .header_stride = sizeof w_segment.blocks[0],
        .payload_stride = sizeof w_segment.payloads[0],
        .headers = (uint8_t *)w_segment.blocks,
        .payloads = (uint8_t *)w_segment.payloads,
        .bitmap = &w_segment.bitmap,
    };
    region_view = (struct sb_region_view){&w_segment.region, W_REGION_WORDS * 8u,
                                          (uint8_t *)w_segment.data, (uint8_t *)w_segment.undo};
    geometry.region_count = 1;
    geometry.regions = &region_geometry;
    memcpy(region_geometry.name, "region", sizeof "region");
}

/* Everything that is the same for all schedules of a scenario. */
static void prepare(const struct w_plan *plan)
{
    w_plan = plan;
    memset(&first, 0, sizeof first);
    memset(first_processes, 0, sizeof first_processes);
    memset(&first_ghost, 0, sizeof first_ghost);
    for (uint32_t p = 0; p < W_PROCESSES; p++) {
        first_process(plan, p);
    }
    for (uint32_t c = 0; c < plan->channel_count; c++) {
        first_channel(plan, c);
    }
    first_blocks(plan);
    make_view(plan);
    make_buses();
    share_words(plan);
    sb_event_setup();
}

static bool buries_cells(uint32_t c)
{
    for (uint32_t i = 0; i < w_plan->channel_count; i++) {
        if (w_plan->channels[i].lanes > 0 && w_plan->channels[i].dead_letter == c + 1u) {
            return true;
        }
    }
    return false;
}

static void open_queue(struct shmbus_channel *ch)
{
    struct sb_queue *queue = sb_queue_of(ch);

    if (ch->kind == SB_KIND_LANES) { /* a lane is taken by a word of the script */
        ch->mode = SHMBUS_OPEN_RECV;
        ch->in_cells = 0;
        sb_lanes_open(ch);
        return;
    }
    ch->collects_dead_cells = buries_cells(ch->index);
    queue->stock.misses[0] = queue->stock.own_misses = w_plan->missed;
    queue->stock.own = ch->view->share;
    sb_lane_scan_init(queue->dead_cells, &w_view, ch->index, ch->owner);
    sb_mpmc_init(&queue->ring, &w_view, ch->index, ch->owner);
    if (w_plan->old_handles) {
        queue->ring.head = queue->ring.tail = queue->ring.head_seen = 0;
    }
}

static void open_handle(uint32_t p, uint32_t c)
{
    struct shmbus_channel *ch = &handles[p][c].ch;
    ch->bus = &buses[p];
    ch->view = &channel_views[c];
    ch->row = &w_segment.endpoints[c][p];
    ch->index = c;
    ch->owner = w_processes[p].owner;
    ch->holder = ((c + 1u) << 16) | (p + 1u);
    ch->mode = SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV;
    ch->timestamps = w_plan->timestamps;
    ch->cookie = &cookie;
    ch->ops = sb_kind_row(sb_view_kind(ch->view))->calls;
    ch->kind = ch->ops->id;
    ch->slot = buses[p].member.slot;
    ch->shared = ch->view->shared;
    ch->shutdown = &buses[p].view.super->shutdown;
    ch->size_max = shmbus_channel_size_max(ch);
    ch->ops_left = ch->ops_period = 1u << 30;
    snprintf(ch->name, sizeof ch->name, "c%u", c);
    /* As it is allocated: the handle may have been of another kind in the scenario before. */
    memset(sb_channel_part(ch), 0, ch->ops->part_bytes);
    if (ch->view->kind == SHMBUS_KIND_QUEUE) {
        open_queue(ch);
    } else if (w_is_plain(c)) {
        ch->ops->open(ch);
    }
}

void w_open_stream(uint32_t process, uint32_t channel, bool sender)
{
    struct shmbus_channel *ch = &handles[process][channel].ch;
    ch->mode = sender ? SHMBUS_OPEN_SEND : SHMBUS_OPEN_RECV;
    if (sb_stream_begin(ch) != SB_RING_OK) {
        x_fail("the stream's positions are found to be impossible");
    }
}

void w_flush(uint32_t process, uint32_t channel)
{
    struct shmbus_channel *ch = w_handle(process, channel);

    if (ch->kind == SB_KIND_QUEUE) {
        sb_stock_flush(&w_view.blocks, &sb_queue_of(ch)->stock);
    }
}

struct shmbus_channel *w_handle(uint32_t process, uint32_t channel)
{
    return &handles[process][channel].ch;
}

struct shmbus_region *w_region_of(uint32_t process)
{
    return regions[process];
}

uint32_t w_me(void)
{
    uint32_t actor = x_current();
    return actor < X_ACTORS_MAX ? x_process_of(actor) : w_acting;
}

static void killed(uint32_t process);

void w_setup(const void *parameter)
{
    const struct w_plan *plan = parameter;

    if (plan != w_plan) {
        prepare(plan);
    }
    memcpy(&w_segment, &first, sizeof first);
    memcpy(w_processes, first_processes, sizeof first_processes);
    memcpy(&w_ghost, &first_ghost, sizeof first_ghost);
    clock_ns = 1000000000;
    w_acting = W_DRIVER;
    for (uint32_t c = 0; c < plan->channel_count; c++) {
        open_handle(W_DRIVER, c);
    }
    if (plan->queued > 0 && w_has_lanes(0)) {
        w_take_lane(W_DRIVER, 0);
    }
    for (uint32_t n = 0; n < plan->queued; n++) {
        w_send(W_DRIVER, 0, 0);
    }
    if (w_has_lane(W_DRIVER, 0)) {
        w_leave_lane(W_DRIVER, 0);
    }
    if (plan->first_is_dead) {
        open_handle(0, 0);
        w_acting = 0;
        w_recv(0, 0, 0);
        w_acting = W_DRIVER;
        killed(0);
    }
    if (plan->stale_hint) {
        w_segment.blocks[0].hdr.v = sb_hdr_make(7, 0, SB_BLOCK_FILLING, w_processes[0].owner);
    }
    for (uint32_t i = 0; plan->actors[i].name != NULL; i++) {
        const struct w_actor_plan *a = &plan->actors[i];
        for (uint32_t c = 0; c < plan->channel_count && a->process < W_PROCESSES; c++) {
            open_handle(a->process, c);
        }
        w_sleeps[i].what = W_WAIT_NONE;
        x_spawn(a->name, a->process, !a->immortal, w_script_actor);
    }
    if (plan->before != NULL) {
        bool acts_later = false;
        for (uint32_t i = 0; plan->actors[i].name != NULL; i++) {
            acts_later = acts_later || plan->actors[i].process == 0;
        }
        for (uint32_t c = 0; c < plan->channel_count && !acts_later; c++) {
            open_handle(0, c);
        }
        w_acting = 0;
        w_run_script(0, plan->before);
        w_acting = W_DRIVER;
    }
    for (uint32_t p = plan->sweepers_from; plan->sweepers_from > 0 && p < W_DRIVER; p++) {
        w_sweeps_begin(p, &buses[p].member);
    }
    x_end_of_call();
}

/* ------------------------------------------------------------------- what the explorer asks */

static bool is_shared(const void *address)
{
    return in_segment(address) &&
           shared[((const uint8_t *)address - (const uint8_t *)&w_segment) / 4];
}

static void wake_waiters(enum w_wait what, uint32_t slot)
{
    for (uint32_t i = 0; i < x_actors(); i++) {
        if (w_sleeps[i].what == what && w_sleeps[i].slot == slot) {
            x_wake(i);
        }
    }
}

static void access_done(uint32_t actor, const void *address, uint64_t old, uint64_t now)
{
    if (!in_segment(address) || old == now) {
        return;
    }
    if (IS_IN(address, w_segment.processes)) {
        if (sb_proc_state(now) == SB_PROC_FREE) {
            wake_waiters(W_WAIT_SLOT, (uint32_t)INDEX_IN(address, w_segment.processes));
        }
        return;
    }
    w_ghost_access(actor, address, old, now);
}

static void killed(uint32_t process)
{
    w_ghost.crashes++;
    if (process < W_PROCESSES) {
        const struct w_process *p = &w_processes[process];
        if (w_segment.channels[0].sender.v == sb_owner64_make(p->slot, p->epoch)) {
            w_ghost.stream.pending_done = w_ghost.stream.pending_count = 0; /* it stores no more */
        }
        w_processes[process].dead = true;
        wake_waiters(W_WAIT_DEATH, 0);
    }
}

static void stopped(uint32_t process)
{
    (void)process;
    w_ghost.stops++;
}

void w_wait_for(enum w_wait what, uint32_t slot)
{
    uint32_t actor = x_current();
    w_sleeps[actor] = (struct w_sleep){what, NULL, slot};
    x_block();
    w_sleeps[actor].what = W_WAIT_NONE;
}

static bool describe_channel(uint64_t at, char *text, size_t bytes)
{
    static const struct {
        size_t at;
        const char *name;
    } words[] = {
        {offsetof(struct sb_channel, readable), "readable"},
        {offsetof(struct sb_channel, writable), "writable"},
        {offsetof(struct sb_channel, orphan_seq), "orphan_seq"},
        {offsetof(struct sb_channel, dead_lettered), "dead_lettered"},
        {offsetof(struct sb_channel, tail), "tail"},
        {offsetof(struct sb_channel, head), "head"},
        {offsetof(struct sb_channel, sender), "sender"},
        {offsetof(struct sb_channel, tail_hint), "tail_hint"},
        {offsetof(struct sb_channel, tail_seq), "tail_seq"},
        {offsetof(struct sb_channel, receiver), "receiver"},
        {offsetof(struct sb_channel, acked), "acked"},
        {offsetof(struct sb_channel, acked_seq), "acked_seq"},
        {offsetof(struct sb_channel, attempt), "attempt"},
        {offsetof(struct sb_channel, room), "room"},
        {offsetof(struct sb_channel, lanes_used), "lanes_used"},
    };
    size_t c = at / sizeof(struct sb_channel);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].at == at % sizeof(struct sb_channel)) {
            snprintf(text, bytes, "c%zu.%s", c, words[i].name);
            return true;
        }
    }
    return false;
}

static void describe_lane(const void *address, char *text, size_t bytes)
{
    if (IS_IN(address, w_segment.lanes)) {
        size_t i = OFFSET_IN(address, w_segment.lanes) / sizeof(struct sb_lane);
        const struct sb_lane *lane = &w_segment.lanes[i / W_LANES][i % W_LANES];
        snprintf(text, bytes, "c%zu.lane[%zu].%s", i / W_LANES, i % W_LANES,
                 address == &lane->owner  ? "owner"
                 : address == &lane->next ? "next"
                                          : "skip");
    } else {
        size_t i = OFFSET_IN(address, w_segment.cells) / sizeof(struct w_cell);
        snprintf(text, bytes, "c%zu.cell[%zu].%s", i / W_CELLS, i % W_CELLS,
                 OFFSET_IN(address, w_segment.cells) % sizeof(struct w_cell) == 0 ? "w" : "turn");
    }
}

static void describe(const void *address, char *text, size_t bytes)
{
    if (!in_segment(address)) {
        snprintf(text, bytes, "(private)");
    } else if (IS_IN(address, w_segment.lanes) || IS_IN(address, w_segment.cells)) {
        describe_lane(address, text, bytes);
    } else if (IS_IN(address, w_segment.blocks)) {
        size_t word = OFFSET_IN(address, w_segment.blocks) % sizeof(struct sb_block) / 8;
        static const char *const names[] = {"hdr",   "loc0",        "loc1",   "meta",
                                            "stamp", "correlation", "holder", "spare"};
        snprintf(text, bytes, "b%zu.%s", INDEX_IN(address, w_segment.blocks), names[word]);
    } else if (IS_IN(address, w_segment.slots)) {
        size_t i = OFFSET_IN(address, w_segment.slots) / 8;
        snprintf(text, bytes, "c%zu.slot[%zu]", i / W_DEPTH_MAX, i % W_DEPTH_MAX);
    } else if (IS_IN(address, w_segment.payloads)) {
        snprintf(text, bytes, "b%zu.payload", INDEX_IN(address, w_segment.payloads));
    } else if (IS_IN(address, w_segment.processes)) {
        snprintf(text, bytes, "process[%zu]", INDEX_IN(address, w_segment.processes));
    } else if (address == &w_segment.bitmap) {
        snprintf(text, bytes, "bitmap");
    } else if (address == &w_segment.super.blocks_freed) {
        snprintf(text, bytes, "blocks_freed");
    } else if (address == &w_segment.bell) {
        snprintf(text, bytes, "bell");
    } else if (address == &w_segment.rung) {
        snprintf(text, bytes, "rung");
    } else if (IS_IN(address, w_segment.area)) {
        snprintf(text, bytes, "area[%zu]", OFFSET_IN(address, w_segment.area));
    } else if (IS_IN(address, w_segment.ring)) {
        snprintf(text, bytes, "ring[%zu]", OFFSET_IN(address, w_segment.ring));
    } else if (!IS_IN(address, w_segment.channels) ||
               !describe_channel(OFFSET_IN(address, w_segment.channels), text, bytes)) {
        snprintf(text, bytes, "segment+%zu",
                 (size_t)((const uint8_t *)address - (const uint8_t *)&w_segment));
    }
}

static void describe_value(const void *address, uint64_t value, char *text, size_t bytes)
{
    static const char *const states[16] = {"FREE",      "FILLING", "RECEIVED",    "QUEUED",
                                           "FORWARDED", "ORPHAN",  "DEAD_LETTER", "EXCHANGED"};
    if ((IS_IN(address, w_segment.blocks) &&
         OFFSET_IN(address, w_segment.blocks) % sizeof(struct sb_block) == 0) ||
        (IS_IN(address, w_segment.cells) &&
         OFFSET_IN(address, w_segment.cells) % sizeof(struct w_cell) == 0)) {
        const char *state = states[(unsigned)sb_hdr_state(value)];
        uint32_t owner = sb_hdr_owner(value);
        snprintf(text, bytes, "%s(slot %d/%u, g%" PRIu64 ", n%u)", state == NULL ? "?" : state,
                 (int)(owner >> SB_OWNER_EPOCH_BITS) - 1, sb_owner_epoch(owner), sb_hdr_gen(value),
                 sb_hdr_deliveries(value));
    } else if (IS_IN(address, w_segment.blocks) &&
               OFFSET_IN(address, w_segment.blocks) % sizeof(struct sb_block) <= 16) {
        snprintf(text, bytes, "c%u#%" PRIu64, sb_loc_channel(value), sb_loc_ticket(value));
    } else if (IS_IN(address, w_segment.slots)) {
        if (sb_slot_block(value) == SB_SLOT_EMPTY) {
            snprintf(text, bytes, "EMPTY(%" PRIu64 ")", sb_slot_lap(value));
        } else {
            snprintf(text, bytes, "FULL(%" PRIu64 ", b%u)", sb_slot_lap(value),
                     sb_slot_block(value));
        }
    } else {
        snprintf(text, bytes, "%#" PRIx64, value);
    }
}

static uint64_t context(uint32_t process)
{
    const struct w_process *p = &w_processes[process < W_PROCESSES ? process : W_DRIVER];
    return (uint64_t)p->op_channel << 32 | p->region_value << 16 | (uint64_t)p->op;
}

static uint64_t set_context(uint32_t process, uint64_t value)
{
    struct w_process *p = &w_processes[process < W_PROCESSES ? process : W_DRIVER];
    uint64_t now = context(process);
    p->op = (enum w_op)(value & 0xffffu);
    p->region_value = value >> 16 & 0xffffu;
    p->op_channel = (uint32_t)(value >> 32);
    return now;
}

const struct x_world w_world = {
    .context = context,
    .set_context = set_context,
    .is_shared = is_shared,
    .access_done = access_done,
    .killed = killed,
    .stopped = stopped,
    .quiescent = w_quiescent,
    .finish = w_finish,
    .describe = describe,
    .describe_value = describe_value,
};
