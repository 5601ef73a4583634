/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "channel/channel.h"
#include "protocol/sweep.h"

#define LONGEST_CALL_NS 10000000000 /* a busy machine; a hang would be forever */

struct payload {
    uint64_t id;
    uint64_t check;
};

static uint64_t mix(uint64_t id)
{
    return (id + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
}

int t_send_id(struct shmbus_channel *ch, unsigned id)
{
    struct payload p = {id, mix(id)};
    return shmbus_send(ch, &p, sizeof p, 0);
}

unsigned t_msg_id(const struct shmbus_msg *msg)
{
    struct payload p;
    if (msg->size_bytes != sizeof p) {
        return 0;
    }
    memcpy(&p, msg->data, sizeof p);
    return p.check == mix(p.id) && p.id < T_IDS ? (unsigned)p.id : 0;
}

void t_fail(struct t_world *w, const char *format, ...)
{
    va_list args;
    if (w->failure != NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(w->failure_text, sizeof w->failure_text, format, args);
    va_end(args);
    w->failure = w->failure_text;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --------------------------------------------------------------------------------------- making */

/* Five of the blocks are shares. Stocks of five: refills and flushes happen. */
static void plan_whole(struct shmbus_plan *plan)
{
    struct shmbus_plan_opts whole = {
        .struct_bytes = sizeof whole, .processes = 4, .spare_channels = 1, .spare_depth = 4};
    struct shmbus_block_opts blocks = {sizeof blocks, 64, 45};
    struct shmbus_region_opts region = {sizeof region, T_REGION_BYTES};

    shmbus_plan_set(plan, &whole);
    shmbus_plan_clear_blocks(plan);
    shmbus_plan_add_blocks(plan, &blocks);
    shmbus_plan_add_region(plan, "r", &region);
}

static int make_plan(struct shmbus_plan **ret)
{
    struct shmbus_channel_opts ch = {sizeof ch, .depth = T_DEPTH, .on_full = SHMBUS_FULL_BLOCK,
                                     .endpoints = 8};
    int r = shmbus_plan_new(1u << 20, ret);

    if (r < 0) {
        return r;
    }
    plan_whole(*ret);
    shmbus_plan_add_channel(*ret, "dead", &ch);
    shmbus_plan_add_channel(*ret, "q2", &ch);
    ch.dead_letter = "dead";
    ch.max_deliveries = 3;
    shmbus_plan_add_channel(*ret, "q", &ch);
    ch.order = SHMBUS_ORDER_PRODUCER;
    ch.message_bytes = 16;
    ch.producers = T_LANES;
    shmbus_plan_add_channel(*ret, "l", &ch);
    ch.on_full = SHMBUS_FULL_DROP_OLDEST;
    shmbus_plan_add_channel(*ret, "ld", &ch);
    ch.dead_letter = "letters";
    ch.on_full = SHMBUS_FULL_BLOCK;
    ch.max_deliveries = 1;
    shmbus_plan_add_channel(*ret, "lx", &ch);
    ch = (struct shmbus_channel_opts){sizeof ch, .depth = T_DEPTH,
                                      .on_full = SHMBUS_FULL_DROP_OLDEST, .endpoints = 8};
    shmbus_plan_add_channel(*ret, "letters", &ch);
    ch = (struct shmbus_channel_opts){sizeof ch, .kind = SHMBUS_KIND_STREAM, .bytes = 4096,
                                      .endpoints = 8};
    return shmbus_plan_add_channel(*ret, "s", &ch);
}

static bool pass_messages(struct shmbus_channel *tx, struct shmbus_channel *rx, unsigned count)
{
    struct shmbus_msg msg;
    for (unsigned i = 0; i < count; i++) {
        if (t_send_id(tx, T_ID_PASS) < 0 || shmbus_recv(rx, &msg, 0) < 0 ||
            shmbus_release(&msg) < 0) {
            return false;
        }
    }
    return true;
}

static bool open_all(struct t_world *w)
{
    return shmbus_channel_open(w->bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &w->q) ==
               0 &&
           shmbus_channel_open(w->bus, "q2", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &w->q2) ==
               0 &&
           shmbus_channel_open(w->bus, "dead", SHMBUS_OPEN_RECV, NULL, &w->dead) == 0 &&
           shmbus_channel_open(w->bus, "letters", SHMBUS_OPEN_RECV, NULL, &w->letters) == 0;
}

/* The survivor has lane 1; lane 0 was used by somebody who has left. */
static bool fill_lanes(struct t_world *w, const char *name, unsigned fill, unsigned cycle,
                       struct shmbus_channel **ret_lanes)
{
    struct shmbus_channel *tx = NULL;
    bool ok = shmbus_channel_open(w->bus, name, SHMBUS_OPEN_SEND, NULL, &tx) == 0 &&
              shmbus_channel_open(w->bus, name, SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL,
                                  ret_lanes) == 0 &&
              pass_messages(tx, *ret_lanes, cycle);
    for (unsigned i = 0; i < fill && ok; i++) {
        ok = t_send_id(tx, ++w->setup_ids) == 0;
    }
    shmbus_channel_close(tx);
    return ok;
}

static bool open_lanes(struct t_world *w, enum t_end end, unsigned fill, unsigned cycle)
{
    bool drop = end == T_LANES_DROP;
    bool ok = fill_lanes(w, "l", end == T_LANES_BLOCK ? fill : 0, drop ? 0 : cycle, &w->l) &&
              fill_lanes(w, "ld", drop ? fill : 0, drop ? cycle : 0, &w->ld) &&
              fill_lanes(w, "lx", 0, 0, &w->lx);
    w->lanes = drop ? w->ld : end == T_LANES_BLOCK ? w->l : NULL;
    return ok;
}

static bool fill_queue(struct t_world *w, unsigned fill, unsigned cycle)
{
    bool ok = pass_messages(w->q, w->q, cycle);
    for (unsigned i = 0; i < fill && ok; i++) {
        ok = t_send_id(w->q, ++w->setup_ids) == 0;
    }
    return ok;
}

/* A stream that has passed @cycle messages and holds @fill; the survivor keeps the end that the
 * child does not need. */
static bool fill_stream(struct t_world *w, enum t_end stream, unsigned fill, unsigned cycle)
{
    bool ok = shmbus_channel_open(w->bus, "s", SHMBUS_OPEN_SEND, NULL, &w->tx) == 0 &&
              shmbus_channel_open(w->bus, "s", SHMBUS_OPEN_RECV, NULL, &w->rx) == 0 &&
              pass_messages(w->tx, w->rx, cycle);
    for (unsigned i = 0; i < fill && ok; i++) {
        ok = t_send_id(w->tx, ++w->setup_ids) == 0;
    }
    if (stream == T_STREAM_CHILD_SENDS) {
        shmbus_channel_close(w->tx);
        w->tx = NULL;
    } else {
        shmbus_channel_close(w->rx);
        w->rx = NULL;
    }
    return ok;
}

static bool is_stream(enum t_end end)
{
    return end == T_STREAM_CHILD_SENDS || end == T_STREAM_CHILD_RECEIVES;
}

static bool fill_all(struct t_world *w, enum t_end end, unsigned fill, unsigned cycle)
{
    return fill_queue(w, end == T_QUEUE ? fill : 0, cycle) && open_lanes(w, end, fill, cycle) &&
           (!is_stream(end) || fill_stream(w, end, fill, cycle));
}

bool t_world_make(struct t_world *w, enum t_end end, unsigned fill, unsigned cycle)
{
    static unsigned number;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    bool ok;

    memset(w, 0, sizeof *w);
    snprintf(w->name, sizeof w->name, "crash-%d-%u", (int)getpid(), number++);
    w->ledger =
        mmap(NULL, sizeof *w->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w->ledger == MAP_FAILED || make_plan(&plan) < 0) {
        t_fail(w, "no plan: %s", shmbus_detail());
        return false;
    }
    opts.plan = plan;
    opts.flags = SHMBUS_ATTACH_NO_WATCHER;
    opts.spin_ns = SHMBUS_SPIN_NONE;
    ok = shmbus_attach(w->name, &opts, &w->bus) == 0;
    if (ok) { /* the survivor looks for the dead when it is told to, not when its clock says so */
        sb_store_relaxed(&w->bus->looked_ns, INT64_MAX);
        ok = open_all(w) && fill_all(w, end, fill, cycle);
    }
    shmbus_plan_free(plan);
    if (!ok) {
        t_fail(w, "set-up: %s", shmbus_detail());
    }
    return ok;
}

void t_world_free(struct t_world *w)
{
    shmbus_detach(w->bus);
    shmbus_unlink(w->name);
    munmap(w->ledger, sizeof *w->ledger);
}

/* ------------------------------------------------------------------------------- what others do */

/* What was given back to the queue comes by its sequence. */
static void check_order(struct t_world *w, const struct shmbus_msg *msg)
{
    if (!w->ledger->in_order || msg->channel != w->q || msg->delivery_count < 2) {
        return;
    }
    if (msg->sequence < w->again) {
        t_fail(w, "sequence %llu comes again after %llu", (unsigned long long)msg->sequence,
               (unsigned long long)w->again);
    }
    w->again = msg->sequence;
}

/* Accounts for a received message and acknowledges it. */
static void take(struct t_world *w, struct shmbus_msg *msg, const char *where)
{
    unsigned id = t_msg_id(msg);
    check_order(w, msg);
    if (id == 0) {
        t_fail(w, "a damaged message on %s", where);
    } else if (++w->got[id] > 1 && id != T_ID_PASS) {
        t_fail(w, "message %u delivered %u times (last on %s)", id, w->got[id], where);
    }
    if (shmbus_release(msg) < 0) {
        t_fail(w, "release on %s: %s", where, shmbus_detail());
    }
}

/* One receive without waiting; false if there was nothing. */
static bool take_one(struct t_world *w, struct shmbus_channel *ch)
{
    struct shmbus_msg msg;
    int r = shmbus_recv(ch, &msg, 0);

    if (r == 0) {
        take(w, &msg, shmbus_channel_name(ch));
        return true;
    }
    if (r == -SHMBUS_ERR_PEER_DEAD || r == -SHMBUS_ERR_PEER_CLOSED) {
        return true; /* told once; there may be more behind it */
    }
    if (r != -EAGAIN) {
        t_fail(w, "receive on %s: %d %s", shmbus_channel_name(ch), r, shmbus_detail());
    }
    return false;
}

static bool try_send(struct t_world *w, struct shmbus_channel *ch, unsigned id)
{
    int r = t_send_id(ch, id);
    if (r < 0 && r != -EAGAIN && r != -SHMBUS_ERR_PEER_DEAD && r != -SHMBUS_ERR_PEER_CLOSED) {
        t_fail(w, "send on %s: %d %s", shmbus_channel_name(ch), r, shmbus_detail());
    }
    return r == 0;
}

void t_world_work(struct t_world *w)
{
    int64_t start = now_ns();

    w->sent_work = try_send(w, w->q, T_ID_WORK);
    take_one(w, w->q);
    if (w->tx != NULL) {
        w->sent_work_stream = try_send(w, w->tx, T_ID_WORK_STREAM);
    }
    if (w->lanes != NULL) {
        w->sent_work_lanes = try_send(w, w->lanes, T_ID_WORK_LANES);
        take_one(w, w->lanes);
    }
    if (w->rx != NULL) {
        take_one(w, w->rx);
    }
    if (now_ns() - start > LONGEST_CALL_NS) {
        t_fail(w, "the survivor was held up for %.1f s", (double)(now_ns() - start) / 1e9);
    }
}

void t_world_reclaim(struct t_world *w, unsigned dead_min, unsigned dead_max)
{
    int64_t start = now_ns();
    int r = shmbus_reclaim(w->bus);

    if (r < (int)dead_min || r > (int)dead_max) {
        t_fail(w, "reclaim found %d dead processes, not %u to %u", r, dead_min, dead_max);
    }
    if (now_ns() - start > LONGEST_CALL_NS) {
        t_fail(w, "recovery took %.1f s", (double)(now_ns() - start) / 1e9);
    }
}

/* ------------------------------------------------------------------------------------- checking */

static void drain(struct t_world *w)
{
    for (unsigned n = 0; n < 64 && take_one(w, w->q); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->q2); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->l); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->ld); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->dead); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->lx); n++) {
    }
    for (unsigned n = 0; n < 64 && take_one(w, w->letters); n++) {
    }
}

