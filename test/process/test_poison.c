/* SPDX-License-Identifier: MIT */
/*
 * Messages that kill whoever receives them, in queues without a limit of deliveries: three in a row
 * may die of one before the others are let by, and nothing that is given back politely waits.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define TASKS 32
#define STARTS 20

struct poison {
    char name[SHMBUS_NAME_BYTES];
    uint64_t deadly[3]; /* these kill */
    unsigned batch;
    uint8_t done[TASKS + 1];
    struct t_gate taken;
};

static struct poison *poison_new(enum shmbus_order order, struct shmbus **ret_bus)
{
    struct poison *p = t_shared(sizeof *p);
    struct shmbus_plan *plan = t_plan(64, 64, 64);
    t_plan_queue(plan, "work", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    if (order == SHMBUS_ORDER_PRODUCER) {
        plan->channels[0].order = order;
        plan->channels[0].message_bytes = 8;
        plan->channels[0].producers = 4;
    }
    *ret_bus = t_bus_new(plan, p->name);
    return p;
}

static void put(struct shmbus_channel *work, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        t_put(work, i);
}

/* --------------------------------------------------------------------------- under a supervisor */

static bool is_deadly(const struct poison *p, uint64_t id)
{
    return id == p->deadly[0] || id == p->deadly[1] || id == p->deadly[2];
}

static bool all_done(const struct poison *p)
{
    for (uint64_t i = 1; i <= TASKS; i++) {
        if (p->done[i] == 0 && !is_deadly(p, i))
            return false;
    }
    return true;
}

/* Works until everything that can be done is done, or it dies of a message. */
static int worker(void *argument)
{
    struct poison *p = argument;
    struct shmbus *bus = t_attach(p->name);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_RECV);
    struct shmbus_msg msgs[16];
    int n;
    while (!all_done(p) && (n = shmbus_recv_batch(work, msgs, p->batch, 10 * T_S)) > 0) {
        for (int i = 0; i < n; i++) {
            uint64_t id = t_value(&msgs[i]);
            if (is_deadly(p, id))
                raise(SIGKILL); /* as the OOM killer would */
            p->done[id] = 1;
            T_OK(shmbus_release(&msgs[i]));
        }
    }
    shmbus_detach(bus);
    return 0;
}

/* @lanes: from so many producers. */
static void get_by(enum shmbus_order order, unsigned lanes, const uint64_t deadly[3],
                   unsigned batch, unsigned at_most)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work[4];
    unsigned starts = 0;
    memcpy(p->deadly, deadly, sizeof p->deadly);
    p->batch = batch;
    for (unsigned i = 0; i < lanes; i++)
        work[i] = t_open(bus, "work", SHMBUS_OPEN_SEND);
    for (uint64_t i = 1; i <= TASKS; i++)
        t_put(work[i % lanes], i);
    while (starts < at_most && !all_done(p)) {
        t_wait_exit(t_fork(worker, p));
        starts++;
    }
    CU_ASSERT_TRUE(all_done(p));
    t_bus_end(bus, p->name);
}

T_TEST(poison, one_message_that_kills_does_not_hold_up_the_others)
{
    static const uint64_t one[3] = {6, 6, 6};
    get_by(SHMBUS_ORDER_TOTAL, 1, one, 1, STARTS);
    get_by(SHMBUS_ORDER_TOTAL, 1, one, 16, STARTS);
    get_by(SHMBUS_ORDER_PRODUCER, 1, one, 1, STARTS);
    get_by(SHMBUS_ORDER_PRODUCER, 3, one, 16, STARTS);
}

/* Each of them costs a worker three times, then all together once in a round. */
T_TEST(poison, nor_do_three)
{
    static const uint64_t three[3] = {1, 2, 30};
    get_by(SHMBUS_ORDER_TOTAL, 1, three, 1, STARTS);
    get_by(SHMBUS_ORDER_TOTAL, 1, three, 16, STARTS);
    get_by(SHMBUS_ORDER_PRODUCER, 1, three, 1, STARTS);
    get_by(SHMBUS_ORDER_PRODUCER, 3, three, 1, STARTS);
}

/* --------------------------------------------------------------------------------- step by step */

static int take_and_stay(void *argument)
{
    struct poison *p = argument;
    struct shmbus *bus = t_attach(p->name);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    CU_ASSERT_EQUAL(t_take(work, &msg), p->deadly[0]);
    t_gate_post(&p->taken);
    while (pause() != 0)
        ;
    return 1;
}

/* A process receives message @id and stays. */
static pid_t hold(struct poison *p, uint64_t id)
{
    uint32_t before = t_gate_count(&p->taken);
    p->deadly[0] = id;
    pid_t pid = t_fork(take_and_stay, p);
    t_gate_wait(&p->taken, before + 1);
    return pid;
}

