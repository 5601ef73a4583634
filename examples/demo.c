/* SPDX-License-Identifier: MIT */
/*
 * The demo: a coordinator and some workers share 100 tasks. In the middle of it one worker is
 * killed with SIGKILL while it works on a task, and on request the coordinator, too. At the end
 * every task must have been done, and counted once.
 *
 *   demo [--config FILE] [--bus NAME] [--tasks 100] [--workers 4] [--work-ms 100]
 *        [--kill-coordinator]
 *
 * Nothing is staged: who is in the middle of what is asked of the bus, and every number shown is
 * measured. Children die with the demo; what a killed demo left is cleared away by the next.
 * Exit 0: as promised; 1: anything else; 2: wrong usage; 3: interrupted.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "children.h"
#include "program.h"
#include "task.h"

#define MS ((int64_t)1000000)
#define LOOK_NS (20 * MS) /* how long a look into data_buffer may wait for a writer */
#define WORKERS_MAX 32
_Static_assert(WORKERS_MAX + 3 <= CHILDREN_MAX, "a replacement and two coordinators, too");

struct demo {
    const char *bus_name, *config;
    bool kill_coordinator;

    char bus_buffer[SHMBUS_NAME_BYTES];
    bool created;
    struct shmbus *bus;
    struct shmbus_region *buffer;
    struct children children;
    int64_t limit_ns;          /* when all must be over */
    struct task_output victim; /* the record of the task the killed worker held */
};

static void usage(FILE *to)
{
    fprintf(to, "usage: demo [OPTION]...\n"
                "A coordinator and workers share tasks; one worker is killed in the middle of a "
                "task.\n"
                "  --config FILE       plan of the bus in YAML (default: built in)\n"
                "  --bus NAME          its name (the one in FILE, else " TASK_BUS ")\n"
                "  --tasks N           how many tasks (100)\n"
                "  --workers N         how many workers (4)\n"
                "  --work-ms MS        how long a task takes (100)\n"
                "  --kill-coordinator  kill and restart the coordinator, too\n"
                "  --help              this text\n"
                "Exit: 0 every task done once, 1 anything else, 2 wrong usage, 3 interrupted.\n");
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct demo *d)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},  {"bus", required_argument, NULL, 'b'},
        {"tasks", required_argument, NULL, 't'},   {"workers", required_argument, NULL, 'n'},
        {"work-ms", required_argument, NULL, 'w'}, {"kill-coordinator", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    bool good = true;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            d->config = optarg;
            break;
        case 'b':
            d->bus_name = optarg;
            break;
        case 't':
            good &= program_number("tasks", optarg, 20, TASK_COUNT_MAX, &d->children.tasks);
            break;
        case 'n':
            good &= program_number("workers", optarg, 2, WORKERS_MAX, &d->children.workers);
            break;
        case 'w':
            good &= program_number("work-ms", optarg, 1, 60000, &d->children.work_ms);
            break;
        case 'k':
            d->kill_coordinator = true;
            break;
        case 'h':
            usage(stdout);
            return PROGRAM_OK;
        default:
            usage(stderr);
            return PROGRAM_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "demo: unexpected argument `%s`\n", argv[optind]);
        good = false;
    }
    return good ? -1 : PROGRAM_USAGE;
}

/* ------------------------------------------------------------------------------------ the bus */

static int create(struct demo *d, const struct shmbus_plan *plan)
{
    int result = shmbus_create(d->bus_name, plan, NULL);

    if (result == -EEXIST) {
        result = shmbus_unlink_if_unused(d->bus_name);
        if (result == -SHMBUS_ERR_IN_USE)
            return program_fail(result, "bus \"%s\" is in use; take another --bus", d->bus_name);
        if (result < 0 && result != -ENOENT)
            return program_fail(result, "cannot remove the bus \"%s\" left by a killed demo",
                                d->bus_name);
        program_log("removed the bus that a killed demo had left");
        result = shmbus_create(d->bus_name, plan, NULL);
    }
    if (result < 0)
        return program_fail(result, "cannot create bus \"%s\"", d->bus_name);
    d->created = true;
    d->children.bus_name = d->bus_name;
    return PROGRAM_OK;
}

