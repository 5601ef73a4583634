/* SPDX-License-Identifier: MIT */
/*
 * What was given back comes again in its order and before what is newer, whichever way it came
 * back.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define DEPTH 256u

enum way { KILLED, CLOSED, DETACHED, REQUEUED, REQUEUED_BACKWARDS, WAYS };

struct order {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate taken, go, done;
    enum way way;
    bool blind;           /* looks for no dead */
    unsigned take, times; /* so many at a call, so often */
    uint64_t got[DEPTH];
    uint32_t count;
};

/* "q" in the order given; "dead" for its letters if they are limited to one delivery. */
static struct order *order_new(enum shmbus_order order, uint32_t depth, uint32_t max_deliveries,
                               struct shmbus **ret_bus)
{
    struct order *t = t_shared(sizeof *t);
    struct shmbus_plan *plan = t_plan(16, 64, 512);
    t_plan_queue(plan, "q", depth, SHMBUS_FULL_BLOCK, max_deliveries,
                 max_deliveries ? "dead" : NULL);
    if (order == SHMBUS_ORDER_PRODUCER) {
        plan->channels[0].order = order;
        plan->channels[0].message_bytes = 8;
        plan->channels[0].producers = 4;
    }
    t_plan_queue(plan, "dead", DEPTH, SHMBUS_FULL_BLOCK, 0, NULL);
    *ret_bus = t_bus_new(plan, t->name);
    return t;
}

/* The blocks, or cells, of what comes next are in no order of addresses. */
static void stir(struct shmbus_channel *q)
{
    struct shmbus_msg msgs[7];
    for (uint64_t i = 0; i < 203; i++) {
        t_put(q, i);
        if (i % 7 == 6) {
            CU_ASSERT_EQUAL(shmbus_recv_batch(q, msgs, 7, 0), 7);
            for (int k = 0; k < 7; k++)
                T_OK(shmbus_release(&msgs[(k * 3) % 7]));
        }
    }
}

static void put(struct shmbus_channel *q, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        t_put(q, i);
}

static void give_back(struct order *t, struct shmbus *bus, struct shmbus_channel *q,
                      struct shmbus_msg *msgs, unsigned n)
{
    switch (t->way) {
    case KILLED:
        raise(SIGKILL);
        break;
    case CLOSED:
        shmbus_channel_close(q);
        break;
    case DETACHED:
        shmbus_detach(bus);
        break;
    default:
        for (unsigned i = 0; i < n; i++)
            T_OK(shmbus_requeue(&msgs[t->way == REQUEUED ? i : n - 1 - i]));
    }
}

/* Takes what it is told to and gives it back, the one way or the other. */
static int holder(void *argument)
{
    struct order *t = argument;
    struct shmbus_msg msgs[DEPTH];
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING | (t->blind ? SHMBUS_ATTACH_NO_WATCHER : 0);
    T_OK_FATAL(shmbus_attach(t->name, &opts, &bus));
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    unsigned n = 0;
    for (unsigned i = 0; i < t->times; i++) {
        int r = shmbus_recv_batch(q, &msgs[n], t->take, 0);
        CU_ASSERT_EQUAL(r, (int)t->take);
        n += r > 0 ? (unsigned)r : 0;
    }
    t_gate_post(&t->taken);
    t_gate_wait(&t->go, 1);
    give_back(t, bus, q, msgs, n);
    return 0;
}

static void in_order(struct shmbus_channel *q, uint64_t from, uint64_t to, uint32_t deliveries)
{
    struct shmbus_msg msg = {0};
    for (uint64_t i = from; i <= to; i++) {
        CU_ASSERT_EQUAL_FATAL(t_take(q, &msg), i);
        CU_ASSERT_EQUAL(msg.delivery_count, deliveries);
        T_OK(shmbus_release(&msg));
    }
}

static void come_back(enum shmbus_order order, uint32_t depth, unsigned take, unsigned times)
{
    uint64_t n = take * times;
    for (int way = 0; way < WAYS; way++) {
        struct shmbus *bus = NULL;
        struct order *t = order_new(order, depth, 0, &bus);
        struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        stir(q);
        put(q, 1, n);
        t->way = (enum way)way;
        t->take = take;
        t->times = times;
        pid_t pid = t_fork(holder, t);
        t_gate_wait(&t->taken, 1);
        put(q, n + 1, n + 3);
        t_gate_post(&t->go);
        CU_ASSERT_EQUAL(t_wait_exit(pid), way == KILLED ? 128 + SIGKILL : 0);
        shmbus_reclaim(bus);
        in_order(q, 1, n, 2);
        in_order(q, n + 1, n + 3, 1);
        CU_ASSERT_EQUAL(t_get(q), UINT64_MAX);
        t_bus_end(bus, t->name);
    }
}