static void die(struct shmbus *bus, pid_t pid)
{
    CU_ASSERT_EQUAL(t_kill_wait(pid, SIGKILL), 128 + SIGKILL);
    shmbus_reclaim(bus);
}

static void dies_with(struct poison *p, struct shmbus *bus, uint64_t id)
{
    die(bus, hold(p, id));
}

static void behind(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    put(work, 1, 4);
    dies_with(p, bus, 1);
    dies_with(p, bus, 1); /* after two deaths it is still first */
    pid_t third = hold(p, 1);
    put(work, 5, 6);
    die(bus, third);
    for (uint64_t i = 2; i <= 4; i++)
        CU_ASSERT_EQUAL(t_get(work), i);
    CU_ASSERT_EQUAL(t_take(work, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 4);
    CU_ASSERT_EQUAL(msg.sequence, 1);
    T_OK(shmbus_release(&msg));
    CU_ASSERT_EQUAL(t_get(work), 5);
    CU_ASSERT_EQUAL(t_get(work), 6);
    CU_ASSERT_EQUAL(t_get(work), UINT64_MAX);
    t_bus_end(bus, p->name);
}

T_TEST(poison, what_three_died_with_comes_behind_what_waited_and_before_what_is_newer)
{
    behind(SHMBUS_ORDER_TOTAL);
    behind(SHMBUS_ORDER_PRODUCER);
}

/* Each receiver has a handle of its own, which has received nothing before. */
static void by_new_handles(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND);
    put(work, 1, 8);
    for (int i = 0; i < 3; i++)
        dies_with(p, bus, 1);
    for (uint64_t i = 2; i <= 9; i++) {
        struct shmbus_channel *rx = t_open(bus, "work", SHMBUS_OPEN_RECV);
        t_put(work, 100); /* there is always something else */
        CU_ASSERT_EQUAL(t_get(rx), i <= 8 ? i : 1);
        shmbus_channel_close(rx);
    }
    t_bus_end(bus, p->name);
}

T_TEST(poison, it_does_not_starve_among_receivers_that_take_one_message_each)
{
    by_new_handles(SHMBUS_ORDER_TOTAL);
    by_new_handles(SHMBUS_ORDER_PRODUCER);
}

static void alone(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    put(work, 1, 2);
    CU_ASSERT_EQUAL(t_get(work), 1);
    for (int i = 0; i < 4; i++)
        dies_with(p, bus, 2);
    CU_ASSERT_EQUAL(t_get(work), 2);
    t_bus_end(bus, p->name);
}

T_TEST(poison, where_nothing_else_waits_it_comes_at_once)
{
    alone(SHMBUS_ORDER_TOTAL);
    alone(SHMBUS_ORDER_PRODUCER);
}

static void polite(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    put(work, 1, 4);
    for (int i = 0; i < 5; i++) {
        dies_with(p, bus, 1);
        dies_with(p, bus, 1);
        CU_ASSERT_EQUAL(t_take(work, &msg), 1);
        T_OK(shmbus_requeue(&msg)); /* who gives it back does not die of it */
        CU_ASSERT_EQUAL(t_take(work, &msg), 1);
        shmbus_channel_close(work);
        work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    }
    for (uint64_t i = 1; i <= 4; i++)
        CU_ASSERT_EQUAL(t_get(work), i);
    t_bus_end(bus, p->name);
}

T_TEST(poison, what_is_given_back_between_deaths_keeps_its_place)
{
    polite(SHMBUS_ORDER_TOTAL);
    polite(SHMBUS_ORDER_PRODUCER);
}

static void closed(enum shmbus_order order)
{
    struct shmbus *bus = NULL;
    struct poison *p = poison_new(order, &bus);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *other = t_open(bus, "work", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    put(work, 1, 3);
    for (int i = 0; i < 3; i++)
        dies_with(p, bus, 1);
    CU_ASSERT_EQUAL(t_get(work), 2);
    CU_ASSERT_EQUAL(t_get(work), 3);
    CU_ASSERT_EQUAL(t_take(other, &msg), 1);
    put(work, 4, 4);
    shmbus_channel_close(other); /* gives it back: it is one that was not died of */
    CU_ASSERT_EQUAL(t_get(work), 1);
    CU_ASSERT_EQUAL(t_get(work), 4);
    t_bus_end(bus, p->name);
}

T_TEST(poison, a_handle_that_has_one_gives_it_back_when_it_is_closed)
{
    closed(SHMBUS_ORDER_TOTAL);
    closed(SHMBUS_ORDER_PRODUCER);
}
