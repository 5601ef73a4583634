/* SPDX-License-Identifier: MIT */
/*
 * Who is short of something is told who has it; who stands still is found, and nobody else.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"

struct sought {
    const char *text;
    int found;
    char last[640];
};

static bool seek(void *context, enum shmbus_severity severity, const char *what, const char *cure)
{
    struct sought *sought = context;
    (void)severity;
    (void)cure;
    if (strstr(what, sought->text) != NULL) {
        sought->found++;
        snprintf(sought->last, sizeof sought->last, "%s", what);
    }
    return true;
}

/* How many findings contain @text; the last of them whole. */
static struct sought findings(struct shmbus *bus, const char *text)
{
    struct sought sought = {.text = text};
    CU_ASSERT_TRUE(shmbus_check(bus, seek, &sought) >= 0);
    return sought;
}

static void has_finding(struct shmbus *bus, const char *text)
{
    struct sought sought = findings(bus, text);
    CU_ASSERT_EQUAL(sought.found, 1);
    if (sought.found != 1)
        printf("no finding: %s\n", text);
}

T_TEST(census, a_send_without_a_block_names_the_forgotten_queues)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan_alone(64, 64, 8);
    t_plan_queue(plan, "logs", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "audit", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "work", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *logs = t_open(bus, "logs", SHMBUS_OPEN_SEND);
    struct shmbus_channel *audit = t_open(bus, "audit", SHMBUS_OPEN_SEND);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND);
    for (uint64_t i = 0; i < 6; i++) /* all that are common, and its own */
        t_put(logs, i);
    t_put(audit, 6);
    t_put(work, 0);
    T_FAILS(t_send(work, 1, 120 * T_MS), -SHMBUS_ERR_NO_BLOCKS);
    CU_ASSERT_STRING_EQUAL(shmbus_detail(),
                           "queue \"work\": no free block for 8 bytes within the timeout: 5 of 6 "
                           "wait in \"logs\", 1 waits in \"work\"");
    has_finding(bus, "none of the 8 blocks of 64 bytes is free, of the common ones 5 of 5 wait in "
                     "\"logs\"");
    t_bus_end(bus, name);
}

T_TEST(census, a_send_without_a_block_names_dead_letters_holders_and_stocks)
{
    char name[SHMBUS_NAME_BYTES], expected[400];
    struct shmbus_plan *plan = t_plan_alone(64, 64, 8);
    struct shmbus_msg msg, kept;
    t_plan_queue(plan, "work", 8, SHMBUS_FULL_BLOCK, 1, "work.dead");
    t_plan_queue(plan, "work.dead", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *work = t_open(bus, "work", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 5; i++) { /* one finds no place in work.dead */
        t_put(work, i);
        CU_ASSERT_EQUAL(t_take(work, &msg), i);
        T_OK(shmbus_requeue(&msg));
    }
    t_put(work, 7);
    CU_ASSERT_EQUAL(t_take(work, &msg), 7);
    T_OK(shmbus_reserve(work, 8, &kept, 0));
    T_FAILS(t_send(work, 1, 0), -SHMBUS_ERR_NO_BLOCKS);
    snprintf(expected, sizeof expected,
             "queue \"work\": no free block for 8 bytes: 5 of 7 are dead letters of \"work.dead\", "
             "2 are held by shmbus-test (pid %d, slot %d)",
             (int)getpid(), shmbus_slot(bus));
    CU_ASSERT_STRING_EQUAL(shmbus_detail(), expected);
    /* As if it were in a container: its number means somebody else here. */
    struct sb_proc *me = &bus->view.processes[shmbus_slot(bus)];
    sb_store_relaxed(&me->pid_namespace, sb_load_relaxed(&me->pid_namespace) + 1);
    T_FAILS(t_send(work, 1, 110 * T_MS), -SHMBUS_ERR_NO_BLOCKS); /* looked at anew by then */
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "of another pid namespace, slot "));
    t_bus_end(bus, name);
}

T_TEST(census, a_lane_that_stays_full_says_of_what)
{
    char name[SHMBUS_NAME_BYTES], expected[400];
    struct shmbus_plan *plan = t_plan_alone(64, 64, 8);
    struct shmbus_msg msg[8];
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    plan->channels[0].order = SHMBUS_ORDER_PRODUCER;
    plan->channels[0].message_bytes = 8;
    plan->channels[0].producers = 2;
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 4; i++) {
        t_put(q, i);
        CU_ASSERT_EQUAL(t_take(q, &msg[i]), i);
    }
    T_FAILS(t_send(q, 9, 10 * T_MS), -ETIMEDOUT);
    snprintf(expected, sizeof expected, "4 of 4 are held by shmbus-test (pid %d, slot %d)",
             (int)getpid(), shmbus_slot(bus));
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), expected));
    has_finding(bus, "is full, but not of what waits: of its cells 4 of 4 are held by");
    t_bus_end(bus, name);
}

