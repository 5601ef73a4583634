/* SPDX-License-Identifier: MIT */
/*
 * The coordinator: hands out tasks over task_queue, collects the results from result_queue, tells
 * the workers to stop. Coordinator and workers may be killed and started again at any moment.
 *
 *   coordinator [--bus NAME] [--tasks 100] [--workers 4] [--config FILE] [--new] [--remove]
 *               [--plain] [--verbose]
 *
 * SIGINT or SIGTERM: leaves at once; the next coordinator goes on with the run.
 * Exit 0: every task done once; 1: failed; 2: wrong usage; 3: interrupted, start it again.
 *
 * The protocol
 *
 *   data_buffer  the job (offset 0: run, next task to send, which tasks are done), a table of
 *                input records and a table of output records. A write is all or nothing.
 *   task_queue   coordinator -> workers: DATA (run, task), STOP (run)
 *   result_queue workers -> coordinator: DATA (run, task, result), CONTROL (joins, leaves),
 *                HEARTBEAT (every 5 s, also from the coordinator itself)
 *   coordinator  a stream of which only the receiving end is used: it is open once at a time and
 *                the kernel's word on its holder's death frees it, so it is the lock that keeps a
 *                second coordinator away, however long the first is paused.
 *
 *   coordinator                               worker
 *   A  write all input records, then the job  G  receive task, read input record, check run
 *   B  send task                              H  write output record: started
 *   C  write job: next + 1                       … work …
 *   D  receive result, check it               I  write output record: finished
 *   E  write job: task done                   J  forward: task acknowledged = result sent
 *   F  release result
 *
 * Killed between    what is left                          what follows
 *   A                 the old job                           all of A is done again
 *   B and C           the task is sent, next is behind      sent twice, second result recognised
 *   D and E           the result is held by the dead        delivered again, counted then
 *   E and F           the same, but the task is marked      delivered again, seen to be a duplicate
 *   G and I           the task is held by the dead          delivered again, done by another
 *   I and J           the same, and the record is finished  delivered again, answered unworked
 *   after J           nothing
 * B before C and E before F: the other way round, a task or a result could be lost. A duplicate
 * costs time only: the bit of the task tells it, and it is counted and shown.
 *
 * A run is identified by its number. Messages of another run are dropped, so nothing that an
 * abandoned run left in the queues reaches the next one. A worker of an abandoned run that was
 * paused long enough to write into an output record of the next run is noticed at D (the record
 * is not this run's): the task is sent again, at most RESEND_MAX times.
 *
 * Stopping: when all tasks are done the job becomes STOPPING, and as many STOPs are sent as there
 * are receivers of task_queue, and again for those who are still there half a second later. A
 * worker leaves on the first STOP that is meant for it: one of a run that was not over when the
 * worker came. So STOPs may be sent too often (a coordinator that was killed in between does it),
 * those left over stop nobody in the next run, and a worker killed with a STOP in its hand leaves
 * it to another, for whom a new one is sent if need be. At last the job becomes DONE.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "progress.h"
#include "task.h"

#define MS ((int64_t)1000000)
#define RECV_NS (1000 * MS)      /* how long one receive waits */
#define STOP_AGAIN_NS (500 * MS) /* before STOP is sent again */
#define STOP_LIMIT_NS (10000 * MS)
#define RESEND_MAX 16u
#define SEEN_MAX 1024u

struct seen {
    char name[SHMBUS_NAME_BYTES];
    int64_t last_ns;
    uint32_t results;
};

struct coordinator {
    const char *bus_name, *config;
    long tasks_wanted, workers;
    bool new_run, remove, plain, verbose;

    struct shmbus *bus;
    struct shmbus_channel *lock, *tasks, *results, *dead;
    struct shmbus_region *buffer;
    struct task_job job; /* what data_buffer holds, or will hold after job_save() */
    int64_t beat_due_ns;
    uint32_t resent, stale;
    struct seen seen[SEEN_MAX];
    uint32_t seen_count;
};

