/* SPDX-License-Identifier: MIT */
/*
 * The health check beside others at work: before a single access to shared memory, or before each
 * from there on, messages, blocks, records and a region move on. What moves is no finding. Runs the
 * very source of the library, compiled here once more with a hook in each access.
 */
#include "fixture.h"

#include "inspect/inspect.h"
#include "inspect/kind_look.h"
#include "inspect/stat.h"

static struct {
    bool armed, go_on, is_moving;
    uint64_t step, stop_at;
} hook;
static void move_everything(void);

/* The hook: before each access of the code below. */
static void access_step(void)
{
    if (!hook.armed || hook.is_moving || hook.step++ < hook.stop_at) {
        return;
    }
    hook.armed = hook.go_on;
    hook.is_moving = true;
    move_everything();
    hook.is_moving = false;
}

#define sb_load_relaxed(w) (access_step(), sb_load_relaxed(w))
#define sb_load_acquire(w) (access_step(), sb_load_acquire(w))
#define sb_owner_is_listed(view, owner) (access_step(), sb_owner_is_listed(view, owner))
#define sb_owner64_is_listed(view, owner64) (access_step(), sb_owner64_is_listed(view, owner64))
#define sb_block_is_in_slot(view, look, block)                                                     \
    (access_step(), sb_block_is_in_slot(view, look, block))
#define shmbus_check t_steps_check
#define shmbus_check_with t_steps_check_with
int shmbus_check(struct shmbus *bus, shmbus_finding_fn each, void *context);
int shmbus_check_with(struct shmbus *bus, const struct shmbus_check_opts *opts,
                      shmbus_finding_fn each, void *context);
#define sb_cell_snapshot t_check_cell_look
#define sb_lane_settled t_check_lane_settled
#define sb_cell_is_possible t_check_cell_is_possible
#define sb_cell_is_leaked t_check_cell_is_leaked
#define sb_lane_is_leaked t_check_lane_is_leaked
#define sb_lane_is_full t_check_lane_is_full
/* And in the table of kinds these in place of the library's. */
#define sb_queue_check t_steps_queue_check
#define sb_lanes_check t_steps_lanes_check
#define sb_stream_check t_steps_stream_check
static const struct sb_kind_look *look_here(const struct sb_channel_view *ch);
#define sb_look_of look_here
#include "inspect/check.c"
#include "inspect/lanes_inspect.c"

static const struct sb_kind_look *look_here(const struct sb_channel_view *ch)
{
    static const struct sb_kind_look queue = {.check = sb_queue_check};
    static const struct sb_kind_look lanes = {.check = sb_lanes_check};
    static const struct sb_kind_look stream = {.check = sb_stream_check};

    return sb_view_kind(ch) == SB_KIND_LANES   ? &lanes
           : sb_view_kind(ch) == SB_KIND_QUEUE ? &queue
                                               : &stream;
}

#define BLOCKS 7u
#define MOVES 12u /* three laps of the queue, more than the stream holds */
#define RECORD 112u

static struct rig {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus, *other, *guest; /* guest: comes and goes */
    struct shmbus_channel *tasks, *ticks_out, *ticks_in;
    struct shmbus_channel *jobs, *more_jobs; /* NULL: its lane is nobody's */
    struct shmbus_msg taken[BLOCKS], job;    /* job: passed over by its lane's producer */
    uint32_t taken_count;
} rig;

static void move_messages(void)
{
    uint8_t record[RECORD] = {0};
    struct shmbus_msg msg;
    for (unsigned i = 0; i < MOVES; i++) {
        T_OK(t_send(rig.tasks, i, 0));
        T_OK(shmbus_recv(rig.tasks, &msg, 0));
        T_OK(shmbus_release(&msg));
        T_OK(shmbus_send(rig.ticks_out, record, sizeof record, 0));
        T_OK(shmbus_recv(rig.ticks_in, &msg, 0));
        T_OK(shmbus_release(&msg));
    }
    while (shmbus_recv(rig.tasks, &msg, 0) == 0) {
        T_OK(shmbus_release(&msg));
    }
}

