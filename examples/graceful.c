/* SPDX-License-Identifier: MIT */
/*
 * A program with three kinds of worker threads that stops gracefully, and loses nothing when it
 * cannot.
 *
 *   graceful [--bus NAME] [--threads N|per-cpu] [--tasks N] [--limit-ms MS] [--settings FILE]
 *
 * The kinds take from a queue each, and differ in what a stop means to them:
 *   data      short work: what is in hand is finished
 *   request   somebody waits for it: what is in hand is finished
 *   job       long, in five steps that may be done again: given back between two steps
 * A fourth thread prints numbers every 3 s; it stops last, when the others are done.
 *
 * SIGTERM, SIGINT or SIGUSR2: nothing more is taken, what is in hand is finished within the limit
 * (10 s), the totals are printed. What is in the queues stays there for the next run, and so does
 * what was given back. What is not finished at the limit is given back and counted as cut off; if a
 * thread does not even get there, the process ends without it, and what it held is delivered again
 * like the messages of any dead process. A second signal changes nothing.
 * SIGHUP: the settings are read again; if they are wrong it says so in one line and keeps the old.
 *
 * Exit 0: all ended in time; 1: failed; 2: wrong usage; 3: something was cut off.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "stop.h"

#define MS ((int64_t)1000000)
#define BEAT_NS (1000 * MS)
#define REPORT_NS (3000 * MS)

enum { KINDS = 3, THREADS_MAX = 64, WORK_MS_MAX = 3600000, TASKS_MAX = 1000000 };
enum { CUT_OFF = PROGRAM_INTERRUPTED };

struct kind {
    const char *name, *setting;
    int steps;     /* of one task; each counts as one done */
    bool finishes; /* the task in hand, when asked to stop; else it stops between two steps */
};

static const struct kind kinds[KINDS] = {
    {"data", "data_ms", 1, true}, {"request", "request_ms", 1, true}, {"job", "step_ms", 5, false}};

struct thread {
    pthread_t id;
    int kind;
    struct program *program;
    struct stop node;
    struct shmbus_channel *queue;
    int64_t noticed_ns; /* that it is to stop */
};

struct program {
    const char *bus_name, *settings;
    long threads, tasks, limit_ms;
    struct shmbus *bus;
    struct stop all, workers; /* the tree: all, workers, each thread; all, numbers */
    struct thread *pool;
    size_t pool_size;
    pthread_t numbers;
    atomic_long work_ms[KINDS]; /* of one step */
    atomic_ulong done[KINDS];   /* steps */
    atomic_uint cut_off, failed;
};

static void usage(FILE *to)
{
    fprintf(to,
            "usage: graceful [OPTION]...\n"
            "Takes tasks from the queues data, request and job until it is told to stop.\n"
            "  --bus NAME       the bus (graceful); made if it is not there\n"
            "  --threads N      of each kind (1), or per-cpu\n"
            "  --tasks N        sends so many into each queue first (0)\n"
            "  --limit-ms MS    for the end (10000)\n"
            "  --settings FILE  lines `data_ms: MS`, `request_ms: MS`, `step_ms: MS` (500, 800,\n"
            "                   400), read at the start and on SIGHUP\n"
            "  --help           this text\n"
            "Exit: 0 ended in time, 1 failed, 2 wrong usage, 3 something was cut off.\n");
}

/* ------------------------------------------------------------------------------------ settings */

/* False, and everything as before, when the file is not right. */
static bool read_settings(struct program *p)
{
    long work_ms[KINDS];
    char line[128], name[32], rest[2];
    FILE *file;

    if (p->settings == NULL)
        return true;
    if ((file = fopen(p->settings, "re")) == NULL) {
        program_fail(0, "%s: %s", p->settings, strerror(errno));
        return false;
    }
    for (int i = 0; i < KINDS; i++)
        work_ms[i] = p->work_ms[i];
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        int i = 0;
        long ms = -1;
        int fields = sscanf(line, " %31[a-z_]: %9ld %1s", name, &ms, rest);

        while (i < KINDS && (fields < 1 || strcmp(kinds[i].setting, name) != 0))
            i++;
        if (fields != 2 || i == KINDS || ms < 0 || ms > WORK_MS_MAX) {
            program_fail(0,
                         "%s:%d: expected data_ms, request_ms or step_ms, and a number from 0 to "
                         "%d; the old settings stay",
                         p->settings, number, WORK_MS_MAX);
            fclose(file);
            return false;
        }
        work_ms[i] = ms;
    }
    fclose(file);
    for (int i = 0; i < KINDS; i++)
        p->work_ms[i] = work_ms[i];
    program_log("settings: data_ms %ld, request_ms %ld, step_ms %ld", work_ms[0], work_ms[1],
                work_ms[2]);
    return true;
}