static void drain_stream(struct t_world *w)
{
    if (w->rx == NULL && shmbus_channel_open(w->bus, "s", SHMBUS_OPEN_RECV, NULL, &w->rx) < 0) {
        t_fail(w, "the stream's receiving end: %s", shmbus_detail());
        return;
    }
    for (unsigned n = 0; n < 256 && take_one(w, w->rx); n++) {
    }
    if (w->tx == NULL && shmbus_channel_open(w->bus, "s", SHMBUS_OPEN_SEND, NULL, &w->tx) < 0) {
        t_fail(w, "the stream's sending end: %s", shmbus_detail());
        return;
    }
    if (!pass_messages(w->tx, w->rx, 200)) {
        t_fail(w, "the stream does not go on: %s", shmbus_detail());
    }
}

/* What everybody together says about message @id. */
static struct t_bounds bounds_of(const struct t_world *w, unsigned id)
{
    struct t_bounds b = {0, 0};
    bool is_known = false, is_settled = false;
    if ((id >= 1 && id <= w->setup_ids) || (id == T_ID_WORK && w->sent_work) ||
        (id == T_ID_WORK_STREAM && w->sent_work_stream) ||
        (id == T_ID_WORK_LANES && w->sent_work_lanes)) {
        b = (struct t_bounds){1, 1};
        is_known = true;
    }
    for (unsigned a = 0; a < T_ACTORS; a++) {
        const struct t_ledger *l = w->ledger;
        const struct t_bounds *its = l->ended[a] ? &l->after[a][id] : &l->during[a][id];
        if (!l->concerns[a][id]) {
            continue;
        }
        b.min = its->min < b.min || !is_known ? its->min : b.min;
        if (l->ended[a]) { /* one may have sent it, and the other one have acknowledged it */
            b.max = is_settled && b.max < its->max ? b.max : its->max;
            is_settled = true;
        } else if (!is_settled) {
            b.max = its->max > b.max ? its->max : b.max;
        }
        is_known = true;
    }
    return b;
}