T_TEST(order, what_is_given_back_comes_again_in_its_order_and_before_what_is_newer)
{
    come_back(SHMBUS_ORDER_TOTAL, DEPTH, 10, 1);
    come_back(SHMBUS_ORDER_TOTAL, DEPTH, 1, 10);
}

T_TEST(order, so_do_more_messages_than_one_look_can_note)
{
    come_back(SHMBUS_ORDER_TOTAL, DEPTH, 200, 1);
}

/* In lanes of 16 the tickets of those in hand go over the end of the cells. */
T_TEST(order, so_do_those_of_a_lane)
{
    come_back(SHMBUS_ORDER_PRODUCER, 16, 10, 1);
    come_back(SHMBUS_ORDER_PRODUCER, 16, 1, 10);
    come_back(SHMBUS_ORDER_PRODUCER, DEPTH, 200, 1);
}

/* ------------------------------------------------------------------------------------- several */

/* Three hold every third message each; then all are dead, and noticed at once. */
static void several_dead(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct order *t = order_new(order, DEPTH, 0, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct order *part[3];
    pid_t pids[3];
    stir(q);
    for (unsigned k = 0; k < 3; k++) {
        part[k] = t_shared(sizeof *part[k]);
        *part[k] = (struct order){.blind = true, .take = 1, .times = 20};
        memcpy(part[k]->name, t->name, sizeof t->name);
    }
    put(q, 1, 20);
    pids[2] = t_fork(holder, part[2]); /* in no order of slots either */
    t_gate_wait(&part[2]->taken, 1);
    put(q, 21, 40);
    pids[0] = t_fork(holder, part[0]);
    t_gate_wait(&part[0]->taken, 1);
    put(q, 41, 60);
    pids[1] = t_fork(holder, part[1]);
    t_gate_wait(&part[1]->taken, 1);
    put(q, 61, 63);
    t_nobody_looks(bus);
    for (unsigned k = 0; k < 3; k++)
        CU_ASSERT_EQUAL(t_kill_wait(pids[k], SIGKILL), 128 + SIGKILL);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 3);
    in_order(q, 1, 60, 2);
    in_order(q, 61, 63, 1);
    t_bus_end(bus, t->name);
}

T_TEST(order, what_several_dead_held_comes_in_one_order)
{
    several_dead(SHMBUS_ORDER_TOTAL);
    several_dead(SHMBUS_ORDER_PRODUCER);
}

/* ------------------------------------------------------------------------- while others receive */

/* Takes one after the other, without a rest and with a new handle each time. */
static int taker(void *argument)
{
    struct order *t = argument;
    struct shmbus *bus = t_attach(t->name);
    t_gate_post(&t->taken);
    while (t->count < t->take * t->times) {
        struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
        struct shmbus_msg msg = {0};
        if (shmbus_recv(q, &msg, 0) == 0) {
            t->got[t->count++] = t_value(&msg);
            T_OK(shmbus_release(&msg));
        }
        shmbus_channel_close(q);
    }
    shmbus_detach(bus);
    return 0;
}