/* The oldest dead letter gives way to a producer, so nobody waits. */
T_TEST(census, a_lane_full_of_dead_letters_that_give_way_is_no_finding)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan_alone(64, 64, 8);
    struct shmbus_msg msg;
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, 1, "q.dead");
    plan->channels[0].order = SHMBUS_ORDER_PRODUCER;
    plan->channels[0].message_bytes = 8;
    plan->channels[0].producers = 2;
    t_plan_queue(plan, "q.dead", 4, 0, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    for (uint64_t i = 0; i < 4; i++) {
        t_put(q, i);
        CU_ASSERT_EQUAL(t_take(q, &msg), i);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(findings(bus, "not of what waits").found, 0);
    T_OK(t_send(q, 9, 0));
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------------- standstill */

/* Takes a message of @from, says so, waits for the word, sends into @to, forever. */
static pid_t start_server(const char *bus_name, const char *from, const char *to, int ready, int go)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct shmbus *bus = t_attach(bus_name);
    struct shmbus_channel *in = t_open(bus, from, SHMBUS_OPEN_RECV);
    struct shmbus_channel *out = t_open(bus, to, SHMBUS_OPEN_SEND);
    struct shmbus_msg msg;
    char c = 0;
    shmbus_recv(in, &msg, SHMBUS_WAIT_FOREVER);
    if (write(ready, "x", 1) == 1 && read(go, &c, 1) == 1)
        t_send(out, 1, SHMBUS_WAIT_FOREVER);
    _exit(0);
}

/* Within 20 s; -1: never. */
static int wait_for_finding(struct shmbus *bus, const char *text, struct sought *ret)
{
    int64_t end = sb_now_ns() + 20 * T_S;
    do {
        *ret = findings(bus, text);
        if (ret->found > 0)
            return ret->found;
        usleep(1000); /* looked at again, not relied on */
    } while (sb_now_ns() < end);
    return -1;
}

static int asleep_for_room(struct shmbus *bus, uint32_t channel)
{
    const struct sb_channel_view *ch = &bus->view.channels[channel];
    int n = 0;
    for (uint32_t i = 0; i < ch->endpoint_count; i++)
        n += sb_load_relaxed(&ch->endpoints[i].waits) == SB_WAITS_ROOM;
    return n;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

T_TEST_TIMEOUT(standstill, two_queues_served_crosswise_are_named_and_who_can_go_on_is_not, 120)
{
    char name[SHMBUS_NAME_BYTES], c;
    int ready[2], go[2];
    struct sought sought;
    struct shmbus_plan *plan = t_plan_alone(64, 64, 16);
    t_plan_queue(plan, "a", 1, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "b", 1, SHMBUS_FULL_BLOCK, 0, NULL);
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    CU_ASSERT_EQUAL_FATAL(pipe(ready) + pipe(go), 0);
    pid_t one = start_server(name, "a", "b", ready[1], go[0]);
    pid_t other = start_server(name, "b", "a", ready[1], go[0]);
    struct shmbus *bus = t_attach(name);
    struct shmbus_channel *a = t_open(bus, "a", SHMBUS_OPEN_SEND);
    struct shmbus_channel *b = t_open(bus, "b", SHMBUS_OPEN_SEND);
    T_OK(t_send(a, 1, 20 * T_S));
    T_OK(t_send(b, 1, 20 * T_S));
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(read(ready[0], &c, 1), 1);
    T_OK(t_send(a, 2, 20 * T_S)); /* both full, both in one hand */
    T_OK(t_send(b, 2, 20 * T_S));
    CU_ASSERT_EQUAL(write(go[1], "x", 1), 1); /* one of them waits: the other can still go on */
    while (asleep_for_room(bus, a->index) + asleep_for_room(bus, b->index) < 1)
        usleep(1000); /* looked at again, not relied on */
    CU_ASSERT_EQUAL(findings(bus, "living process").found, 0);
    CU_ASSERT_EQUAL(write(go[1], "x", 1), 1);
    CU_ASSERT_EQUAL(wait_for_finding(bus, "2 living processes wait for each other", &sought), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(sought.last, "holds 1 of \"a\" and waits for room in \"b\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(sought.last, "holds 1 of \"b\" and waits for room in \"a\""));
    end(one);
    CU_ASSERT_TRUE(shmbus_reclaim(bus) >= 0);
    CU_ASSERT_EQUAL(findings(bus, "living process").found, 0);
    end(other);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    t_bus_end(bus, name);
}
