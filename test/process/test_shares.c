/* SPDX-License-Identifier: MIT */
/*
 * No queue is stopped by what waits in another one, and who holds a message can send one on: in the
 * usual patterns with the built-in plan, beside forgotten queues and idle processes, and in random
 * topologies without a cycle. Every wait has an end here, so standing still is a failure.
 */
#include <signal.h>

#include "fixture.h"

#define LONG_NS (20 * T_S) /* nothing here takes that long, unless it stands still */
#define MESSAGES_MAX 2048u
#define ROLES_MAX 8u
#define SLOT_BYTES (1u << 20)

enum kind { SOURCE, SEND, RESERVE, FORWARD, SINK };

struct role {
    enum kind kind;
    char in[16], out[16];
    size_t bytes; /* of what it sends */
};

/* What the processes of one run share. */
struct run {
    char bus[SHMBUS_NAME_BYTES];
    uint32_t messages;
    uint32_t role_count;
    struct role roles[ROLES_MAX];
    struct t_gate over; /* all messages have come to the sink, or somebody failed */
    uint32_t failed;    /* role + 1 */
    int result;
    char detail[256];
    uint32_t seen_count;
    uint8_t seen[MESSAGES_MAX];
};

static struct run *run;

static int give_up(uint32_t role, int result)
{
    run->failed = role + 1;
    run->result = result;
    snprintf(run->detail, sizeof run->detail, "%s", shmbus_detail());
    t_gate_post(&run->over);
    return 0;
}

/* Sends message @id as it should be. */
static int pass(struct shmbus_channel *out, const struct role *role, struct shmbus_msg *msg,
                uint64_t id)
{
    static uint8_t data[SLOT_BYTES];
    struct shmbus_msg reserved;
    int r;

    switch (role->kind) {
    case FORWARD:
        return shmbus_forward(msg, out, LONG_NS);
    case RESERVE:
        r = shmbus_reserve(out, role->bytes, &reserved, LONG_NS);
        if (r < 0)
            return r;
        memcpy(reserved.data, &id, sizeof id);
        r = shmbus_commit(&reserved, LONG_NS);
        break;
    default:
        memcpy(data, &id, sizeof id);
        r = shmbus_send(out, data, role->bytes, LONG_NS);
    }
    return r < 0 || msg == NULL ? r : shmbus_release(msg);
}

static void note(const struct shmbus_msg *msg)
{
    uint64_t id;
    memcpy(&id, msg->data, sizeof id);
    run->seen_count += run->seen[id]++ == 0;
    if (run->seen_count == run->messages)
        t_gate_post(&run->over);
}

static int play(void *argument)
{
    uint32_t number = *(uint32_t *)argument;
    const struct role *role = &run->roles[number];
    struct shmbus *bus = t_attach(run->bus);
    struct shmbus_channel *in = NULL, *out = NULL;
    struct shmbus_msg msg;
    int r = 0;

    if (role->kind != SOURCE)
        in = t_open(bus, role->in, SHMBUS_OPEN_RECV);
    if (role->kind != SINK)
        out = t_open(bus, role->out, SHMBUS_OPEN_SEND);
    for (uint64_t i = 0; r == 0 && (role->kind != SOURCE || i < run->messages); i++) {
        uint64_t id = i;
        if (in != NULL) {
            r = shmbus_recv(in, &msg, SHMBUS_WAIT_FOREVER);
            if (r < 0)
                break;
            memcpy(&id, msg.data, sizeof id);
        }
        if (role->kind == SINK) {
            note(&msg);
            r = shmbus_release(&msg);
        } else {
            r = pass(out, role, in != NULL ? &msg : NULL, id);
        }
    }
    return r == 0 ? 0 : give_up(number, r);
}

static void add_role(enum kind kind, const char *in, const char *out, size_t bytes)
{
    struct role *role = &run->roles[run->role_count++];
    role->kind = kind;
    role->bytes = bytes;
    snprintf(role->in, sizeof role->in, "%s", in);
    snprintf(role->out, sizeof role->out, "%s", out);
}

static void new_run(uint32_t messages)
{
    if (run == NULL)
        run = t_shared(sizeof *run);
    memset(run, 0, sizeof *run);
    run->messages = messages;
}

/* Everybody plays; true when all messages came through. @kill: one of the workers is killed in the
 * middle of it, and another one takes its place. */
