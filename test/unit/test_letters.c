/* SPDX-License-Identifier: MIT */
/*
 * Dead letters count against the queue where they wait, never against others: what is full there
 * gives way or stays with its queue, and nobody else notices. Other inputs of the same kind: a
 * message that kills whoever receives it.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define BLOCKS 16u
#define USABLE (BLOCKS - 4u) /* the others are shares of other queues */
#define DEPTH 4u

/* Queue "work" (one delivery, then "dead"), "other" beside it. */
struct letters {
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus;
    struct shmbus_channel *work, *dead, *other;
};

static void letters_make(struct letters *l, enum shmbus_on_full on_full, uint32_t max_deliveries)
{
    struct shmbus_plan *plan = t_plan(64, 64, BLOCKS);
    t_plan_queue(plan, "work", DEPTH, SHMBUS_FULL_BLOCK, max_deliveries, "dead");
    t_plan_queue(plan, "dead", DEPTH, on_full, 0, NULL);
    t_plan_queue(plan, "other", DEPTH, SHMBUS_FULL_BLOCK, 0, NULL);
    l->bus = t_bus_new(plan, l->name);
    l->work = t_open(l->bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    l->dead = t_open(l->bus, "dead", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    l->other = t_open(l->bus, "other", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
}

/* Sends @value and refuses it so often. */
static void refuse(struct letters *l, uint64_t value, uint32_t times)
{
    struct shmbus_msg msg = {0};
    T_OK(t_send(l->work, value, 0));
    for (uint32_t i = 0; i < times; i++) {
        CU_ASSERT_EQUAL(t_take(l->work, &msg), value);
        CU_ASSERT_EQUAL(msg.delivery_count, i + 1);
        T_OK(shmbus_requeue(&msg));
    }
}

static uint64_t counter(struct letters *l, const char *queue, enum shmbus_counter which)
{
    return t_channel_stat(l->bus, queue).counters[which];
}

T_TEST(letters, of_one_queue_never_stop_another_nor_their_own_producer)
{
    struct letters l;
    letters_make(&l, 0, 1);
    for (uint64_t i = 1; i <= 10 * BLOCKS; i++)
        refuse(&l, i, 1);
    T_OK(t_send(l.other, 7, 0));
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").on_full, SHMBUS_FULL_DROP_OLDEST);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").dead_letters, DEPTH);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").depth, DEPTH);
    CU_ASSERT_EQUAL(t_blocks(l.bus).dead_letters, DEPTH);
    CU_ASSERT_EQUAL(counter(&l, "work", SHMBUS_COUNT_dead_lettered), 10 * BLOCKS);
    CU_ASSERT_EQUAL(counter(&l, "dead", SHMBUS_COUNT_dropped), 10 * BLOCKS - DEPTH);
    t_bus_end(l.bus, l.name);
}

T_TEST(letters, come_in_the_order_in_which_they_were_set_aside)
{
    struct letters l;
    letters_make(&l, 0, 2);
    for (uint64_t i = 1; i <= DEPTH + 1; i++)
        refuse(&l, i, 2);
    for (uint64_t i = 2; i <= DEPTH + 1; i++)
        CU_ASSERT_EQUAL(t_get(l.dead), i);
    CU_ASSERT_EQUAL(t_get(l.dead), UINT64_MAX);
    t_bus_end(l.bus, l.name);
}

T_TEST(letters, stay_with_their_queue_if_the_other_one_is_full_and_keeps_what_it_has)
{
    struct letters l;
    letters_make(&l, SHMBUS_FULL_BLOCK, 1);
    for (uint64_t i = 1; i <= USABLE; i++)
        refuse(&l, i, 1);
    T_FAILS(t_send(l.work, 99, 0), -SHMBUS_ERR_NO_BLOCKS);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").depth, DEPTH);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").dead_letters, USABLE);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").letters_kept, 0);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "work").letters_kept, USABLE - DEPTH);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "work").letter_age_ns, -1);
    CU_ASSERT_TRUE(t_channel_stat(l.bus, "dead").letter_age_ns >= 0);
    CU_ASSERT_EQUAL(counter(&l, "work", SHMBUS_COUNT_dead_lettered), USABLE);
    CU_ASSERT_EQUAL(counter(&l, "dead", SHMBUS_COUNT_dropped), 0);
    for (uint64_t i = 1; i <= USABLE; i++)
        CU_ASSERT_NOT_EQUAL(t_get(l.dead), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(l.dead), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(l.work), UINT64_MAX);
    CU_ASSERT_EQUAL(t_free_and_hinted(l.bus), BLOCKS);
    t_bus_end(l.bus, l.name);
}

