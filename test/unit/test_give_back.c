/* SPDX-License-Identifier: MIT */
/* A polite end: what a worker gives back without having done anything is no failed delivery. */
#include <string.h>

#include "fixture.h"

static const char plan_text[] =
    "blocks: [{ size: 64, count: 32 }]\n"
    "channels:\n"
    "  tasks: { depth: 4, max_deliveries: 3, dead_letter: dead }\n"
    "  lanes: { depth: 4, order: producer, max_deliveries: 3, dead_letter: dead }\n"
    "  ticks: { kind: stream, bytes: 4KiB }\n";

static struct shmbus *bus_make(char name[SHMBUS_NAME_BYTES])
{
    struct shmbus_plan *plan = NULL;

    T_OK_FATAL(shmbus_plan_parse(plan_text, sizeof plan_text - 1, "plan", &plan));
    return t_bus_new(plan, name);
}

/* A deploy in the middle of a long task, again and again; nothing is wrong with the task. */
static void restart_politely(struct shmbus *bus, const char *queue)
{
    struct shmbus_channel *tx = t_open(bus, queue, SHMBUS_OPEN_SEND);
    struct shmbus_msg msg = {0};

    t_put(tx, 1);
    t_put(tx, 2);
    for (int deploy = 0; deploy < 5; deploy++) {
        struct shmbus_channel *rx = t_open(bus, queue, SHMBUS_OPEN_RECV);
        CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
        CU_ASSERT_EQUAL(msg.delivery_count, 1);
        T_OK(shmbus_give_back(&msg));
        T_FAILS(shmbus_give_back(&msg), -SHMBUS_ERR_STALE);
        shmbus_channel_close(rx);
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "dead").dead_letters, 0);
    shmbus_channel_close(tx);
}

/* Given back as failed it counts, and a polite restart in between takes nothing of that away. */
static void fail_and_restart(struct shmbus *bus, const char *queue)
{
    struct shmbus_channel *rx = t_open(bus, queue, SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};

    for (uint32_t failed = 1; failed <= 3; failed++) {
        for (int polite = 0; polite < 2; polite++) {
            CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
            CU_ASSERT_EQUAL(msg.delivery_count, failed);
            T_OK(shmbus_give_back(&msg));
        }
        CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(t_get(rx), 2);
    CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
    CU_ASSERT_EQUAL(t_take(dead, &msg), 1);
    T_OK(shmbus_give_back(&msg)); /* a dead letter stays one */
    CU_ASSERT_EQUAL(t_get(rx), UINT64_MAX);
    CU_ASSERT_EQUAL(t_get(dead), 1);
    shmbus_channel_close(rx);
    shmbus_channel_close(dead);
}

T_TEST(give_back, a_worker_that_restarts_politely_makes_no_dead_letter)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);

    restart_politely(bus, "tasks");
    fail_and_restart(bus, "tasks");
    restart_politely(bus, "lanes");
    fail_and_restart(bus, "lanes");
    t_bus_end(bus, name);
}

T_TEST(give_back, what_cannot_come_again_cannot_be_given_back)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_make(name);
    struct shmbus_channel *tx = t_open(bus, "ticks", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "ticks", SHMBUS_OPEN_RECV);
    struct shmbus_channel *q = t_open(bus, "tasks", SHMBUS_OPEN_SEND);
    struct shmbus_msg msg = {0};

    t_put(tx, 1);
    CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
    T_FAILS(shmbus_give_back(&msg), -SHMBUS_ERR_KIND);
    T_OK(shmbus_release(&msg));
    T_FAILS(shmbus_give_back(&msg), -SHMBUS_ERR_STALE);
    T_OK(shmbus_reserve(q, 8, &msg, 0));
    T_FAILS(shmbus_give_back(&msg), -SHMBUS_ERR_KIND);
    T_OK(shmbus_abort(&msg));
    T_FAILS(shmbus_give_back(NULL), -EINVAL);
    t_bus_end(bus, name);
}

/* Three deploys that only close, or detach. */
static void restart_with(const char *name, struct shmbus *bus, const char *queue, unsigned flag,
                         bool detaches)
{
    struct shmbus_channel *tx = t_open(bus, queue, SHMBUS_OPEN_SEND);
    struct shmbus_msg msg = {0}, second = {0};

    t_put(tx, 1);
    t_put(tx, 2);
    for (uint32_t deploy = 0; deploy < 2; deploy++) {
        struct shmbus *worker = t_attach(name);
        struct shmbus_channel *rx = t_open(worker, queue, SHMBUS_OPEN_RECV | flag);
        uint32_t count = flag != 0 ? 1 : deploy + 1;
        CU_ASSERT_EQUAL(t_take(rx, &msg), 1);
        CU_ASSERT_EQUAL(t_take(rx, &second), 2);
        CU_ASSERT_EQUAL(msg.delivery_count, count);
        CU_ASSERT_EQUAL(second.delivery_count, count);
        if (!detaches) {
            shmbus_channel_close(rx);
        }
        shmbus_detach(worker);
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, queue).redeliverable, 2);
    shmbus_channel_close(tx);
}

T_TEST(give_back, a_close_counts_unless_the_handle_was_opened_not_to)
{
    static const char *const queues[] = {"tasks", "lanes"};

    for (size_t i = 0; i < 2; i++) {
        for (unsigned how = 0; how < 4; how++) {
            char name[SHMBUS_NAME_BYTES];
            struct shmbus *bus = bus_make(name);
            restart_with(name, bus, queues[i], how % 2 == 0 ? SHMBUS_OPEN_GIVE_BACK : 0,
                         how / 2 == 1);
            t_bus_end(bus, name);
        }
    }
}