static int join(struct demo *d)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    int result;

    opts.flags = SHMBUS_ATTACH_EXISTING;
    opts.process_name = "demo";
    if ((result = shmbus_attach(d->bus_name, &opts, &d->bus)) < 0)
        return program_fail(result, "cannot attach to bus \"%s\"", d->bus_name);
    program_catch_signals(d->bus);
    if ((result = shmbus_region_open(d->bus, TASK_BUFFER, &d->buffer)) < 0)
        return program_fail(result, "cannot open region " TASK_BUFFER);
    return PROGRAM_OK;
}

static int make_bus(struct demo *d)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_plan *plan = NULL;
    int result = task_plan(d->config, &plan);

    if (result < 0)
        return program_fail(result, "cannot use the configuration");
    if (d->bus_name == NULL) {
        shmbus_plan_get(plan, &whole);
        task_text(d->bus_buffer, sizeof d->bus_buffer, whole.name != NULL ? whole.name : TASK_BUS);
        d->bus_name = d->bus_buffer;
    }
    result = create(d, plan);
    shmbus_plan_free(plan);
    if (result != PROGRAM_OK || (result = join(d)) != PROGRAM_OK)
        return result;
    if ((result = shmbus_bus_stat(d->bus, &stat)) < 0)
        return program_fail(result, "no statistics");
    program_log("bus \"%s\" made from %s: %.1f MiB in %s", d->bus_name,
                d->config != NULL ? d->config : "the built-in plan",
                (double)stat.segment_bytes / 1048576, stat.path);
    program_log("watch it from another terminal: %s/shmbusctl stats %s", d->children.bin,
                d->bus_name);
    return PROGRAM_OK;
}

/* ---------------------------------------------------------------------------------- the story */

/* One step of every wait below: returns PROGRAM_OK to look again. */
static int tick(struct demo *d, const char *awaited)
{
    program_sleep_ns(MS / 10);
    if (program_interrupted()) { /* Ctrl-C reaches the children as well: looked at before them */
        program_log("interrupted");
        return PROGRAM_INTERRUPTED;
    }
    if (program_now_ns() > d->limit_ns)
        return program_fail(0, "waited too long until %s", awaited);
    return children_reap(&d->children);
}

/* The coordinator has counted that many results. */
static int wait_accepted(struct demo *d, uint32_t accepted)
{
    struct task_job job;
    int status;

    for (;;) {
        int result = task_job_load(d->buffer, &job, LOOK_NS);
        if (result == 0 && job.run_id > 0 && job.accepted >= accepted)
            return PROGRAM_OK;
        if (result < 0 && !shmbus_error_is_retryable(result))
            return program_fail(result, "cannot read the job in " TASK_BUFFER);
        if ((status = tick(d, "some tasks are done")) != PROGRAM_OK)
            return status;
    }
}

/* Whether a stopped worker is in the middle of a task, and which. */
static bool in_mid_task(struct demo *d, const struct child *worker, uint64_t *ret_held)
{
    struct shmbus_process_stat stat;

    if (task_process_stat(d->bus, worker->pid, &stat) < 0 || stat.held_blocks == 0)
        return false;
    for (uint32_t id = 0; id < (uint32_t)d->children.tasks; id++) {
        struct task_output output;
        /* times out when the worker was stopped inside a write to data_buffer */
        if (task_output_load(d->buffer, id, &output, LOOK_NS) < 0)
            return false;
        if (output.state == TASK_STARTED && output.pid == worker->pid) {
            d->victim = output;
            *ret_held = stat.held_blocks;
            return true;
        }
    }
    return false;
}

/* Stops a worker; false when it is not there to be stopped. */
static bool freeze(struct child *worker)
{
    int status = 0;

    kill(worker->pid, SIGSTOP);
    while (waitpid(worker->pid, &status, WUNTRACED) < 0)
        if (errno != EINTR)
            return false;
    worker->status = status;
    worker->gone = !WIFSTOPPED(status);
    return !worker->gone;
}