/* A guest comes, takes a lane and holds a message; or leaves with both. */
static void move_guest(void)
{
    struct shmbus_channel *ch;
    struct shmbus_msg msg;
    if (rig.guest != NULL) {
        shmbus_detach(rig.guest);
        rig.guest = NULL;
        return;
    }
    rig.guest = t_attach(rig.name);
    ch = t_open(rig.guest, "jobs", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    t_put(ch, 1);
    T_OK(shmbus_recv(ch, &msg, 0));
}

/* Messages go through a lane, some of them past one that is held; another lane changes hands. */
static void move_lanes(void)
{
    struct shmbus_msg msg;
    bool hold = rig.job.data == NULL;
    for (unsigned i = 0; i < MOVES; i++) {
        T_OK(t_send(rig.jobs, i, 0));
        T_OK(shmbus_recv(rig.jobs, &msg, 0));
        if (hold && i == 0) {
            rig.job = msg;
        } else {
            T_OK(shmbus_release(&msg));
        }
    }
    if (!hold) {
        T_OK(shmbus_release(&rig.job));
    }
    if (rig.more_jobs != NULL) {
        shmbus_channel_close(rig.more_jobs);
        rig.more_jobs = NULL;
    } else {
        rig.more_jobs = t_open(rig.other, "jobs", SHMBUS_OPEN_SEND);
        t_put(rig.more_jobs, 1);
    }
    move_guest();
    while (shmbus_recv(rig.jobs, &msg, 0) == 0) {
        T_OK(shmbus_release(&msg));
    }
}

/* Free blocks are taken, all of them, or given back. */
static void move_blocks(bool take)
{
    while (take && rig.taken_count < BLOCKS &&
           shmbus_reserve(rig.tasks, 8, &rig.taken[rig.taken_count], 0) == 0) {
        rig.taken_count++;
    }
    while (!take && rig.taken_count > 0) {
        T_OK(shmbus_abort(&rig.taken[--rig.taken_count]));
    }
}

/* A write of the region begins, or ends: the words it leaves there. */
static void move_region(void)
{
    struct sb_region *region = rig.bus->view.regions[0].shared;
    uint64_t version = region->version.v + 1;
    sb_store_release(&region->lock, version % 2 != 0 ? rig.other->member.owner64 : 0);
    sb_store_release(&region->version, version);
}

static void move_everything(void)
{
    bool take = rig.taken_count == 0;
    move_blocks(false);
    move_messages();
    move_lanes();
    move_blocks(take);
    move_region();
}

/* What is reported must be there however often one looks. */
static bool note_false_alarm(void *context, enum shmbus_severity severity, const char *what,
                             const char *text)
{
    (void)text;
    if (strstr(what, "is free") != NULL || strstr(what, "full") != NULL) {
        return true; /* all blocks are taken at times */
    }
    if (severity > SHMBUS_SEVERITY_NOTE || strstr(what, "not on offer") != NULL) {
        printf("false alarm at access %llu: %s\n", (unsigned long long)hook.stop_at, what);
        ++*(unsigned *)context;
    }
    return true;
}

static void rig_up(void)
{
    struct shmbus_plan *plan = t_plan(4, 64, BLOCKS);
    struct shmbus_channel_opts jobs = {.struct_bytes = sizeof jobs,
                                       .kind = SHMBUS_KIND_QUEUE,
                                       .depth = 4,
                                       .on_full = SHMBUS_FULL_REJECT,
                                       .order = SHMBUS_ORDER_PRODUCER,
                                       .message_bytes = 64,
                                       .producers = 3};
    struct shmbus *gone;
    t_plan_queue(plan, "tasks", 4, SHMBUS_FULL_REJECT, 0, NULL);
    t_plan_stream(plan, "ticks", 1024);
    T_OK_FATAL(shmbus_plan_add_channel(plan, "jobs", &jobs));
    T_OK_FATAL(t_add_region(plan, "data", 100));
    rig.bus = t_bus_new(plan, rig.name);
    rig.other = t_attach(rig.name);
    rig.tasks = t_open(rig.other, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    rig.ticks_out = t_open(rig.other, "ticks", SHMBUS_OPEN_SEND);
    rig.ticks_in = t_open(rig.bus, "ticks", SHMBUS_OPEN_RECV);
    rig.jobs = t_open(rig.other, "jobs", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    gone = t_attach(rig.name); /* what it sent waits, although it has left */
    t_put(t_open(gone, "tasks", SHMBUS_OPEN_SEND), 1);
    t_put(t_open(gone, "jobs", SHMBUS_OPEN_SEND), 1);
    shmbus_detach(gone);
    move_guest();
}

static void rig_down(void)
{
    move_blocks(false);
    shmbus_detach(rig.guest);
    shmbus_detach(rig.other);
    t_bus_end(rig.bus, rig.name);
    memset(&rig, 0, sizeof rig);
}

/* True if the check ended before access @at. */
static bool check_until(uint64_t at, bool go_on, unsigned *bad)
{
    bool ended;
    rig_up();
    hook.go_on = go_on;
    hook.step = 0;
    hook.stop_at = at;
    hook.armed = true;
    CU_ASSERT_TRUE(shmbus_check(rig.bus, note_false_alarm, bad) >= 0);
    ended = hook.step <= at;
    hook.armed = false;
    rig_down();
    return ended;
}

T_TEST(check_steps, what_moves_before_any_access_is_no_finding)
{
    unsigned bad = 0;
    uint64_t at = 0;
    while (!check_until(at, false, &bad)) {
        at++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_TRUE(at > 15);
}

T_TEST(check_steps, what_moves_before_every_access_is_no_finding)
{
    unsigned bad = 0;
    uint64_t at = 0;
    while (!check_until(at, true, &bad)) {
        at++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_TRUE(at > 15);
}