/* Of what drop_oldest may throw away, no more than one message for each send. */
static void check_drops(struct t_world *w)
{
    unsigned missing = 0, most = 0;
    for (unsigned a = 0; a < T_ACTORS; a++) {
        most += w->ledger->drop_max[a];
    }
    for (unsigned id = 1; id <= w->setup_ids; id++) {
        missing += w->got[id] == 0;
    }
    if (most > 0 && missing > most) {
        t_fail(w, "%u messages were thrown away, allowed %u", missing, most);
    }
}

static void check_messages(struct t_world *w)
{
    for (unsigned id = 1; id < T_ID_PASS; id++) {
        struct t_bounds b = bounds_of(w, id);
        if (w->got[id] < b.min || w->got[id] > b.max) {
            t_fail(w, "message %u was delivered %u times, allowed %u to %u", id, w->got[id], b.min,
                   b.max);
        }
    }
    for (unsigned a = 0; a < T_ACTORS; a++) {
        if (w->ledger->broken[a]) {
            t_fail(w, "actor %u: %s", a, w->ledger->what[a]);
        }
    }
}

static void check_blocks(struct t_world *w)
{
    struct shmbus_block_stat st = {.struct_bytes = sizeof st};
    for (uint32_t c = 0; shmbus_block_stat(w->bus, c, &st) == 0; c++) {
        if (st.free != st.count) {
            t_fail(w,
                   "blocks of %llu: %llu of %llu free; queued %llu held %llu stock %llu "
                   "redeliverable %llu dead %llu",
                   (unsigned long long)st.size_bytes, (unsigned long long)st.free,
                   (unsigned long long)st.count, (unsigned long long)st.queued,
                   (unsigned long long)st.held, (unsigned long long)st.stock,
                   (unsigned long long)st.redeliverable, (unsigned long long)st.dead_letters);
        }
        st.struct_bytes = sizeof st;
    }
}