/* Stops the worker at a moment when it is in the middle of a task. Stopping first makes sure that
 * what is seen is still true when the kill comes. */
static int catch_in_mid_task(struct demo *d, struct child *worker, uint64_t *ret_held)
{
    for (;;) {
        struct shmbus_process_stat stat;
        int status;
        if (task_process_stat(d->bus, worker->pid, &stat) == 0 && stat.held_blocks > 0) {
            if (!freeze(worker))
                return program_fail(0, "%s left before it could be killed", worker->name);
            if (in_mid_task(d, worker, ret_held))
                return PROGRAM_OK;
            kill(worker->pid, SIGCONT);
        }
        if ((status = tick(d, "a worker is in the middle of a task")) != PROGRAM_OK)
            return status;
    }
}

static int wait_recovered(struct demo *d, uint64_t recoveries_before)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};

    for (;;) {
        int status, result = shmbus_bus_stat(d->bus, &stat);
        if (result < 0)
            return program_fail(result, "no statistics");
        if (stat.recoveries > recoveries_before)
            return PROGRAM_OK;
        if ((status = tick(d, "what the dead worker held is given back")) != PROGRAM_OK)
            return status;
    }
}

/* Another worker has the task of the dead one, with delivery count 2. */
static int wait_redelivered(struct demo *d, struct task_output *ret_output)
{
    struct task_output output;

    for (;;) {
        int status, result = task_output_load(d->buffer, d->victim.task_id, &output, LOOK_NS);
        if (result < 0 && !shmbus_error_is_retryable(result))
            return program_fail(result, "cannot read " TASK_BUFFER);
        if (result == 0 && output.pid != d->victim.pid) {
            if (output.delivery != 2)
                return program_fail(0,
                                    "task %" PRIu32 " came again with delivery count %" PRIu32
                                    ", not 2",
                                    output.task_id, output.delivery);
            *ret_output = output;
            return PROGRAM_OK;
        }
        if ((status = tick(d, "the task of the dead worker is redelivered")) != PROGRAM_OK)
            return status;
    }
}

static int kill_worker(struct demo *d)
{
    struct shmbus_bus_stat before = {.struct_bytes = sizeof before};
    struct child *victim = &d->children.list[2]; /* worker-1, after coordinator and worker-0 */
    struct task_output output = {0};
    uint64_t held = 0;
    int64_t killed_ns, recovered_ns;
    int status, result;

    if ((status = catch_in_mid_task(d, victim, &held)) != PROGRAM_OK)
        return status;
    if ((result = shmbus_bus_stat(d->bus, &before)) < 0)
        return program_fail(result, "no statistics");
    program_log("kill -9 %s (pid %d): in the middle of task %" PRIu32 ", %" PRIu64
                " message in its hands",
                victim->name, (int)victim->pid, d->victim.task_id, held);
    victim->killed = true;
    killed_ns = program_now_ns();
    kill(victim->pid, SIGKILL);
    if ((status = wait_recovered(d, before.recoveries)) != PROGRAM_OK)
        return status;
    recovered_ns = program_now_ns();
    program_log("%.1f ms after the kill: its death was noticed and task %" PRIu32
                " is deliverable again",
                (double)(recovered_ns - killed_ns) / 1e6, d->victim.task_id);
    if ((status = wait_redelivered(d, &output)) != PROGRAM_OK)
        return status;
    program_log("%.1f ms after the kill: %s (pid %d) has task %" PRIu32 ", delivery count %" PRIu32,
                (double)(output.start_ns - killed_ns) / 1e6, output.worker, (int)output.pid,
                output.task_id, output.delivery);
    return PROGRAM_OK;
}

static int replace_worker(struct demo *d)
{
    char name[SHMBUS_NAME_BYTES];
    struct child *child;

    snprintf(name, sizeof name, "worker-%ld", d->children.workers);
    if ((child = children_start(&d->children, "worker", name)) == NULL)
        return PROGRAM_FAILED;
    child->replacement = true;
    program_log("%s (pid %d) takes the place of the dead worker", name, (int)child->pid);
    return PROGRAM_OK;
}