/* ------------------------------------------------------------------------------------- workers */

/* Stands for the work; it says from time to time that it is at it. False: not done. */
static bool work(struct thread *t)
{
    int64_t left_ns = t->program->work_ms[t->kind] * MS;

    while (left_ns > 0) {
        int64_t slice_ns = left_ns < BEAT_NS ? left_ns : BEAT_NS;

        if (!stop_finish(&t->node, slice_ns))
            return false; /* the limit is reached */
        left_ns -= slice_ns;
        shmbus_heartbeat(t->program->bus);
    }
    t->program->done[t->kind]++;
    return true;
}

static int do_task(struct thread *t, struct shmbus_msg *msg)
{
    for (int step = 0; step < kinds[t->kind].steps; step++) {
        if (!kinds[t->kind].finishes && stop_asked(&t->node))
            return stop_give_back(&t->node, msg);
        if (!work(t)) {
            t->program->cut_off++;
            return stop_give_back(&t->node, msg);
        }
    }
    return shmbus_release(msg);
}

static int serve(struct thread *t)
{
    struct shmbus_msg msg;
    int result;

    for (;;) {
        result = stop_recv(&t->node, t->queue, &msg, SHMBUS_WAIT_FOREVER);
        if (result == 0)
            result = do_task(t, &msg);
        if (result == -ECANCELED || result == -SHMBUS_ERR_SHUTDOWN)
            return 0;
        if (result < 0 && !shmbus_error_is_retryable(result))
            return result;
    }
}

/* Its handle is closed with the thread, whatever way that ends. */
static void *worker(void *context)
{
    struct thread *t = context;
    struct program *p = t->program;
    int result = shmbus_channel_open(p->bus, kinds[t->kind].name,
                                     SHMBUS_OPEN_RECV | SHMBUS_OPEN_THREAD, NULL, &t->queue);

    if (result == 0)
        result = serve(t);
    t->noticed_ns = program_now_ns();
    if (result < 0) {
        program_fail(result, "a worker for %s cannot go on", kinds[t->kind].name);
        p->failed++;
        kill(getpid(), SIGTERM);
    }
    return NULL;
}

static unsigned long total(const struct program *p)
{
    unsigned long sum = 0;

    for (int i = 0; i < KINDS; i++)
        sum += p->done[i];
    return sum;
}

