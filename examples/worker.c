/* SPDX-License-Identifier: MIT */
/*
 * A worker: takes tasks from task_queue, does them, answers into result_queue. Any number may run,
 * come and go, with or without a coordinator; coordinator.c explains the protocol.
 *
 *   worker [--bus NAME] [--name worker-0] [--work-ms 100] [--settings FILE] [--config FILE]
 *          [--verbose]
 *
 * SIGINT or SIGTERM: finishes the task in hand, then leaves. SIGHUP: reads the settings again.
 * Exit 0: told to stop; 1: failed; 2: wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "task.h"

#define MS ((int64_t)1000000)
#define WORK_MS_MAX 3600000L
#define WAIT_NS (1000 * MS) /* at most, so that heartbeats are on time */

struct worker {
    const char *bus_name, *config, *name, *settings;
    long work_ms;
    bool verbose;

    struct shmbus *bus;
    struct shmbus_channel *tasks, *results;
    struct shmbus_region *buffer;
    struct task_job born; /* the run that was on when this worker came */
    int64_t beat_due_ns;
    uint32_t done, repeated, stale;
};

static void usage(FILE *to)
{
    fprintf(to, "usage: worker [OPTION]...\n"
                "Takes tasks from " TASK_QUEUE " and answers into " TASK_RESULTS
                " until it is told to stop.\n"
                "  --bus NAME      the bus (" TASK_BUS "); made if it is not there\n"
                "  --config FILE   how to make it (a plan in YAML; default: built in)\n"
                "  --name NAME     of this worker (worker-PID)\n"
                "  --work-ms MS    how long a task takes (100)\n"
                "  --settings FILE a line `work_ms: MS`, read at the start and on SIGHUP\n"
                "  --verbose       a line for every message\n"
                "  --help          this text\n"
                "Exit: 0 told to stop, 1 failed, 2 wrong usage.\n");
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct worker *w)
{
    static const struct option options[] = {
        {"bus", required_argument, NULL, 'b'},      {"config", required_argument, NULL, 'c'},
        {"name", required_argument, NULL, 'n'},     {"work-ms", required_argument, NULL, 'w'},
        {"settings", required_argument, NULL, 's'}, {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            w->bus_name = optarg;
            break;
        case 'c':
            w->config = optarg;
            break;
        case 'n':
            w->name = optarg;
            break;
        case 's':
            w->settings = optarg;
            break;
        case 'v':
            w->verbose = true;
            break;
        case 'w':
            if (!program_number("work-ms", optarg, 0, WORK_MS_MAX, &w->work_ms))
                return PROGRAM_USAGE;
            break;
        case 'h':
            usage(stdout);
            return PROGRAM_OK;
        default:
            usage(stderr);
            return PROGRAM_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "worker: unexpected argument `%s`\n", argv[optind]);
    return PROGRAM_USAGE;
}

/* False, and everything as before, when the file is not right. */
static bool read_settings(struct worker *w)
{
    FILE *file;
    long work_ms;
    char rest[2];
    int fields;

    if (w->settings == NULL)
        return true;
    if ((file = fopen(w->settings, "re")) == NULL) {
        program_fail(0, "%s: %s", w->settings, strerror(errno));
        return false;
    }
    fields = fscanf(file, " work_ms: %9ld %1s", &work_ms, rest);
    fclose(file);
    if (fields != 1 || work_ms < 0 || work_ms > WORK_MS_MAX) {
        program_fail(0, "%s: expected one line, `work_ms: ` and a number from 0 to %ld",
                     w->settings, WORK_MS_MAX);
        return false;
    }
    w->work_ms = work_ms;
    program_log("settings: work_ms %ld", work_ms);
    return true;
}

static int join(struct worker *w)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    int result = task_plan(w->config, &plan);

    if (result < 0)
        return program_fail(result, "cannot use the configuration");
    opts.process_name = w->name;
    opts.plan = plan;
    result = shmbus_attach(w->bus_name, &opts, &w->bus);
    shmbus_plan_free(plan);
    if (result < 0)
        return program_fail(result, "cannot attach to bus \"%s\"", w->bus_name);
    program_catch_signals(w->bus);
    if (w->settings != NULL)
        program_catch_reload();
    if ((result = shmbus_region_open(w->bus, TASK_BUFFER, &w->buffer)) < 0)
        return program_fail(result, "cannot open region " TASK_BUFFER);
    /* before the task queue: a worker the coordinator can see must know when it was born */
    if ((result = task_job_load(w->buffer, &w->born, SHMBUS_WAIT_FOREVER)) < 0)
        return program_fail(result, "cannot read the job in " TASK_BUFFER);
    if ((result = shmbus_channel_open(w->bus, TASK_RESULTS, SHMBUS_OPEN_SEND, NULL, &w->results)) <
        0)
        return program_fail(result, "cannot open " TASK_RESULTS);
    if ((result = shmbus_channel_open(w->bus, TASK_QUEUE, SHMBUS_OPEN_RECV, NULL, &w->tasks)) < 0)
        return program_fail(result, "cannot open " TASK_QUEUE);
    return PROGRAM_OK;
}

