/* SPDX-License-Identifier: MIT */
/*
 * The recipe for effects that happen exactly once (doc/guarantees.md): a log written by processes
 * that are killed anywhere, one after the other, has each line once.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define PRODUCERS 3
#define LINES 300 /* of each */
#define BATCH 16

struct log {
    char name[SHMBUS_NAME_BYTES];
    char file[256];
    enum shmbus_order order;
    unsigned steps; /* the writer lives for so many; 0: until everything is written */
    struct t_gate started;
};

static int producer(void *argument)
{
    struct log *log = argument;
    uint64_t id = t_gate_count(&log->started);
    struct shmbus *bus = t_attach(log->name);
    struct shmbus_channel *ch = t_open(bus, "log", SHMBUS_OPEN_SEND);
    t_gate_post(&log->started);
    for (uint64_t i = 0; i < LINES; i++) {
        uint64_t number = id * LINES + i;
        T_OK(t_send_as(ch, SHMBUS_TYPE_USER, number, &number, sizeof number, T_S * 60));
    }
    shmbus_detach(bus);
    return 0;
}

/* ------------------------------------------------------------------------------------- a writer */

struct writer {
    struct log *log;
    int fd;
    bool recorded[PRODUCERS * LINES];
    unsigned steps;
};

/* Anything may be the last thing that it does. */
static void step(struct writer *w)
{
    if (w->log->steps > 0 && ++w->steps == w->log->steps)
        raise(SIGKILL);
}

/* What is recorded; half a line at the end is taken away. */
static void read_record(struct writer *w)
{
    FILE *in = fopen(w->log->file, "r");
    char line[64];
    long good = 0;
    while (in != NULL && fgets(line, sizeof line, in) != NULL && strchr(line, '\n') != NULL) {
        w->recorded[strtoul(line, NULL, 10)] = true;
        good = ftell(in);
    }
    if (in != NULL)
        fclose(in);
    w->fd = open(w->log->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(ftruncate(w->fd, good), 0);
}

/* The effect and its record are one thing here: a line. It may be cut short by the death. */
static void write_line(struct writer *w, uint64_t number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%llu end\n", (unsigned long long)number);
    CU_ASSERT_EQUAL(write(w->fd, line, 3), 3);
    step(w);
    CU_ASSERT_EQUAL(write(w->fd, line + 3, (size_t)n - 3), n - 3);
    step(w);
}

static void handle(struct writer *w, const struct shmbus_msg *msg)
{
    /* The first delivery of a message: nobody has done it. Otherwise somebody may have. */
    if (msg->delivery_count > 1 && w->recorded[msg->correlation_id])
        return;
    w->recorded[msg->correlation_id] = true;
    write_line(w, msg->correlation_id);
}

static bool is_complete(const struct writer *w)
{
    for (int i = 0; i < PRODUCERS * LINES; i++) {
        if (!w->recorded[i])
            return false;
    }
    return true;
}

static int writer(void *argument)
{
    struct writer w = {.log = argument};
    struct shmbus_msg msgs[BATCH];
    struct shmbus *bus = t_attach(w.log->name);
    struct shmbus_channel *ch = t_open(bus, "log", SHMBUS_OPEN_RECV);
    int n;
    read_record(&w);
    while (!is_complete(&w) && (n = shmbus_recv_batch(ch, msgs, BATCH, 30 * T_S)) > 0) {
        step(&w);
        for (int i = 0; i < n; i++)
            handle(&w, &msgs[i]);
        step(&w);
        T_OK(shmbus_release_batch(msgs, (size_t)n));
    }
    shmbus_detach(bus);
    return 0;
}

/* ------------------------------------------------------------------------------------ the test */

static void check(struct log *log)
{
    unsigned char seen[PRODUCERS * LINES] = {0};
    FILE *in = fopen(log->file, "r");
    char line[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    while (fgets(line, sizeof line, in) != NULL) {
        CU_ASSERT_PTR_NOT_NULL(strstr(line, " end\n"));
        seen[strtoul(line, NULL, 10) % (PRODUCERS * LINES)]++;
    }
    fclose(in);
    for (int i = 0; i < PRODUCERS * LINES; i++)
        CU_ASSERT_EQUAL(seen[i], 1);
}

static void written_once(enum shmbus_order order)
{
    struct log *log = t_shared(sizeof *log);
    struct shmbus_plan *plan = t_plan(32, 64, 64);
    pid_t pids[PRODUCERS];
    t_plan_queue(plan, "log", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    if (order == SHMBUS_ORDER_PRODUCER) {
        plan->channels[0].order = order;
        plan->channels[0].message_bytes = 8;
        plan->channels[0].producers = PRODUCERS;
    }
    struct shmbus *bus = t_bus_new(plan, log->name);
    snprintf(log->file, sizeof log->file, "%s/log-%d", t_dir(), (int)order);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pids[i] = t_fork(producer, log);
        t_gate_wait(&log->started, i + 1);
    }
    for (int i = 0; i < 30; i++) { /* the early ones die of one message twice, too */
        log->steps = 1 + (unsigned)t_random_below(i % 2 ? 4 : 80);
        CU_ASSERT_EQUAL(t_wait_exit(t_fork(writer, log)), 128 + SIGKILL);
    }
    log->steps = 0;
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(writer, log)), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    check(log);
    t_bus_end(bus, log->name);
}

T_TEST(exactly_once, a_log_whose_writers_are_killed_anywhere_has_each_line_once)
{
    written_once(SHMBUS_ORDER_TOTAL);
    written_once(SHMBUS_ORDER_PRODUCER);
}