static bool all_come_through(bool kill)
{
    pid_t pids[ROLES_MAX];
    uint32_t numbers[ROLES_MAX];

    for (uint32_t i = 0; i < run->role_count; i++) {
        numbers[i] = i;
        pids[i] = t_fork(play, &numbers[i]);
    }
    for (uint32_t i = 0; kill && i < run->role_count; i++) {
        if (run->roles[i].kind != SOURCE && run->roles[i].kind != SINK) {
            t_kill_wait(pids[i], SIGKILL);
            pids[i] = t_fork(play, &numbers[i]);
            break;
        }
    }
    t_gate_wait(&run->over, 1);
    for (uint32_t i = 0; i < run->role_count; i++)
        t_kill_wait(pids[i], SIGKILL);
    if (run->failed != 0) {
        printf("%u of %u messages came; role %u: %d, %s\n", run->seen_count, run->messages,
               run->failed - 1, run->result, run->detail);
    }
    return run->failed == 0;
}

/* A coordinator, four workers that send the result before they release the task, a collector. */
static void pipeline(size_t bytes, uint32_t messages)
{
    new_run(messages);
    add_role(SOURCE, "", "tasks", bytes);
    for (int i = 0; i < 4; i++)
        add_role(SEND, "tasks", "results", bytes);
    add_role(SINK, "results", "", 0);
}

T_TEST(shares, workers_that_send_before_they_release_never_stand_still_with_the_built_in_plan)
{
    static const struct {
        size_t bytes;
        uint32_t messages;
    } sizes[] = {{5000, 600}, {1000, 2000}, {100000, 100}, {1 << 20, 60}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct shmbus *bus = NULL;
        pipeline(sizes[i].bytes, sizes[i].messages);
        t_bus_name(run->bus);
        T_OK_FATAL(shmbus_attach(run->bus, NULL, &bus));
        CU_ASSERT_TRUE(all_come_through(false));
        t_bus_end(bus, run->bus);
    }
}

/* The queue of the manual page: deeper than there are blocks. */
T_TEST(shares, a_queue_deeper_than_the_blocks_never_stops_the_next_stage)
{
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_new(0, &plan));
    t_plan_queue(plan, "tasks", 4096, SHMBUS_FULL_BLOCK, 0, NULL);
    pipeline(1000, 2000);
    struct shmbus *bus = t_bus_new(plan, run->bus);
    CU_ASSERT_TRUE(all_come_through(false));
    t_bus_end(bus, run->bus);
}

/* Sends messages of @bytes until there is no room. Returns how many. */
static uint32_t fill_up(struct shmbus *bus, const char *name, size_t bytes)
{
    static uint8_t data[SLOT_BYTES];
    struct shmbus_channel *ch = t_open(bus, name, SHMBUS_OPEN_SEND);
    uint32_t n = 0;
    while (shmbus_send(ch, data, bytes, 0) == 0)
        n++;
    shmbus_channel_close(ch);
    return n;
}

T_TEST(shares, forgotten_queues_stop_no_other_queue_whatever_the_size_of_messages)
{
    static const size_t sizes[] = {1, 64, 65, 1000, 4096, 4097, 65536, 65537, 1 << 20};
    static uint8_t data[SLOT_BYTES];
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = NULL;
    struct shmbus_msg msg;

    T_OK_FATAL(shmbus_attach(t_bus_name(name), NULL, &bus));
    for (size_t i = sizeof sizes / sizeof *sizes; i-- > 4;) { /* all blocks of 4 KiB and more */
        fill_up(bus, "logs", sizes[i]);
        fill_up(bus, "audit", sizes[i]);
    }
    CU_ASSERT_TRUE(t_channel_stat(bus, "audit").depth < 1024); /* it is not for want of places */
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(shmbus_channel_size_max(work), 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int round = 0; round < 3; round++) {
            T_OK(shmbus_send(work, data, sizes[i], 0));
            T_OK_FATAL(shmbus_recv(work, &msg, 0));
            CU_ASSERT_EQUAL(msg.size_bytes, sizes[i]);
            T_OK(shmbus_release(&msg));
        }
    }
    t_bus_end(bus, name);
}