/* A message about this worker itself. Not worth waiting for: dropped when nobody empties the
 * queue, because there is no coordinator at the moment. */
static void report(struct worker *w, unsigned type, const char *text)
{
    const struct shmbus_send_opts opts = {.struct_bytes = sizeof opts, .type = type};
    struct task_message message;

    task_message_make(&message, w->born.run_id, 0, w->name, text);
    shmbus_send_with(w->results, &opts, &message, sizeof message, 0);
}

static void beat_if_due(struct worker *w)
{
    if (program_now_ns() < w->beat_due_ns)
        return;
    shmbus_heartbeat(w->bus);
    report(w, SHMBUS_TYPE_HEARTBEAT, "alive");
    w->beat_due_ns = program_now_ns() + TASK_BEAT_NS;
}

/* Stands for the work; long work says from time to time that it is still at it. */
static void work(struct worker *w)
{
    int64_t left_ns = w->work_ms * MS;

    while (left_ns > 0) {
        int64_t slice_ns = left_ns < WAIT_NS ? left_ns : WAIT_NS;
        program_sleep_ns(slice_ns);
        left_ns -= slice_ns;
        beat_if_due(w);
    }
}

/* Does the task and writes its record, or finds the record that a worker wrote before it died.
 * Returns 0, -ESTALE when the task is of a run that is over, or a failure of the region. */
static int process(struct worker *w, const struct task_message *task, uint32_t delivery,
                   struct task_output *ret_output)
{
    struct task_input input;
    struct task_output output;
    int result = task_input_load(w->buffer, task->task_id, &input);

    if (result < 0)
        return result;
    if (input.run_id != task->run_id || input.task_id != task->task_id)
        return -ESTALE;
    result = task_output_load(w->buffer, task->task_id, &output, SHMBUS_WAIT_FOREVER);
    if (result < 0)
        return result;
    if (task_output_correct(&output, task->run_id, task->task_id)) {
        program_log("task %" PRIu32 " had been done by %s already", task->task_id, output.worker);
        w->repeated++;
        *ret_output = output;
        return 0;
    }

    memset(&output, 0, sizeof output);
    output.run_id = task->run_id;
    output.task_id = task->task_id;
    output.state = TASK_STARTED;
    output.delivery = delivery;
    output.pid = getpid();
    output.start_ns = program_now_ns();
    task_text(output.worker, sizeof output.worker, w->name);
    result = task_output_save(w->buffer, &output);
    if (result < 0)
        return result;
    work(w);
    output.state = TASK_FINISHED;
    snprintf(output.result, sizeof output.result, "processed_%s", input.data);
    shmbus_interrupt_clear(w->bus); /* asked to leave meanwhile: what was begun is finished first */
    result = task_output_save(w->buffer, &output);
    if (result == 0)
        *ret_output = output;
    return result;
}

/* The answer is written into the task itself and forwarded: one atomic step acknowledges the task
 * and sends the result, so a worker killed here leaves either the task or the result, never both.
 * Only the fields for the answer are touched. */
static int answer(struct worker *w, struct shmbus_msg *msg, const struct task_output *output)
{
    struct task_message *message = msg->data;

    message->delivery = msg->delivery_count;
    task_text(message->sender, sizeof message->sender, output->worker);
    task_text(message->text, sizeof message->text, output->result);
    return shmbus_forward(msg, w->results, SHMBUS_WAIT_FOREVER);
}