/* Results pile up while there is no coordinator: the workers go on. */
static int wait_piled_up(struct demo *d, uint64_t results, uint64_t *ret_depth)
{
    struct shmbus_channel_stat stat;

    for (;;) {
        int status, result = task_channel_stat(d->bus, TASK_RESULTS, &stat);
        if (result < 0)
            return program_fail(result, "no statistics");
        *ret_depth = stat.depth + stat.redeliverable;
        if (*ret_depth >= results)
            return PROGRAM_OK;
        if ((status = tick(d, "results pile up without a coordinator")) != PROGRAM_OK)
            return status;
    }
}

static int kill_coordinator(struct demo *d)
{
    struct child *victim = children_coordinator(&d->children);
    struct task_job job;
    uint64_t depth = 0, under_way;
    int status, result;

    victim->killed = true;
    kill(victim->pid, SIGKILL);
    program_log("kill -9 %s (pid %d)", victim->name, (int)victim->pid);
    while (!victim->gone)
        if ((status = tick(d, "the killed coordinator is gone")) != PROGRAM_OK)
            return status;
    if ((result = task_job_load(d->buffer, &job, SHMBUS_WAIT_FOREVER)) < 0)
        return program_fail(result, "cannot read the job in " TASK_BUFFER);
    if (job.state != TASK_JOB_RUNNING)
        return program_fail(0, "the coordinator was done before it could be killed; "
                               "try more --tasks");
    under_way = job.next - job.accepted;
    if ((status = wait_piled_up(d, under_way < 3 ? under_way : 3, &depth)) != PROGRAM_OK)
        return status;
    program_log("it had counted %" PRIu32 " of %" PRIu32 "; the workers go on: %" PRIu64
                " results wait for the next one",
                job.accepted, job.tasks, depth);
    return children_start(&d->children, "coordinator", "coordinator") != NULL ? PROGRAM_OK
                                                                              : PROGRAM_FAILED;
}

/* A replacement that came when the run was over waits for the next run; nobody will tell it to
 * stop. */
static void dismiss_latecomers(struct demo *d)
{
    for (int i = 0; i < d->children.count; i++) {
        struct child *child = &d->children.list[i];
        if (child->gone)
            continue;
        program_log("%s came too late for this run: told to leave with SIGTERM", child->name);
        child->dismissed = true;
        kill(child->pid, SIGTERM);
    }
}

static int wait_end(struct demo *d)
{
    int status;

    while (!children_coordinator(&d->children)->gone || !children_gone(&d->children, true))
        if ((status = tick(d, "the coordinator and the workers are done")) != PROGRAM_OK)
            return status;
    dismiss_latecomers(d);
    while (!children_gone(&d->children, false))
        if ((status = tick(d, "the replacement has left")) != PROGRAM_OK)
            return status;
    return PROGRAM_OK;
}

static int story(struct demo *d)
{
    uint32_t tenth = (uint32_t)d->children.tasks / 10;
    int status;

    if (children_start(&d->children, "coordinator", "coordinator") == NULL)
        return PROGRAM_FAILED;
    for (long i = 0; i < d->children.workers; i++) {
        char name[SHMBUS_NAME_BYTES];
        snprintf(name, sizeof name, "worker-%ld", i);
        if (children_start(&d->children, "worker", name) == NULL)
            return PROGRAM_FAILED;
    }
    if ((status = wait_accepted(d, tenth)) != PROGRAM_OK ||
        (status = kill_worker(d)) != PROGRAM_OK || (status = replace_worker(d)) != PROGRAM_OK)
        return status;
    if (d->kill_coordinator && ((status = wait_accepted(d, 4 * tenth)) != PROGRAM_OK ||
                                (status = kill_coordinator(d)) != PROGRAM_OK))
        return status;
    return wait_end(d);
}

/* --------------------------------------------------------------------------------- the proof */

static bool on_finding(void *context, enum shmbus_severity severity, const char *what,
                       const char *cure)
{
    (void)context;
    if (severity > SHMBUS_SEVERITY_NOTE)
        program_log("health check: %s (%s)", what, cure);
    return true;
}