T_TEST(letters, count_their_deliveries_on_whoever_handles_them)
{
    struct letters l;
    struct shmbus_msg msg = {0};
    letters_make(&l, 0, 3);
    refuse(&l, 5, 3);
    for (uint32_t i = 3; i < 6; i++) { /* set aside is no delivery; given back is one */
        CU_ASSERT_EQUAL(t_take(l.dead, &msg), 5);
        CU_ASSERT_EQUAL(msg.delivery_count, i);
        T_OK(shmbus_requeue(&msg));
        CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").dead_letters, 1);
    }
    CU_ASSERT_EQUAL(counter(&l, "work", SHMBUS_COUNT_dead_lettered), 1);
    CU_ASSERT_EQUAL(t_take(l.dead, &msg), 5);
    T_OK(shmbus_forward(&msg, l.work, 0)); /* once more from the beginning */
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").dead_letters, 0);
    CU_ASSERT_EQUAL(t_channel_stat(l.bus, "work").depth, 1);
    CU_ASSERT_EQUAL(t_take(l.work, &msg), 5);
    CU_ASSERT_EQUAL(msg.delivery_count, 1);
    T_OK(shmbus_release(&msg));
    t_bus_end(l.bus, l.name);
}

/* Everybody who could move it is dead: it is received from where it is. */
T_TEST(letters, of_the_dead_wait_for_whoever_comes_first)
{
    for (int mover = 0; mover < 2; mover++) {
        struct letters l;
        struct shmbus_msg msg = {0};
        letters_make(&l, 0, 1);
        for (uint32_t i = 0; i < 3; i++) {
            struct t_corpse d = t_corpse(l.bus);
            struct shmbus_channel *from = i == 0 ? l.work : l.dead;
            if (i == 0)
                t_put(l.work, 5);
            CU_ASSERT_EQUAL(t_take(from, &msg), 5);
            CU_ASSERT_EQUAL(msg.delivery_count, i == 0 ? 1 : i);
            struct sb_block *b = sb_block_at(&l.bus->view.blocks, sb_msg_number(&msg));
            sb_store_release(&b->hdr, (msg.opaque_[0] & ~0x3fffull) | d.owner);
            CU_ASSERT_EQUAL(shmbus_reclaim(l.bus), 1);
            CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").dead_letters, 1);
            if (mover)
                CU_ASSERT_EQUAL(t_get(l.work), UINT64_MAX);
            CU_ASSERT_EQUAL(t_channel_stat(l.bus, "dead").depth, mover && i == 0);
            CU_ASSERT_EQUAL(counter(&l, "work", SHMBUS_COUNT_dead_lettered), 1);
        }
        CU_ASSERT_EQUAL(t_take(l.dead, &msg), 5);
        CU_ASSERT_EQUAL(msg.delivery_count, 3);
        T_OK(shmbus_release(&msg));
        CU_ASSERT_EQUAL(t_free_and_hinted(l.bus), BLOCKS);
        t_bus_end(l.bus, l.name);
    }
}

/* What is peeked at says what its receiver will be told. */
static bool is_third(void *context, const struct shmbus_msg *msg)
{
    *(int *)context += 1;
    CU_ASSERT_EQUAL(msg->delivery_count, 3);
    return true;
}

T_TEST(letters, are_shown_with_the_count_that_their_receiver_is_told)
{
    struct letters l;
    int shown = 0;
    letters_make(&l, 0, 3);
    refuse(&l, 5, 3);
    CU_ASSERT_EQUAL(shmbus_peek(l.bus, "dead", 8, is_third, &shown), 1);
    CU_ASSERT_EQUAL(shown, 1);
    t_bus_end(l.bus, l.name);
}

static struct shmbus *lane_bus(enum shmbus_on_full on_full, char name[SHMBUS_NAME_BYTES])
{
    struct shmbus_plan *plan = t_plan(64, 64, BLOCKS);
    t_plan_queue(plan, "work", 8, SHMBUS_FULL_BLOCK, 1, "work.dead");
    t_plan_queue(plan, "work.dead", 8, on_full, 0, NULL);
    plan->channels[0].order = SHMBUS_ORDER_PRODUCER;
    plan->channels[0].message_bytes = 8;
    plan->channels[0].producers = 2;
    return t_bus_new(plan, name);
}

T_TEST(letters, in_cells_never_stop_their_producer)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = lane_bus(0, name);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "work.dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    for (uint64_t i = 0; i < 20; i++) {
        t_put(work, i);
        CU_ASSERT_EQUAL(t_take(work, &msg), i);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "work.dead").dead_letters, 8);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "work.dead").counters[SHMBUS_COUNT_dropped], 12);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "work").counters[SHMBUS_COUNT_dead_lettered], 20);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_TRUE(t_get(dead) >= 12);
    CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
    t_bus_end(bus, name);
}