static int do_task(struct worker *w, struct shmbus_msg *msg)
{
    struct task_message task;
    struct task_output output;
    int result;

    if (!task_message_read(msg, &task)) {
        program_log("a message that is no task was thrown away (type %s, %zu bytes)",
                    shmbus_type_name(msg->type), msg->size_bytes);
        return shmbus_release(msg);
    }
    if (msg->delivery_count > 1)
        program_log("task %" PRIu32 " redelivered to me: delivery count %" PRIu32, task.task_id,
                    msg->delivery_count);
    result = process(w, &task, msg->delivery_count, &output);
    if (result == -ESTALE) {
        w->stale++;
        program_log("task %" PRIu32 " of run %" PRIu64 " is not wanted any more", task.task_id,
                    task.run_id);
        return shmbus_release(msg);
    }
    if (result == 0)
        result = answer(w, msg, &output);
    if (result == 0)
        w->done++;
    return result;
}

/* A STOP is for the workers of one run. A worker that came after that run lets it go: it was
 * left over from a worker that died, or from a coordinator that was started again. */
static bool stop_is_for_me(const struct worker *w, const struct shmbus_msg *msg)
{
    struct task_message stop;

    if (!task_message_read(msg, &stop))
        return false;
    if (stop.run_id == w->born.run_id)
        return w->born.state != TASK_JOB_DONE;
    return stop.run_id > w->born.run_id;
}

static void show(const struct worker *w, const struct shmbus_msg *msg)
{
    if (w->verbose)
        program_log("%s from slot %u (%.3f ms ago, delivery %" PRIu32 "): task %" PRIu64,
                    shmbus_type_name(msg->type), msg->sender,
                    (double)(program_now_ns() - msg->time_ns) / 1e6, msg->delivery_count,
                    msg->correlation_id);
}

/* Until STOP, a signal or a shutdown of the bus (0), or a failure. */
static int serve(struct worker *w)
{
    struct shmbus_msg msg;
    int result;

    while (!program_interrupted()) {
        if (program_reload_asked())
            read_settings(w); /* if they are wrong, it has said so and keeps the old ones */
        beat_if_due(w);
        result = shmbus_recv(w->tasks, &msg, WAIT_NS);
        if (result == -EINTR) {
            /* called off first, the reason looked at then: a later signal interrupts again */
            shmbus_interrupt_clear(w->bus);
            continue;
        }
        if (result == -SHMBUS_ERR_SHUTDOWN)
            return 0;
        if (result < 0 && shmbus_error_is_retryable(result))
            continue;
        if (result < 0)
            return result;
        show(w, &msg);
        if (msg.type == SHMBUS_TYPE_STOP) {
            bool leave = stop_is_for_me(w, &msg);
            if ((result = shmbus_release(&msg)) < 0 || leave)
                return result;
            w->stale++;
            continue;
        }
        result = do_task(w, &msg);
        if (result == -EINTR) {
            shmbus_interrupt_clear(w->bus);
            result = shmbus_requeue(&msg);
        }
        if (result == -SHMBUS_ERR_SHUTDOWN)
            return 0; /* the task goes back when the channel is closed */
        if (result < 0)
            return result;
    }
    return 0;
}

static int run(struct worker *w)
{
    int result;

    if (join(w) != PROGRAM_OK)
        return PROGRAM_FAILED;
    program_log("started (pid %d)", (int)getpid());
    report(w, SHMBUS_TYPE_CONTROL, "joins");
    w->beat_due_ns = program_now_ns() + TASK_BEAT_NS;
    result = serve(w);
    if (result < 0)
        return program_fail(result, "cannot go on");
    report(w, SHMBUS_TYPE_CONTROL, "leaves");
    program_log("leaves: %" PRIu32 " tasks answered", w->done);
    if (w->repeated + w->stale > 0)
        program_log("%" PRIu32 " of them had been done before, %" PRIu32
                    " messages of old runs thrown away",
                    w->repeated, w->stale);
    program_log_statistics(w->bus);
    return PROGRAM_OK;
}

int main(int argc, char **argv)
{
    char name[SHMBUS_NAME_BYTES];
    struct worker w = {.bus_name = TASK_BUS, .name = name, .work_ms = 100};
    int status;

    snprintf(name, sizeof name, "worker-%d", (int)getpid());
    program_set_name("worker");
    status = parse(argc, argv, &w);
    if (status >= 0)
        return status;
    program_set_name(w.name);
    if (!read_settings(&w))
        return PROGRAM_USAGE;
    status = run(&w);
    program_catch_signals(NULL);
    shmbus_detach(w.bus);
    return status;
}