static void while_others_receive(enum shmbus_order order, enum way way)
{
    struct shmbus *bus = NULL;
    struct order *t = order_new(order, DEPTH, 0, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    stir(q);
    put(q, 1, 200);
    t->way = way;
    t->take = 200;
    t->times = 1;
    pid_t giver = t_fork(holder, t);
    t_gate_wait(&t->taken, 1);
    pid_t receiver = t_fork(taker, t);
    t_gate_wait(&t->taken, 2);
    t_gate_post(&t->go);
    CU_ASSERT_EQUAL(t_wait_exit(giver), way == KILLED ? 128 + SIGKILL : 0);
    shmbus_reclaim(bus); /* beside whoever else does it */
    CU_ASSERT_EQUAL(t_wait_exit(receiver), 0);
    for (uint64_t i = 0; i < 200; i++)
        CU_ASSERT_EQUAL_FATAL(t->got[i], i + 1);
    t_bus_end(bus, t->name);
}

/* They never find a newer message of one who gives back while older ones are still to come. */
T_TEST(order, whoever_receives_meanwhile_gets_the_older_ones_first)
{
    int64_t start_ns = t_now_ns();
    for (int i = 0; i < 10 && !t_is_enough(start_ns); i++) {
        while_others_receive(SHMBUS_ORDER_TOTAL, KILLED);
        while_others_receive(SHMBUS_ORDER_TOTAL, CLOSED);
        while_others_receive(SHMBUS_ORDER_TOTAL, DETACHED);
        while_others_receive(SHMBUS_ORDER_PRODUCER, KILLED);
        while_others_receive(SHMBUS_ORDER_PRODUCER, CLOSED);
    }
}

/* -------------------------------------------------------------------------------- dead letters */

/* A holder takes what t->take says, and gives it back in its way. */
static void give_back_once(struct order *t, struct shmbus *bus)
{
    t->times = 1;
    pid_t pid = t_fork(holder, t);
    t_gate_wait(&t->taken, 1);
    t_gate_post(&t->go);
    t_wait_exit(pid);
    shmbus_reclaim(bus);
}

/* Received once each; so when they come back they are set aside. @by_receiver: one of "q" comes by
 * first and moves them; otherwise who reads the dead letters takes them where they are. */
static void set_aside(enum shmbus_order order, enum way way, bool by_receiver)
{
    struct shmbus *bus = NULL;
    struct order *t = order_new(order, DEPTH, 1, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    stir(q);
    put(q, 1, 100);
    t->way = way;
    t->take = 100;
    give_back_once(t, bus);
    if (by_receiver)
        CU_ASSERT_EQUAL(t_get(q), UINT64_MAX);
    in_order(dead, 1, 100, 1);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    t_bus_end(bus, t->name);
}

T_TEST(order, dead_letters_arrive_in_the_order_of_their_queue)
{
    for (int order = SHMBUS_ORDER_TOTAL; order <= SHMBUS_ORDER_PRODUCER; order++) {
        for (int way = KILLED; way <= REQUEUED; way++) {
            set_aside((enum shmbus_order)order, (enum way)way, true);
            set_aside((enum shmbus_order)order, (enum way)way, false);
        }
    }
}

/* One that nobody has received waits behind those that were set aside before it. */
T_TEST(order, a_dead_letter_of_the_dead_does_not_overtake_older_ones)
{
    struct shmbus *bus = NULL;
    struct order *t = order_new(SHMBUS_ORDER_TOTAL, DEPTH, 1, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    put(q, 1, 8);
    for (uint64_t i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(t_take(q, &msg), i);
        T_OK(shmbus_requeue(&msg)); /* moved */
    }
    t->way = KILLED;
    t->take = 5;
    give_back_once(t, bus);
    in_order(dead, 1, 6, 1);
    CU_ASSERT_EQUAL(t_take(dead, &msg), 7);
    T_OK(shmbus_requeue(&msg)); /* and one given back comes first */
    in_order(dead, 7, 7, 2);
    in_order(dead, 8, 8, 1);
    t_bus_end(bus, t->name);
}

/* ---------------------------------------------------------------------------- forwards, streams */

/* Forwarded messages have the order of the queue they were forwarded to. */
T_TEST(order, forwarded_messages_come_again_in_the_order_of_their_new_queue)
{
    struct shmbus *bus = NULL;
    struct order *t = order_new(SHMBUS_ORDER_TOTAL, DEPTH, 0, &bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *p = t_open(bus, "p", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msgs[10];
    put(p, 1, 10);
    CU_ASSERT_EQUAL(shmbus_recv_batch(p, msgs, 10, 0), 10);
    for (unsigned i = 0; i < 10; i++)
        T_OK(shmbus_forward(&msgs[(i * 3 + 6) % 10], q, 0)); /* 7 10 3 6 9 2 5 8 1 4 */
    t->way = KILLED;
    t->take = 10;
    give_back_once(t, bus);
    for (unsigned i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(t_get(q), (i * 3 + 6) % 10 + 1);
    t_bus_end(bus, t->name);
}

static int stream_holder(void *argument)
{
    struct order *t = argument;
    struct shmbus_msg msgs[10];
    struct shmbus *bus = t_attach(t->name);
    struct shmbus_channel *s = t_open(bus, "s", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(shmbus_recv_batch(s, msgs, 10, 0), 10);
    t_gate_post(&t->taken);
    t_gate_wait(&t->go, 1);
    give_back(t, bus, s, msgs, 10);
    return 0;
}

T_TEST(order, a_stream_goes_on_where_its_receiver_stopped)
{
    for (int way = KILLED; way <= DETACHED; way++) {
        struct order *t = t_shared(sizeof *t);
        struct shmbus_plan *plan = t_plan(16, 64, 32);
        struct shmbus_msg msg = {0};
        t_plan_stream(plan, "s", 4096);
        struct shmbus *bus = t_bus_new(plan, t->name);
        struct shmbus_channel *tx = t_open(bus, "s", SHMBUS_OPEN_SEND);
        put(tx, 1, 10);
        t->way = (enum way)way;
        pid_t pid = t_fork(stream_holder, t);
        t_gate_wait(&t->taken, 1);
        put(tx, 11, 13);
        t_gate_post(&t->go);
        t_wait_exit(pid);
        shmbus_reclaim(bus);
        struct shmbus_channel *rx = t_open(bus, "s", SHMBUS_OPEN_RECV);
        for (uint64_t i = 1; i <= 13; i++) {
            CU_ASSERT_EQUAL(t_take(rx, &msg), i);
            T_OK(shmbus_release(&msg));
        }
        t_bus_end(bus, t->name);
    }
}