T_TEST(letters, in_cells_that_are_to_be_kept_are_named_when_their_producer_stands_still)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = lane_bus(SHMBUS_FULL_BLOCK, name);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    for (uint64_t i = 0; i < 8; i++) {
        t_put(work, i);
        CU_ASSERT_EQUAL(t_take(work, &msg), i);
        T_OK(shmbus_requeue(&msg));
    }
    T_FAILS(t_send(work, 9, 10 * T_MS), -ETIMEDOUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "8 of 8 are dead letters of \"work.dead\""));
    CU_ASSERT_EQUAL(t_channel_stat(bus, "work.dead").counters[SHMBUS_COUNT_dropped], 0);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------ poison messages */

#define TASKS 32
#define POISON 5

/* Takes @batch at a time, notes what it has done, dies of one of them. */
static int poisoned_worker(const char *name, unsigned char *done, size_t batch)
{
    struct shmbus_msg msgs[16];
    struct shmbus *bus = t_attach(name);
    struct shmbus_channel *ch = t_open(bus, "work", SHMBUS_OPEN_RECV);
    int n;
    while ((n = shmbus_recv_batch(ch, msgs, batch, 500 * T_MS)) > 0) {
        for (int i = 0; i < n; i++) {
            uint64_t id = t_value(&msgs[i]);
            if (id == POISON)
                raise(SIGKILL);
            done[id]++;
            shmbus_release(&msgs[i]);
        }
    }
    shmbus_detach(bus);
    return 0;
}

/* Worker after worker; how many were started. */
static int supervise(const char *name, unsigned char *done, size_t batch, int at_most)
{
    int starts = 0, status = 0;
    do {
        pid_t pid = fork();
        if (pid == 0)
            _exit(poisoned_worker(name, done, batch));
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        starts++;
    } while (!WIFEXITED(status) && starts < at_most);
    return starts;
}

static unsigned char *poisoned_bus(char name[SHMBUS_NAME_BYTES], enum shmbus_order order,
                                   uint32_t max_deliveries, struct shmbus **ret_bus)
{
    struct shmbus_plan *plan = t_plan(64, 64, 64);
    t_plan_queue(plan, "work", 64, SHMBUS_FULL_BLOCK, max_deliveries,
                 max_deliveries ? "dead" : NULL);
    if (order == SHMBUS_ORDER_PRODUCER) {
        plan->channels[0].order = order;
        plan->channels[0].message_bytes = 8;
        plan->channels[0].producers = 2;
    }
    t_plan_queue(plan, "dead", 64, 0, 0, NULL);
    *ret_bus = t_bus_new(plan, name);
    struct shmbus_channel *work = t_open(*ret_bus, "work", SHMBUS_OPEN_SEND);
    for (uint64_t i = 0; i < TASKS; i++)
        t_put(work, i);
    return mmap(NULL, TASKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

T_TEST(letters, only_the_guilty_one_is_set_aside_when_workers_take_many_at_a_time)
{
    for (int order = SHMBUS_ORDER_TOTAL; order <= SHMBUS_ORDER_PRODUCER; order++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = NULL;
        struct shmbus_msg msg = {0};
        unsigned char *done = poisoned_bus(name, (enum shmbus_order)order, 3, &bus);
        supervise(name, done, 16, 20);
        struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
        CU_ASSERT_EQUAL(t_take(dead, &msg), POISON);
        CU_ASSERT_EQUAL(msg.delivery_count, 3);
        T_OK(shmbus_release(&msg));
        CU_ASSERT_EQUAL(t_get(dead), UINT64_MAX);
        for (int i = 0; i < TASKS; i++)
            CU_ASSERT_EQUAL(done[i] > 0, i != POISON);
        munmap(done, TASKS);
        t_bus_end(bus, name);
    }
}

/* How it lets the others by: test/process/test_poison.c. */
T_TEST(letters, without_a_limit_a_message_that_kills_keeps_coming_and_nothing_else_is_lost)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = NULL;
    struct shmbus_msg msg = {0};
    unsigned char *done = poisoned_bus(name, SHMBUS_ORDER_TOTAL, 0, &bus);
    supervise(name, done, 1, 5);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_RECV);
    T_OK(shmbus_reclaim(bus));
    while (shmbus_recv(work, &msg, 0) == 0) {
        if (t_value(&msg) == POISON)
            CU_ASSERT_TRUE(msg.delivery_count >= 2);
        done[t_value(&msg)]++;
        T_OK(shmbus_release(&msg));
    }
    for (int i = 0; i < TASKS; i++)
        CU_ASSERT_EQUAL(done[i], 1);
    munmap(done, TASKS);
    t_bus_end(bus, name);
}