/* Every free block can really be had: its hint bit is set. */
static void check_hints(struct t_world *w)
{
    const struct sb_blocks *blocks = &w->bus->view.blocks;
    for (uint32_t c = 0; c < blocks->class_count; c++) {
        for (uint32_t i = 0; i < blocks->classes[c].count; i++) {
            uint64_t word = sb_load_relaxed(&blocks->classes[c].bitmap[i / 64]);
            if ((word >> (i % 64) & 1u) == 0) {
                t_fail(w, "block %u of class %u is free and hidden", i, c);
            }
        }
    }
}

/* All old or all new. */
static void check_region(struct t_world *w)
{
    struct shmbus_region *region = NULL;
    uint8_t bytes[T_REGION_BYTES];
    int r = shmbus_region_open(w->bus, "r", &region);

    if (r == 0) {
        r = shmbus_region_read(region, 0, bytes, sizeof bytes, 1000000000);
    }
    if (r < 0) {
        t_fail(w, "region: %s", shmbus_detail());
        return;
    }
    for (unsigned i = 1; i < sizeof bytes; i++) {
        if (bytes[i] != bytes[0]) {
            t_fail(w, "region: byte %u is %u, byte 0 is %u", i, bytes[i], bytes[0]);
            return;
        }
    }
    for (unsigned a = 0; a < T_ACTORS; a++) {
        if (w->ledger->ended[a] && w->ledger->region_value[a] != 0 && bytes[0] == 0) {
            t_fail(w, "region: a finished write is lost");
        }
    }
}