static int keep_stocks(void *argument)
{
    struct shmbus *bus = t_attach(run->bus);
    for (unsigned i = 0; i < 4; i++) {
        struct shmbus_channel *ch = t_open(bus, (const char *[]){"a", "b", "c", "d"}[i],
                                           SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        for (uint64_t n = 0; n < 8; n++) {
            t_put(ch, n);
            t_get(ch);
        }
    }
    t_gate_post(argument);
    pause();
    return 0;
}

T_TEST(shares, an_idle_stopped_process_and_reservations_keep_no_queue_from_sending)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct shmbus_plan *plan = t_plan_alone(4, 256, 32);
    struct t_gate *ready = t_shared(sizeof *ready);
    struct shmbus_msg kept;
    new_run(0);
    for (int i = 0; i < 4; i++)
        t_plan_queue(plan, names[i], 64, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, run->bus);
    pid_t idle = t_fork(keep_stocks, ready);
    t_gate_wait(ready, 1);
    t_stop(idle);
    struct shmbus_channel *a = t_open(bus, "a", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    while (shmbus_reserve(a, 8, &kept, 0) == 0)
        ;
    for (int i = 1; i < 4; i++) {
        struct shmbus_channel *ch = t_open(bus, names[i], SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        for (uint64_t n = 0; n < 10; n++) {
            T_OK(t_send(ch, n, 0));
            CU_ASSERT_EQUAL(t_get(ch), n);
        }
    }
    t_kill_wait(idle, SIGKILL);
    t_bus_end(bus, run->bus);
}

/* Everything else lies in a forgotten queue, and nobody reads the dead letters. */
T_TEST(shares, what_was_set_aside_stops_neither_its_queue_nor_another_one)
{
    struct shmbus_plan *plan = t_plan_alone(4, 64, 8);
    struct shmbus_msg msg;
    new_run(0);
    t_plan_queue(plan, "q", 16, SHMBUS_FULL_BLOCK, 1, "aside");
    t_plan_queue(plan, "aside", 16, 0, 0, NULL);
    t_plan_queue(plan, "other", 16, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "lost", 16, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, run->bus);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *other = t_open(bus, "other", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(fill_up(bus, "lost", 8), 5);
    for (uint64_t i = 0; i < 20; i++) {
        T_OK(t_send(q, i, 0));
        CU_ASSERT_EQUAL_FATAL(t_take(q, &msg), i);
        T_OK(shmbus_requeue(&msg));
        T_OK(t_send(other, i, 0));
        CU_ASSERT_EQUAL(t_get(other), i);
    }
    CU_ASSERT_EQUAL(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_dead_lettered], 20);
    CU_ASSERT_EQUAL(t_channel_stat(bus, "aside").counters[SHMBUS_COUNT_dropped], 19);
    CU_ASSERT_EQUAL(t_get(t_open(bus, "aside", SHMBUS_OPEN_RECV)), 19);
    t_bus_end(bus, run->bus);
}

/* ---------------------------------------------------------------------------- random topologies */

/* Queues q0, q1, ... Who receives from one sends to a later one; the last one has the sink. One
 * more queue, which nobody reads, is full of everything. Returns the bus. */
static struct shmbus *random_topology(void)
{
    uint32_t queues = 2 + (uint32_t)t_random_below(3);
    uint64_t small = 1 + t_random_below(3), large = queues + 1 + t_random_below(3);
    struct shmbus_plan *plan = t_plan_alone(ROLES_MAX + 2, 64, small);
    bool fed[4] = {true};
    char name[16], last[16];

    new_run(20 + (uint32_t)t_random_below(30));
    T_OK_FATAL(t_add_blocks(plan, 256, large));
    t_plan_queue(plan, "lost", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    for (uint32_t q = 0; q < queues; q++) {
        snprintf(name, sizeof name, "q%u", q);
        t_plan_queue(plan, name, 1 + (uint32_t)t_random_below(8), SHMBUS_FULL_BLOCK, 0, NULL);
    }
    snprintf(last, sizeof last, "q%u", queues - 1);
    add_role(SOURCE, "", "q0", 8 + t_random_below(249));
    for (uint32_t q = 0; q + 1 < queues; q++) {
        for (uint32_t workers = 1 + (uint32_t)t_random_below(2); fed[q] && workers > 0; workers--) {
            uint32_t to = q + 1 + (uint32_t)t_random_below(queues - 1 - q);
            char in[16], out[16];
            snprintf(in, sizeof in, "q%u", q);
            snprintf(out, sizeof out, "q%u", to);
            fed[to] = true;
            add_role((enum kind)(SEND + t_random_below(3)), in, out, 8 + t_random_below(249));
        }
    }
    add_role(SINK, last, "", 0);
    return t_bus_new(plan, run->bus);
}

T_TEST(shares, random_topologies_without_a_cycle_never_stand_still)
{
    int64_t end = t_now_ns() + 12 * T_S;
    for (unsigned n = 0; n < 300 && t_now_ns() < end; n++) {
        struct shmbus *bus = random_topology();
        fill_up(bus, "lost", 256);
        fill_up(bus, "lost", 8);
        bool good = all_come_through(n % 3 == 2);
        t_bus_end(bus, run->bus);
        CU_ASSERT_TRUE(good);
        if (!good) {
            printf("topology %u:", n);
            for (uint32_t i = 0; i < run->role_count; i++) {
                const struct role *role = &run->roles[i];
                printf(" %s%s%s%s(%zu)", role->in, role->kind == FORWARD ? "=>" : "->", role->out,
                       role->kind == RESERVE ? "r" : "", role->bytes);
            }
            printf("\n");
            break;
        }
    }
}