/* ------------------------------------------------------------------------------- command line */

static void usage(FILE *to)
{
    fprintf(to, "usage: coordinator [OPTION]...\n"
                "Hands out tasks over " TASK_QUEUE ", collects the results from " TASK_RESULTS
                ".\nGoes on where a coordinator that was killed or interrupted has stopped.\n"
                "  --bus NAME      the bus (" TASK_BUS "); made if it is not there\n"
                "  --config FILE   how to make it (a plan in YAML; default: built in)\n"
                "  --name NAME     of this process (coordinator)\n"
                "  --tasks N       how many tasks (100)\n"
                "  --workers N     how many workers are expected; only shown (4)\n"
                "  --new           give up an unfinished run and begin a new one\n"
                "  --remove        remove the bus at the end\n"
                "  --plain         lines in place of the progress bar\n"
                "  --verbose       a line for every message\n"
                "  --help          this text\n"
                "Exit: 0 every task done once, 1 failed, 2 wrong usage, 3 interrupted "
                "(start it again).\n");
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct coordinator *c)
{
    static const struct option options[] = {
        {"bus", required_argument, NULL, 'b'},
        {"config", required_argument, NULL, 'c'},
        {"name", required_argument, NULL, 'n'},
        {"tasks", required_argument, NULL, 't'},
        {"workers", required_argument, NULL, 'w'},
        {"new", no_argument, NULL, 'N'},
        {"remove", no_argument, NULL, 'r'},
        {"plain", no_argument, NULL, 'p'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            c->bus_name = optarg;
            break;
        case 'c':
            c->config = optarg;
            break;
        case 'n':
            program_set_name(optarg);
            break;
        case 't':
            if (!program_number("tasks", optarg, 0, TASK_COUNT_MAX, &c->tasks_wanted))
                return PROGRAM_USAGE;
            break;
        case 'w':
            if (!program_number("workers", optarg, 0, SHMBUS_PROCESSES_MAX, &c->workers))
                return PROGRAM_USAGE;
            break;
        case 'N':
            c->new_run = true;
            break;
        case 'r':
            c->remove = true;
            break;
        case 'p':
            c->plain = true;
            break;
        case 'v':
            c->verbose = true;
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
    fprintf(stderr, "coordinator: unexpected argument `%s`\n", argv[optind]);
    return PROGRAM_USAGE;
}

static int join(struct coordinator *c)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    unsigned existing = SHMBUS_OPEN_EXISTING;
    int result = task_plan(c->config, &plan);

    if (result < 0)
        return program_fail(result, "cannot use the configuration");
    opts.process_name = program_name();
    opts.plan = plan;
    result = shmbus_attach(c->bus_name, &opts, &c->bus);
    shmbus_plan_free(plan);
    if (result < 0)
        return program_fail(result, "cannot attach to bus \"%s\"", c->bus_name);
    program_catch_signals(c->bus);
    result =
        shmbus_channel_open(c->bus, TASK_COORDINATOR, SHMBUS_OPEN_RECV | existing, NULL, &c->lock);
    if (result == -EBUSY)
        return program_fail(0,
                            "bus \"%s\" has a coordinator already; use another --bus, or wait "
                            "until it is done",
                            c->bus_name);
    if (result < 0)
        return program_fail(result, "cannot open stream " TASK_COORDINATOR);
    if ((result = shmbus_region_open(c->bus, TASK_BUFFER, &c->buffer)) < 0)
        return program_fail(result, "cannot open region " TASK_BUFFER);
    if ((result = shmbus_channel_open(c->bus, TASK_QUEUE, SHMBUS_OPEN_SEND | existing, NULL,
                                      &c->tasks)) < 0)
        return program_fail(result, "cannot open " TASK_QUEUE);
    if ((result = shmbus_channel_open(c->bus, TASK_QUEUE_DEAD, SHMBUS_OPEN_RECV | existing, NULL,
                                      &c->dead)) < 0)
        return program_fail(result, "cannot open " TASK_QUEUE_DEAD);
    result = shmbus_channel_open(c->bus, TASK_RESULTS,
                                 SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV | existing, NULL, &c->results);
    if (result < 0)
        return program_fail(result, "cannot open " TASK_RESULTS);
    return PROGRAM_OK;
}

/* ------------------------------------------------------------------------------------ the job */

static int job_save(struct coordinator *c)
{
    return task_job_save(c->buffer, &c->job);
}

/* A: the job is written last, so a run exists with all its input records or not at all. */
static int begin_run(struct coordinator *c)
{
    uint64_t magic = c->job.magic, run_id = c->job.run_id + 1;

    for (uint32_t id = 0; id < (uint32_t)c->tasks_wanted; id++) {
        struct task_input input = {.run_id = run_id, .task_id = id};
        snprintf(input.data, sizeof input.data, "task_data_%" PRIu32, id);
        int result = task_input_save(c->buffer, &input);
        if (result < 0)
            return result;
    }
    memset(&c->job, 0, sizeof c->job);
    c->job.magic = magic;
    c->job.run_id = run_id;
    c->job.state = TASK_JOB_RUNNING;
    c->job.tasks = (uint32_t)c->tasks_wanted;
    c->job.starts = 1;
    program_log("run %" PRIu64 ": %" PRIu32 " tasks for %ld workers (pid %d)", run_id, c->job.tasks,
                c->workers, (int)getpid());
    return job_save(c);
}

static int begin_or_resume(struct coordinator *c)
{
    int result = task_job_load(c->buffer, &c->job, SHMBUS_WAIT_FOREVER);

    if (result == PROGRAM_BAD_DATA)
        program_log("what is in " TASK_BUFFER " is no job; remove the bus: shmbusctl rm %s",
                    c->bus_name);
    if (result < 0)
        return result;
    if (c->job.state == TASK_JOB_NONE || c->job.state == TASK_JOB_DONE || c->new_run)
        return begin_run(c);
    c->job.starts++;
    program_log("run %" PRIu64 " goes on: %" PRIu32 " of %" PRIu32 " results counted, %" PRIu32
                " tasks sent; coordinator number %" PRIu32 " (pid %d)",
                c->job.run_id, c->job.accepted, c->job.tasks, c->job.next, c->job.starts,
                (int)getpid());
    if (c->job.tasks != (uint32_t)c->tasks_wanted)
        program_log("it has %" PRIu32 " tasks whatever --tasks says; --new gives it up",
                    c->job.tasks);
    return job_save(c);
}

static void mark_done(struct coordinator *c, uint32_t task_id)
{
    c->job.done[task_id / 64] |= UINT64_C(1) << (task_id % 64);
}

static bool all_done(const struct coordinator *c)
{
    return c->job.accepted + c->job.failed == c->job.tasks;
}

/* -------------------------------------------------------------------------- who is out there */

/* The row of that name, a new one if there is none; NULL when the table is full. */
static struct seen *seen_row(struct coordinator *c, const char *name)
{
    uint32_t i = 0;

    while (i < c->seen_count && strcmp(c->seen[i].name, name) != 0)
        i++;
    if (i == SEEN_MAX)
        return NULL;
    if (i == c->seen_count) {
        memset(&c->seen[i], 0, sizeof c->seen[i]);
        task_text(c->seen[i].name, sizeof c->seen[i].name, name);
        c->seen_count++;
    }
    return &c->seen[i];
}

/* Every message is a sign of life. */
static void note_sender(struct coordinator *c, const char *name, int64_t time_ns)
{
    struct seen *seen = seen_row(c, name);

    if (time_ns == 0) /* the channel has no time stamps */
        time_ns = program_now_ns();
    if (seen != NULL && time_ns > seen->last_ns)
        seen->last_ns = time_ns;
}

static int beat_if_due(struct coordinator *c)
{
    const struct shmbus_send_opts opts = {.struct_bytes = sizeof opts,
                                          .type = SHMBUS_TYPE_HEARTBEAT};
    struct task_message message;
    int result;

    if (program_now_ns() < c->beat_due_ns)
        return 0;
    result = shmbus_heartbeat(c->bus);
    if (result < 0)
        return result;
    task_message_make(&message, c->job.run_id, 0, program_name(), "alive");
    result = shmbus_send_with(c->results, &opts, &message, sizeof message, 0);
    c->beat_due_ns = program_now_ns() + TASK_BEAT_NS;
    return result < 0 && !shmbus_error_is_retryable(result) ? result : 0;
}

/* ---------------------------------------------------------------------------------- messages */

static int send_task(struct coordinator *c, uint32_t task_id)
{
    const struct shmbus_send_opts opts = {.struct_bytes = sizeof opts, .correlation_id = task_id};
    struct task_message message;

    task_message_make(&message, c->job.run_id, task_id, program_name(), "");
    return shmbus_send_with(c->tasks, &opts, &message, sizeof message, 0);
}

/* B and C, while there is room in the queue. */
static int send_tasks(struct coordinator *c)
{
    while (c->job.next < c->job.tasks) {
        int result = send_task(c, c->job.next);
        if (result < 0)
            return shmbus_error_is_retryable(result) ? 0 : result;
        c->job.next++;
        if ((result = job_save(c)) < 0)
            return result;
    }
    return 0;
}

/* The output record was overwritten by a worker of an abandoned run. -EAGAIN: no room now. */
static int send_again(struct coordinator *c, uint32_t task_id)
{
    int result;

    if (c->resent == RESEND_MAX) {
        program_log("task %" PRIu32 ": its output record is wrong again and again", task_id);
        return PROGRAM_BAD_DATA;
    }
    result = send_task(c, task_id);
    if (result < 0)
        return shmbus_error_is_retryable(result) ? -EAGAIN : result;
    c->resent++;
    program_log("task %" PRIu32 ": its output record is not of this run; sent again", task_id);
    return 0;
}

/* D and E. The caller does F after it if this returns 0; -EAGAIN: not now. */
static int on_result(struct coordinator *c, const struct shmbus_msg *msg,
                     const struct task_message *answer)
{
    uint32_t id = answer->task_id;
    char wanted[sizeof answer->text];
    struct task_output output;
    int result;

    if (answer->run_id != c->job.run_id || id >= c->job.tasks) {
        c->stale++;
        return 0;
    }
    if (task_is_done(&c->job, id)) {
        c->job.duplicates++;
        program_log("task %" PRIu32 ": one more result, from %s; not counted", id, answer->sender);
        return job_save(c);
    }
    task_result_text(id, wanted, sizeof wanted);
    if (strcmp(answer->text, wanted) != 0) {
        program_log("task %" PRIu32 ": wrong result `%s` from %s (slot %u)", id, answer->text,
                    answer->sender, msg->sender);
        return PROGRAM_BAD_DATA;
    }
    result = task_output_load(c->buffer, id, &output, SHMBUS_WAIT_FOREVER);
    if (result < 0)
        return result;
    if (!task_output_correct(&output, c->job.run_id, id))
        return send_again(c, id);
    mark_done(c, id);
    c->job.accepted++;
    c->job.redelivered += answer->delivery > 1;
    result = job_save(c);
    if (result == 0)
        progress_show(c->job.accepted);
    return result;
}

static void show(const struct shmbus_msg *msg, const struct task_message *message)
{
    program_log("%s from %s (slot %u, %.3f ms ago, delivery %" PRIu32 "): %s",
                shmbus_type_name(msg->type), message->sender, msg->sender,
                (double)(program_now_ns() - msg->time_ns) / 1e6, msg->delivery_count,
                message->text);
}

/* Waits for one message and deals with it: 1. 0 when none came. */
static int take_message(struct coordinator *c, int64_t timeout_ns)
{
    struct task_message message;
    struct shmbus_msg msg;
    int result = shmbus_recv(c->results, &msg, timeout_ns);

    if (result < 0)
        return shmbus_error_is_retryable(result) ? 0 : result;
    if (!task_message_read(&msg, &message)) {
        program_log("a message that is no result was thrown away (type %s, %zu bytes)",
                    shmbus_type_name(msg.type), msg.size_bytes);
        result = shmbus_release(&msg);
        return result < 0 ? result : 1;
    }
    note_sender(c, message.sender, msg.time_ns);
    if (c->verbose || msg.type == SHMBUS_TYPE_CONTROL)
        show(&msg, &message);
    if (msg.type == SHMBUS_TYPE_DATA)
        result = on_result(c, &msg, &message);
    if (result == -EAGAIN)
        result = shmbus_requeue(&msg); /* comes again when there is room to send the task */
    else if (result == 0)
        result = shmbus_release(&msg);
    return result < 0 ? result : 1;
}

/* A task that killed every worker that took it must not keep the run from ending. */
static int take_dead_letters(struct coordinator *c)
{
    struct task_message message;
    struct shmbus_msg msg;
    int result;

    while ((result = shmbus_recv(c->dead, &msg, 0)) == 0) {
        if (msg.type == SHMBUS_TYPE_DATA && task_message_read(&msg, &message) &&
            message.run_id == c->job.run_id && message.task_id < c->job.tasks &&
            !task_is_done(&c->job, message.task_id)) {
            program_log("task %" PRIu32 " failed: given up after %" PRIu32 " deliveries",
                        message.task_id, msg.delivery_count);
            mark_done(c, message.task_id);
            c->job.failed++;
            if ((result = job_save(c)) < 0)
                return result;
        }
        if ((result = shmbus_release(&msg)) < 0)
            return result;
    }
    return shmbus_error_is_retryable(result) ? 0 : result;
}

static int collect(struct coordinator *c)
{
    int result;

    while (!all_done(c)) {
        if (program_interrupted())
            return -EINTR;
        if ((result = beat_if_due(c)) < 0 || (result = send_tasks(c)) < 0 ||
            (result = take_dead_letters(c)) < 0 || (result = take_message(c, RECV_NS)) < 0)
            return result;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------- stopping */

/* How many workers are there; sends each a STOP unless @ask is false. */
static int stop_workers(struct coordinator *c, bool ask, uint32_t *ret_workers)
{
    struct shmbus_channel_stat stat;
    const struct shmbus_send_opts opts = {.struct_bytes = sizeof opts, .type = SHMBUS_TYPE_STOP};
    struct task_message stop;
    uint64_t on_the_way;
    int result = shmbus_reclaim(c->bus); /* the dead are no workers */

    if (result < 0 || (result = task_channel_stat(c->bus, TASK_QUEUE, &stat)) < 0)
        return result;
    *ret_workers = stat.receivers;
    if (!ask)
        return 0;
    on_the_way = stat.depth + stat.redeliverable;
    task_message_make(&stop, c->job.run_id, 0, program_name(), "stop");
    while (on_the_way < stat.receivers) {
        result = shmbus_send_with(c->tasks, &opts, &stop, sizeof stop, 0);
        if (result < 0)
            return shmbus_error_is_retryable(result) ? 0 : result;
        on_the_way++;
    }
    return 0;
}

static int stop_run(struct coordinator *c)
{
    int64_t now_ns = program_now_ns(), again_ns = now_ns, limit_ns = now_ns + STOP_LIMIT_NS;
    uint32_t workers = 0;
    int result;

    c->job.state = TASK_JOB_STOPPING;
    if ((result = job_save(c)) < 0)
        return result;
    for (;;) {
        now_ns = program_now_ns();
        if (program_interrupted())
            return -EINTR;
        if ((result = stop_workers(c, now_ns >= again_ns, &workers)) < 0)
            return result;
        if (now_ns >= again_ns)
            again_ns = now_ns + STOP_AGAIN_NS;
        if (workers == 0 || now_ns >= limit_ns)
            break;
        if ((result = beat_if_due(c)) < 0 || (result = take_message(c, 20 * MS)) < 0)
            return result;
    }
    if (workers > 0)
        program_log("%" PRIu32 " workers have not left after %d s; their STOP waits for them",
                    workers, (int)(STOP_LIMIT_NS / 1000 / MS));
    /* what the last workers said while leaving */
    for (uint32_t i = 0; i < SEEN_MAX && (result = take_message(c, 0)) > 0; i++)
        ;
    if (result < 0)
        return result;
    c->job.state = TASK_JOB_DONE;
    return job_save(c);
}

/* Who did what, from the output records: also what an earlier coordinator of the run counted. */
static void count_results(struct coordinator *c)
{
    struct task_output output;

    for (uint32_t id = 0; id < c->job.tasks; id++) {
        struct seen *seen;
        if (task_output_load(c->buffer, id, &output, SHMBUS_WAIT_FOREVER) < 0 ||
            !task_output_correct(&output, c->job.run_id, id))
            continue;
        if ((seen = seen_row(c, output.worker)) != NULL)
            seen->results++;
    }
}

static void summary(struct coordinator *c)
{
    int64_t now_ns = program_now_ns();
    uint32_t alive = 0;

    count_results(c);
    for (uint32_t i = 0; i < c->seen_count; i++) {
        const struct seen *seen = &c->seen[i];
        double age_s = (double)(now_ns - seen->last_ns) / 1e9;
        bool is_alive = seen->last_ns != 0 && now_ns - seen->last_ns <= TASK_ALIVE_NS;
        alive += is_alive;
        if (seen->last_ns == 0)
            program_log("  %-14s %4" PRIu32 " results, not seen", seen->name, seen->results);
        else
            program_log("  %-14s %4" PRIu32 " results, last seen %.1f s ago%s", seen->name,
                        seen->results, age_s, is_alive ? "" : " (not alive)");
    }
    program_log("run %" PRIu64 " done: %" PRIu32 " of %" PRIu32
                " tasks, each counted once; %" PRIu32 " redelivered, %" PRIu32
                " duplicates not counted, %" PRIu32 " failed",
                c->job.run_id, c->job.accepted, c->job.tasks, c->job.redelivered, c->job.duplicates,
                c->job.failed);
    if (c->stale > 0)
        program_log("%" PRIu32 " messages of old runs thrown away", c->stale);
    program_log("alive, which is seen within 10 s: %" PRIu32 " processes", alive);
    program_log_statistics(c->bus);
}

static int run(struct coordinator *c)
{
    int result;

    if (join(c) != PROGRAM_OK)
        return PROGRAM_FAILED;
    result = begin_or_resume(c);
    if (result == 0) {
        progress_start(c->job.tasks, !c->plain);
        if ((result = collect(c)) == 0)
            result = stop_run(c);
    }
    if (result == -EINTR || result == -SHMBUS_ERR_SHUTDOWN) {
        program_log("interrupted at %" PRIu32 " of %" PRIu32
                    "; started again, it goes on from here",
                    c->job.accepted, c->job.tasks);
        return PROGRAM_INTERRUPTED;
    }
    if (result < 0)
        return program_fail(result, "cannot go on");
    summary(c);
    return c->job.failed == 0 ? PROGRAM_OK : PROGRAM_FAILED;
}

int main(int argc, char **argv)
{
    static struct coordinator c = {.bus_name = TASK_BUS, .tasks_wanted = 100, .workers = 4};
    int status;

    program_set_name("coordinator");
    status = parse(argc, argv, &c);
    if (status >= 0)
        return status;
    status = run(&c);
    program_catch_signals(NULL);
    shmbus_detach(c.bus);
    if (c.remove && status == PROGRAM_OK)
        shmbus_unlink_if_unused(c.bus_name);
    return status;
}