static int check_records(struct demo *d, const struct task_job *job)
{
    uint32_t correct = 0;
    struct task_output output;

    for (uint32_t id = 0; id < job->tasks; id++) {
        int result = task_output_load(d->buffer, id, &output, SHMBUS_WAIT_FOREVER);
        if (result < 0)
            return program_fail(result, "cannot read " TASK_BUFFER);
        if (!task_is_done(job, id) || !task_output_correct(&output, job->run_id, id))
            return program_fail(0, "task %" PRIu32 " has no correct result", id);
        if (id == d->victim.task_id && (output.pid == d->victim.pid || output.delivery != 2))
            return program_fail(0, "task %" PRIu32 " of the dead worker was not done by another",
                                id);
        correct++;
    }
    program_log("checked: %" PRIu32 " of %ld result records are there and right", correct,
                d->children.tasks);
    return PROGRAM_OK;
}

static int check_queues(struct demo *d)
{
    static const char *const names[] = {TASK_QUEUE, TASK_QUEUE_DEAD, TASK_RESULTS};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct shmbus_channel_stat stat;
        int result = task_channel_stat(d->bus, names[i], &stat);
        if (result < 0)
            return program_fail(result, "no statistics of %s", names[i]);
        if (stat.held != 0 || stat.dead_letters != 0)
            return program_fail(0, "%s: %" PRIu64 " messages still held, %" PRIu64 " given up",
                                stat.name, stat.held, stat.dead_letters);
    }
    return PROGRAM_OK;
}

static int check(struct demo *d)
{
    struct task_job job;
    int status, result = task_job_load(d->buffer, &job, SHMBUS_WAIT_FOREVER);

    if (result < 0)
        return program_fail(result, "cannot read the job in " TASK_BUFFER);
    if (job.state != TASK_JOB_DONE || job.tasks != (uint32_t)d->children.tasks || job.failed != 0 ||
        job.accepted != job.tasks)
        return program_fail(0,
                            "%" PRIu32 " of %ld tasks counted, %" PRIu32 " failed, state %" PRIu32,
                            job.accepted, d->children.tasks, job.failed, job.state);
    if (job.redelivered == 0)
        return program_fail(0, "no task was counted as redelivered, though a worker was killed");
    if (job.starts != (d->kill_coordinator ? 2u : 1u))
        return program_fail(0, "%" PRIu32 " coordinators worked on the run", job.starts);
    if ((status = check_records(d, &job)) != PROGRAM_OK || (status = check_queues(d)) != PROGRAM_OK)
        return status;
    result = shmbus_check(d->bus, on_finding, NULL);
    if (result != 0)
        return program_fail(result < 0 ? result : 0, "the bus is not healthy");
    program_log("%" PRIu32 " of %ld tasks done, each counted once; redelivered %" PRIu32
                ", duplicates recognised %" PRIu32 ", lost 0, failed 0",
                job.accepted, d->children.tasks, job.redelivered, job.duplicates);
    return PROGRAM_OK;
}

/* -------------------------------------------------------------------------------- the end of it */

static void clear_away(struct demo *d)
{
    children_end(&d->children);
    program_catch_signals(NULL);
    shmbus_detach(d->bus);
    if (d->created)
        shmbus_unlink(d->bus_name);
}

int main(int argc, char **argv)
{
    static struct demo d = {.children = {.tasks = 100, .workers = 4, .work_ms = 100}};
    int status;

    program_set_name("demo");
    status = parse(argc, argv, &d);
    if (status >= 0)
        return status;
    if (!children_find_programs(&d.children, argv[0]))
        return program_fail(0, "cannot find the directory of its own program");
    d.limit_ns = program_now_ns() + 60000 * MS + 4 * d.children.tasks * d.children.work_ms * MS;
    status = make_bus(&d);
    if (status == PROGRAM_OK)
        status = story(&d);
    if (status == PROGRAM_OK)
        status = check(&d);
    clear_away(&d);
    if (status == PROGRAM_OK)
        program_log("the bus is removed; all as promised");
    return status;
}
