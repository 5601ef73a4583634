/* SPDX-License-Identifier: MIT */
/*
 * Peek, paused before every single access to shared memory while the messages it looks at are
 * taken and their blocks are being filled again. Runs the very source of the library, compiled
 * here once more with a hook in each access.
 */
#include "fixture.h"
#include "inspect/kind_look.h"
#include "steps.h"

#define sb_load_relaxed(w) (access_step(), sb_load_relaxed(w))
#define sb_load_acquire(w) (access_step(), sb_load_acquire(w))
#define shmbus_peek t_steps_peek
int shmbus_peek(struct shmbus *bus, const char *channel, size_t max, shmbus_peek_fn each,
                void *context);
#define sb_cell_snapshot t_peek_cell_look
#define sb_lane_settled t_peek_lane_settled
#define sb_cell_is_possible t_peek_cell_is_possible
#define sb_cell_is_leaked t_peek_cell_is_leaked
#define sb_lane_is_leaked t_peek_lane_is_leaked
#define sb_lane_is_full t_peek_lane_is_full
/* And in the table of kinds these in place of the library's. */
#define sb_peek_cell t_steps_peek_cell
#define sb_queue_peek t_steps_queue_peek
#define sb_lanes_peek t_steps_lanes_peek
#define sb_stream_peek t_steps_stream_peek
static const struct sb_kind_look *look_here(const struct sb_channel_view *ch);
#define sb_look_of look_here
#include "inspect/peek.c"
#include "inspect/lanes_inspect.c"

static const struct sb_kind_look *look_here(const struct sb_channel_view *ch)
{
    static const struct sb_kind_look queue = {.peek = sb_queue_peek};
    static const struct sb_kind_look lanes = {.peek = sb_lanes_peek};
    static const struct sb_kind_look stream = {.peek = sb_stream_peek};

    return sb_view_kind(ch) == SB_KIND_LANES   ? &lanes
           : sb_view_kind(ch) == SB_KIND_QUEUE ? &queue
                                               : &stream;
}

#define MESSAGES 4u
#define SIZE 100u

static struct shmbus_channel *queue, *elsewhere;

static void send_one(unsigned char value)
{
    unsigned char data[SIZE];
    memset(data, value, sizeof data);
    T_OK(shmbus_send(queue, data, sizeof data, 0));
}

/* All messages go; one block is sent again, elsewhere, the others are half filled with something.
 * In a lane: one cell is sent again, the next one is half filled. */
static void use_blocks_again(void)
{
    struct shmbus_msg msg;
    unsigned char data[SIZE];
    while (shmbus_recv(queue, &msg, 0) == 0) {
        T_OK(shmbus_release(&msg));
    }
    memset(data, 0xcc, sizeof data);
    T_OK(shmbus_send(elsewhere, data, sizeof data, 0));
    if (queue->kind == SB_KIND_LANES) {
        memset(data, MESSAGES, sizeof data);
        T_OK(shmbus_send(queue, data, sizeof data, 0));
        T_OK(shmbus_reserve(queue, SIZE, &msg, 0));
        memset(msg.data, 0xbb, SIZE / 2);
        return;
    }
    while (shmbus_reserve(queue, SIZE, &msg, 0) == 0) {
        memset(msg.data, 0xbb, SIZE / 2);
    }
}

static bool is_whole(void *context, const struct shmbus_msg *msg)
{
    const unsigned char *data = msg->data;
    unsigned *bad = context;
    *bad += msg->size_bytes != SIZE || data[0] < 1 || data[0] > MESSAGES;
    for (size_t i = 1; i < SIZE; i++) {
        *bad += data[i] != data[0];
    }
    return true;
}

/* A queue of four messages. */
static void plan_tasks(struct shmbus_plan *plan, enum shmbus_order order)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .kind = SHMBUS_KIND_QUEUE,
                                    .depth = order == SHMBUS_ORDER_PRODUCER ? MESSAGES : 8,
                                    .on_full = SHMBUS_FULL_REJECT,
                                    .order = order};
    T_OK_FATAL(shmbus_plan_add_channel(plan, "tasks", &c));
}

static struct shmbus *peeked;
static unsigned *peek_bad;

static void op_peek(void)
{
    CU_ASSERT_TRUE(shmbus_peek(peeked, "tasks", 100, is_whole, peek_bad) >= 0);
}

/* One run on a bus of its own; true if peek ended before access @at. @back: how many of the
 * messages were given back before. */
static bool peek_until(uint64_t at, enum shmbus_order order, unsigned back, unsigned *bad)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 256, MESSAGES + 4);
    struct shmbus_msg msgs[MESSAGES];
    struct shmbus *bus;
    bool ended;
    plan_tasks(plan, order);
    t_plan_queue(plan, "others", 8, SHMBUS_FULL_REJECT, 0, NULL);
    bus = t_bus_new(plan, name);
    queue = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    elsewhere = t_open(bus, "others", SHMBUS_OPEN_SEND);
    for (unsigned char i = 1; i <= MESSAGES; i++) {
        send_one(i);
    }
    for (unsigned i = 0; i < back; i++) {
        T_OK(shmbus_recv(queue, &msgs[i], 0));
    }
    for (unsigned i = 0; i < back; i++) {
        T_OK(shmbus_requeue(&msgs[i]));
    }
    peeked = bus;
    peek_bad = bad;
    ended = run_until(op_peek, at, use_blocks_again);
    t_bus_end(bus, name);
    return ended;
}

static void peek_paused_everywhere(enum shmbus_order order)
{
    for (unsigned back = 0; back <= 2; back++) {
        unsigned bad = 0;
        uint64_t at = 0;
        while (!peek_until(at, order, back, &bad)) {
            at++;
        }
        CU_ASSERT_EQUAL(bad, 0);
        CU_ASSERT_TRUE(at > 20);
    }
}

T_TEST(peek_steps, paused_before_any_access_it_shows_whole_messages_only)
{
    peek_paused_everywhere(SHMBUS_ORDER_TOTAL);
}

T_TEST(peek_steps, paused_before_any_access_it_shows_whole_messages_of_lanes_only)
{
    peek_paused_everywhere(SHMBUS_ORDER_PRODUCER);
}