static void *numbers(void *context)
{
    struct program *p = context;
    unsigned long before = 0, now;

    while (stop_pause(&p->all, REPORT_NS)) {
        now = total(p);
        program_log("done: %lu, %lu in the last 3 s", now, now - before);
        before = now;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- start and end */

static int send_tasks(struct program *p)
{
    for (int kind = 0; kind < KINDS && p->tasks > 0; kind++) {
        struct shmbus_channel *queue;
        int result = shmbus_channel_open(p->bus, kinds[kind].name, SHMBUS_OPEN_SEND, NULL, &queue);

        for (long i = 0; i < p->tasks && result == 0; i++)
            result = shmbus_send(queue, &i, sizeof i, 0);
        if (result < 0)
            return program_fail(result, "cannot send tasks for %s", kinds[kind].name);
        shmbus_channel_close(queue);
    }
    return PROGRAM_OK;
}

static int start(struct program *p)
{
    int result = shmbus_attach(p->bus_name, NULL, &p->bus);

    if (result < 0)
        return program_fail(result, "cannot attach to bus '%s'", p->bus_name);
    if (send_tasks(p) != PROGRAM_OK)
        return PROGRAM_FAILED;
    p->pool_size = (size_t)p->threads * KINDS;
    p->pool = calloc(p->pool_size, sizeof *p->pool);
    if (p->pool == NULL || stop_init(&p->all, NULL, NULL) < 0 ||
        stop_init(&p->workers, &p->all, p->bus) < 0)
        return program_fail(0, "not enough memory or descriptors");
    for (size_t i = 0; i < p->pool_size; i++) {
        struct thread *t = &p->pool[i];

        *t = (struct thread){.kind = (int)(i % KINDS), .program = p};
        if (stop_init(&t->node, &p->workers, NULL) < 0 ||
            pthread_create(&t->id, NULL, worker, t) != 0)
            return program_fail(0, "cannot start a thread");
    }
    if (pthread_create(&p->numbers, NULL, numbers, p) != 0)
        return program_fail(0, "cannot start a thread");
    program_log("started (pid %d): %ld of each kind", (int)getpid(), p->threads);
    return PROGRAM_OK;
}

/* SIGTERM, SIGINT, SIGUSR2; all threads have them blocked, and this one waits for them. */
static void wait_for_stop(struct program *p, const sigset_t *signals)
{
    int number;

    while (sigwait(signals, &number) == 0 && number == SIGHUP)
        read_settings(p); /* if they are wrong, it has said so and keeps the old ones */
}

static void say_totals(struct program *p)
{
    unsigned given_back = 0;
    int64_t last_ns = 0;

    for (size_t i = 0; i < p->pool_size; i++) {
        given_back += p->pool[i].node.given_back;
        if (p->pool[i].noticed_ns > last_ns)
            last_ns = p->pool[i].noticed_ns;
    }
    program_log("asked to stop at %" PRId64 ", the last worker had ended %.3f ms later",
                stop_since_ns(&p->workers),
                last_ns == 0 ? 0.0 : (double)(last_ns - stop_since_ns(&p->workers)) / 1e6);
    program_log("total %lu: data %lu, request %lu, job steps %lu; given back %u, cut off %u",
                total(p), (unsigned long)p->done[0], (unsigned long)p->done[1],
                (unsigned long)p->done[2], given_back, (unsigned)p->cut_off);
}

static int stop(struct program *p)
{
    pthread_t ids[THREADS_MAX * KINDS];
    size_t stuck;

    stop_ask(&p->workers, p->limit_ms * MS);
    program_log("stops: nothing more is taken, %ld ms for what is in hand", p->limit_ms);
    for (size_t i = 0; i < p->pool_size; i++)
        ids[i] = p->pool[i].id;
    stuck = stop_join(&p->workers, ids, p->pool_size);
    p->cut_off += (unsigned)stuck;
    stop_ask(&p->all, p->limit_ms * MS);
    stuck += stop_join(&p->all, &p->numbers, 1);
    say_totals(p);
    if (stuck > 0) { /* the threads use the bus still: they end with the process */
        fflush(stdout);
        _exit(CUT_OFF);
    }
    for (size_t i = 0; i < p->pool_size; i++)
        stop_free(&p->pool[i].node);
    stop_free(&p->workers);
    stop_free(&p->all);
    free(p->pool);
    return p->failed > 0 ? PROGRAM_FAILED : p->cut_off > 0 ? CUT_OFF : PROGRAM_OK;
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct program *p)
{
    static const struct option options[] = {
        {"bus", required_argument, NULL, 'b'},
        {"threads", required_argument, NULL, 't'},
        {"tasks", required_argument, NULL, 'n'},
        {"limit-ms", required_argument, NULL, 'l'},
        {"settings", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool good = true;
    int option;

    while (good && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            p->bus_name = optarg;
            break;
        case 's':
            p->settings = optarg;
            break;
        case 't':
            p->threads = sysconf(_SC_NPROCESSORS_ONLN);
            p->threads = p->threads > THREADS_MAX ? THREADS_MAX : p->threads;
            good = strcmp(optarg, "per-cpu") == 0 ||
                   program_number("threads", optarg, 1, THREADS_MAX, &p->threads);
            break;
        case 'n':
            good = program_number("tasks", optarg, 0, TASKS_MAX, &p->tasks);
            break;
        case 'l':
            good = program_number("limit-ms", optarg, 0, WORK_MS_MAX, &p->limit_ms);
            break;
        case 'h':
            usage(stdout);
            return PROGRAM_OK;
        default:
            usage(stderr);
            return PROGRAM_USAGE;
        }
    }
    if (good && optind == argc)
        return -1;
    if (good)
        fprintf(stderr, "graceful: unexpected argument '%s'\n", argv[optind]);
    return PROGRAM_USAGE;
}

int main(int argc, char **argv)
{
    static struct program p = {
        .bus_name = "graceful", .threads = 1, .limit_ms = 10000, .work_ms = {500, 800, 400}};
    sigset_t signals;
    int status;

    program_set_name("graceful");
    status = parse(argc, argv, &p);
    if (status >= 0)
        return status;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR2);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: they inherit it */
    if (!read_settings(&p))
        return PROGRAM_USAGE;
    if (start(&p) != PROGRAM_OK)
        return PROGRAM_FAILED;
    wait_for_stop(&p, &signals);
    status = stop(&p);
    shmbus_detach(p.bus);
    return status;
}
