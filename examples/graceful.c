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
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "program.h"

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
    struct shmbus_stop *node;
    struct shmbus_channel *queue;
    int64_t noticed_ns; /* that it is to stop */
};

struct program {
    const char *bus_name, *settings;
    long threads, tasks, limit_ms;
    struct shmbus *bus;
    struct shmbus_stop *all, *workers; /* the tree: all, workers, each thread; all, numbers */
    struct thread *pool;
    size_t pool_size;
    struct thread numbers;
    atomic_long work_ms[KINDS]; /* of one step */
    atomic_ulong done[KINDS];   /* steps */
    atomic_uint failed;
    struct shmbus_drain_stat end;
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

/* False, and everything as before, when the file is not right: it has said so in one line. */
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

static void reread_settings(void *context)
{
    read_settings(context);
}

/* ------------------------------------------------------------------------------------- workers */

/* Stands for so much work, which a stop does not end, but its deadline does. False: not done. */
static bool work_for(struct thread *t, int64_t ns)
{
    int64_t left_ns = ns, limit_ns, begin_ns = program_now_ns();

    if (shmbus_stop_sleep(t->node, ns) == 0) {
        return true;
    }
    left_ns -= program_now_ns() - begin_ns;
    limit_ns = shmbus_stop_left_ns(t->node);
    program_sleep_ns(left_ns < limit_ns ? left_ns : limit_ns);
    return left_ns <= limit_ns;
}

/* One step of a task; it says from time to time that it is at it. False: not done. */
static bool work(struct thread *t)
{
    int64_t left_ns = t->program->work_ms[t->kind] * MS;

    while (left_ns > 0) {
        int64_t slice_ns = left_ns < BEAT_NS ? left_ns : BEAT_NS;

        if (!work_for(t, slice_ns))
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
        bool goes_on = kinds[t->kind].finishes || !shmbus_stop_asked(t->node);

        if (!goes_on || !work(t))
            return shmbus_stop_give_back(t->node, msg);
    }
    return shmbus_release(msg);
}

static int serve(struct thread *t)
{
    struct shmbus_msg msg;
    int result;

    for (;;) {
        result = shmbus_stop_recv(t->node, t->queue, &msg, SHMBUS_WAIT_FOREVER);
        if (result == 0)
            result = do_task(t, &msg);
        if (result == -ECANCELED || result == -SHMBUS_ERR_SHUTDOWN)
            return 0;
        if (result < 0 && !shmbus_error_is_retryable(result))
            return result;
    }
}

static int open_and_serve(struct thread *t)
{
    int result = shmbus_channel_open(t->program->bus, kinds[t->kind].name, SHMBUS_OPEN_RECV, NULL,
                                     &t->queue);

    if (result == 0) {
        result = serve(t);
        shmbus_channel_close(t->queue);
    }
    return result;
}

/* Its node was made by the one who started it, so that no drain overlooks it. */
static void *worker(void *context)
{
    struct thread *t = context;
    struct program *p = t->program;
    int result = open_and_serve(t);

    t->noticed_ns = program_now_ns();
    if (result < 0) {
        program_fail(result, "a worker for %s cannot go on", kinds[t->kind].name);
        p->failed++;
        shmbus_stop_ask(p->workers, p->limit_ms * MS);
    }
    shmbus_stop_free(t->node);
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
    struct thread *t = context;
    unsigned long before = 0, now;

    while (shmbus_stop_sleep(t->node, REPORT_NS) == 0) {
        now = total(t->program);
        program_log("done: %lu, %lu in the last 3 s", now, now - before);
        before = now;
    }
    shmbus_stop_free(t->node);
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

/* Signals ask the workers; this thread reads the settings again while it waits for that. */
static int make_tree(struct program *p)
{
    struct shmbus_signals_opts opts = SHMBUS_SIGNALS_OPTS_INIT;
    int result = shmbus_stop_new(p->bus, NULL, &p->all);

    opts.limit_ns = p->limit_ms > 0 ? p->limit_ms * MS : 1;
    opts.also = SIGUSR2;
    opts.reread = reread_settings;
    opts.context = p;
    if (result == 0)
        result = shmbus_stop_new(NULL, p->all, &p->workers);
    if (result == 0)
        result = shmbus_stop_signals(p->workers, &opts);
    return result == 0 ? PROGRAM_OK : program_fail(result, "cannot wait for signals");
}

static int start(struct program *p)
{
    int result = shmbus_attach(p->bus_name, NULL, &p->bus);

    if (result < 0)
        return program_fail(result, "cannot attach to bus \"%s\"", p->bus_name);
    if (send_tasks(p) != PROGRAM_OK)
        return PROGRAM_FAILED;
    return make_tree(p);
}

static int start_thread(struct thread *t, struct program *p, struct shmbus_stop *above,
                        void *(*run)(void *))
{
    t->program = p;
    if (shmbus_stop_new(NULL, above, &t->node) < 0 || pthread_create(&t->id, NULL, run, t) != 0)
        return program_fail(0, "cannot start a thread");
    return PROGRAM_OK;
}

static int start_threads(struct program *p)
{
    int status = PROGRAM_OK;

    p->pool_size = (size_t)p->threads * KINDS;
    p->pool = calloc(p->pool_size, sizeof *p->pool);
    if (p->pool == NULL)
        return program_fail(0, "not enough memory");
    for (size_t i = 0; i < p->pool_size && status == PROGRAM_OK; i++) {
        p->pool[i].kind = (int)(i % KINDS);
        status = start_thread(&p->pool[i], p, p->workers, worker);
    }
    if (status == PROGRAM_OK)
        status = start_thread(&p->numbers, p, p->all, numbers);
    if (status == PROGRAM_OK)
        program_log("started (pid %d): %ld of each kind", (int)getpid(), p->threads);
    return status;
}

static void say_totals(const struct program *p)
{
    int64_t last_ns = 0;

    for (size_t i = 0; i < p->pool_size && p->end.left == 0; i++) {
        if (p->pool[i].noticed_ns > last_ns)
            last_ns = p->pool[i].noticed_ns;
    }
    program_log("asked to stop at %" PRId64 ", the last worker had ended %.3f ms later",
                p->end.asked_ns, last_ns == 0 ? 0.0 : (double)(last_ns - p->end.asked_ns) / 1e6);
    program_log("total %lu: data %lu, request %lu, job steps %lu; given back %" PRIu64
                ", cut off %" PRIu64,
                total(p), (unsigned long)p->done[0], (unsigned long)p->done[1],
                (unsigned long)p->done[2], p->end.given_back, p->end.cut_off + p->end.left);
}

static void join_all(struct program *p)
{
    for (size_t i = 0; i < p->pool_size; i++)
        pthread_join(p->pool[i].id, NULL);
    pthread_join(p->numbers.id, NULL);
    shmbus_stop_free(p->workers);
    shmbus_stop_free(p->all);
    free(p->pool);
}

/* The workers first, within the limit; then the numbers. */
static int stop(struct program *p)
{
    int result;

    program_log("stops: nothing more is taken, %ld ms for what is in hand", p->limit_ms);
    p->end.struct_bytes = sizeof p->end;
    result = shmbus_stop_drain(p->workers, p->limit_ms * MS, &p->end);
    if (result == 0)
        result = shmbus_stop_drain(p->all, p->limit_ms * MS, NULL);
    say_totals(p);
    if (result < 0) { /* those threads use the bus still: they end with the process */
        fflush(stdout);
        _exit(CUT_OFF);
    }
    join_all(p);
    return p->failed > 0 ? PROGRAM_FAILED : p->end.cut_off > 0 ? CUT_OFF : PROGRAM_OK;
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
        fprintf(stderr, "graceful: unexpected argument `%s`\n", argv[optind]);
    return PROGRAM_USAGE;
}

int main(int argc, char **argv)
{
    static struct program p = {
        .bus_name = "graceful", .threads = 1, .limit_ms = 10000, .work_ms = {500, 800, 400}};
    int status;

    program_set_name("graceful");
    status = parse(argc, argv, &p);
    if (status >= 0)
        return status;
    if (!read_settings(&p))
        return PROGRAM_USAGE;
    if (start(&p) != PROGRAM_OK || start_threads(&p) != PROGRAM_OK)
        return PROGRAM_FAILED;
    shmbus_stop_sleep(p.workers, SHMBUS_WAIT_FOREVER); /* until a signal, or one that failed */
    status = stop(&p);
    shmbus_detach(p.bus);
    return status;
}