/* Every cell is free, and every lane but the survivor's can be taken and works. */
static void check_lanes(struct t_world *w, struct shmbus_channel *ours)
{
    const struct sb_channel_view *ch = ours->view;
    struct shmbus_channel *tx[T_LANES] = {NULL};

    for (uint64_t i = 0; i < sb_cell_count(ch); i++) {
        uint64_t word = sb_load_relaxed(&sb_cell_at(ch, i)->w);
        if (sb_hdr_state(word) != SB_BLOCK_FREE) {
            t_fail(w, "cell %u of %s is in state %u of owner %u", (unsigned)i, ours->name,
                   (unsigned)sb_hdr_state(word), (unsigned)sb_hdr_owner(word));
        }
    }
    for (unsigned i = 1; i < T_LANES; i++) {
        if (shmbus_channel_open(w->bus, ours->name, SHMBUS_OPEN_SEND, NULL, &tx[i]) < 0) {
            t_fail(w, "lane %u of %s cannot be taken: %s", i, ours->name, shmbus_detail());
        } else if (!pass_messages(tx[i], ours, 2 * T_DEPTH + 1)) {
            t_fail(w, "lane %u of %s does not go on: %s", i, ours->name, shmbus_detail());
        }
    }
    if (shmbus_channel_open(w->bus, ours->name, SHMBUS_OPEN_SEND, NULL, &tx[0]) !=
        -SHMBUS_ERR_TOO_MANY) {
        t_fail(w, "%s has more lanes than it should", ours->name);
    }
    if (!pass_messages(ours, ours, 2 * T_DEPTH + 1)) {
        t_fail(w, "the survivor's lane of %s does not go on: %s", ours->name, shmbus_detail());
    }
    for (unsigned i = 0; i < T_LANES; i++) {
        shmbus_channel_close(tx[i]);
    }
}

/* Whatever one of them was killed or stopped in: another one that is called takes its place. */
static void check_sweeper(struct t_world *w)
{
    struct sb_sweep sweep;
    enum sb_sweep_role role;

    if (!w->ledger->sweeps) {
        return;
    }
    sb_sweep_init(&sweep, &w->bus->view, &w->bus->member);
    role = sb_sweep_round(&sweep, &w->bus->liveness, now_ns(), SB_SWEEP_CALLED);
    if (role != SB_SWEEP_SWEEPER ||
        sb_load_relaxed(&w->bus->view.super->sweepers[0]) != w->bus->member.owner64) {
        t_fail(w, "the survivor does not become the sweeper");
    }
    sb_sweep_leave(&sweep);
}

static bool check_findings(void *context, enum shmbus_severity severity, const char *what,
                           const char *cure)
{
    struct t_world *w = context;
    (void)cure;
    if (severity == SHMBUS_SEVERITY_CRITICAL) {
        t_fail(w, "health check: %s", what);
    }
    return true;
}

void t_world_check(struct t_world *w)
{
    drain(w);
    drain_stream(w);
    drain(w);
    check_messages(w);
    check_drops(w);
    check_lanes(w, w->l);
    check_lanes(w, w->ld);
    check_lanes(w, w->lx);
    check_sweeper(w);
    if (!pass_messages(w->q, w->q, 2 * T_DEPTH + 1)) {
        t_fail(w, "the queue does not go on: %s", shmbus_detail());
    }
    check_region(w);
    shmbus_channel_close(w->q);
    shmbus_channel_close(w->q2);
    shmbus_channel_close(w->dead);
    shmbus_channel_close(w->l);
    shmbus_channel_close(w->ld);
    shmbus_channel_close(w->lx);
    shmbus_channel_close(w->letters);
    w->q = w->q2 = w->dead = w->l = w->ld = w->lx = w->letters = w->lanes = NULL;
    check_blocks(w);
    check_hints(w);
    shmbus_check(w->bus, check_findings, w);
}
