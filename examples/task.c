/* SPDX-License-Identifier: MIT */
/* The message format and the layout of the data_buffer region; see task.h. */
#include "task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "program.h"

#define MESSAGE_MAGIC 0x4b534154u              /* "TASK" */
#define JOB_MAGIC UINT64_C(0x31424f4a4b534154) /* "TASKJOB1" */

#define INPUT_OFFSET 4096u
#define OUTPUT_OFFSET (INPUT_OFFSET + TASK_COUNT_MAX * sizeof(struct task_input))
#define BUFFER_BYTES (OUTPUT_OFFSET + TASK_COUNT_MAX * sizeof(struct task_output))

_Static_assert(sizeof(struct task_message) == 128, "the same in every process");
_Static_assert(sizeof(struct task_job) <= INPUT_OFFSET, "the tables follow the job");
_Static_assert(sizeof(struct task_input) == 48, "the same in every process");
_Static_assert(sizeof(struct task_output) == 128, "the same in every process");
_Static_assert(BUFFER_BYTES <= 1024 * 1024, "data_buffer has 1 MiB");

static const char built_in[] =
    "bus: " TASK_BUS "\n"
    "processes: 64\n"
    "heartbeat: { interval: 5s, timeout: 10s }\n"
    "blocks:\n"
    "  - { size: 256, count: 1024 }\n"
    "channels:\n"
    "  " TASK_QUEUE ": { kind: queue, depth: 32, max_deliveries: 5,"
    " dead_letter: " TASK_QUEUE_DEAD ", timestamps: true }\n"
    "  " TASK_QUEUE_DEAD ": { kind: queue, depth: 32, timestamps: true }\n"
    "  " TASK_RESULTS ": { kind: queue, depth: 256, timestamps: true }\n"
    "  " TASK_COORDINATOR ": { kind: stream, bytes: 4KiB }\n"
    "regions:\n"
    "  " TASK_BUFFER ": 1MiB\n";

int task_plan(const char *config, struct shmbus_plan **ret_plan)
{
    if (config != NULL)
        return shmbus_plan_load(config, ret_plan);
    return shmbus_plan_parse(built_in, strlen(built_in), "the built-in plan", ret_plan);
}

void task_text(char *to, size_t to_bytes, const char *text)
{
    size_t length = strnlen(text, to_bytes - 1);

    memset(to, 0, to_bytes);
    memcpy(to, text, length);
}

void task_message_make(struct task_message *message, uint64_t run_id, uint32_t task_id,
                       const char *sender, const char *text)
{
    memset(message, 0, sizeof *message);
    message->magic = MESSAGE_MAGIC;
    message->task_id = task_id;
    message->run_id = run_id;
    task_text(message->sender, sizeof message->sender, sender);
    task_text(message->text, sizeof message->text, text);
}

bool task_message_read(const struct shmbus_msg *msg, struct task_message *ret_message)
{
    struct task_message message;

    if (msg->size_bytes != sizeof message)
        return false;
    /* checked in the copy: shared memory can change between a check and a use */
    memcpy(&message, msg->data, sizeof message);
    if (message.magic != MESSAGE_MAGIC || message.task_id >= TASK_COUNT_MAX ||
        memchr(message.sender, 0, sizeof message.sender) == NULL ||
        memchr(message.text, 0, sizeof message.text) == NULL)
        return false;
    *ret_message = message;
    return true;
}

/* A job read from a region that other programs can write, too. */
static bool job_valid(const struct task_job *job)
{
    uint32_t done = 0;

    if (job->tasks > TASK_COUNT_MAX || job->next > job->tasks || job->state > TASK_JOB_DONE)
        return false;
    for (uint32_t id = 0; id < TASK_COUNT_MAX; id++)
        done += task_is_done(job, id);
    return done == job->accepted + job->failed;
}

int task_job_load(struct shmbus_region *buffer, struct task_job *ret_job, int64_t timeout_ns)
{
    static const struct task_job nothing_yet;
    struct task_job job;
    int result = shmbus_region_read(buffer, 0, &job, sizeof job, timeout_ns);

    if (result < 0)
        return result;
    if (memcmp(&job, &nothing_yet, sizeof job) == 0)
        job.magic = JOB_MAGIC; /* a new bus: run 0, state NONE */
    if (job.magic != JOB_MAGIC || !job_valid(&job))
        return PROGRAM_BAD_DATA;
    *ret_job = job;
    return 0;
}

int task_job_save(struct shmbus_region *buffer, const struct task_job *job)
{
    return shmbus_region_write(buffer, 0, job, sizeof *job, SHMBUS_WAIT_FOREVER);
}

int task_input_load(struct shmbus_region *buffer, uint32_t task_id, struct task_input *ret_input)
{
    struct task_input input;
    int result;

    if (task_id >= TASK_COUNT_MAX)
        return -ERANGE;
    result = shmbus_region_read(buffer, INPUT_OFFSET + task_id * sizeof input, &input, sizeof input,
                                SHMBUS_WAIT_FOREVER);
    if (result < 0)
        return result;
    input.data[sizeof input.data - 1] = 0;
    *ret_input = input;
    return 0;
}

int task_input_save(struct shmbus_region *buffer, const struct task_input *input)
{
    if (input->task_id >= TASK_COUNT_MAX)
        return -ERANGE;
    return shmbus_region_write(buffer, INPUT_OFFSET + input->task_id * sizeof *input, input,
                               sizeof *input, SHMBUS_WAIT_FOREVER);
}

int task_output_load(struct shmbus_region *buffer, uint32_t task_id, struct task_output *ret_output,
                     int64_t timeout_ns)
{
    struct task_output output;
    int result;

    if (task_id >= TASK_COUNT_MAX)
        return -ERANGE;
    result = shmbus_region_read(buffer, OUTPUT_OFFSET + task_id * sizeof output, &output,
                                sizeof output, timeout_ns);
    if (result < 0)
        return result;
    output.worker[sizeof output.worker - 1] = 0;
    output.result[sizeof output.result - 1] = 0;
    *ret_output = output;
    return 0;
}

int task_output_save(struct shmbus_region *buffer, const struct task_output *output)
{
    if (output->task_id >= TASK_COUNT_MAX)
        return -ERANGE;
    return shmbus_region_write(buffer, OUTPUT_OFFSET + output->task_id * sizeof *output, output,
                               sizeof *output, SHMBUS_WAIT_FOREVER);
}

void task_result_text(uint32_t task_id, char *to, size_t to_bytes)
{
    memset(to, 0, to_bytes);
    snprintf(to, to_bytes, "processed_task_data_%" PRIu32, task_id);
}

bool task_output_correct(const struct task_output *output, uint64_t run_id, uint32_t task_id)
{
    char wanted[sizeof output->result];

    task_result_text(task_id, wanted, sizeof wanted);
    return output->run_id == run_id && output->task_id == task_id &&
           output->state == TASK_FINISHED && strcmp(output->result, wanted) == 0;
}

bool task_is_done(const struct task_job *job, uint32_t task_id)
{
    return task_id < TASK_COUNT_MAX && (job->done[task_id / 64] >> (task_id % 64) & 1) != 0;
}

int task_channel_stat(struct shmbus *bus, const char *name, struct shmbus_channel_stat *ret_stat)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};

    for (uint32_t i = 0;; i++) {
        int result = shmbus_channel_stat(bus, i, &stat);
        if (result == -ENODATA)
            continue;
        if (result < 0)
            return result;
        if (strcmp(stat.name, name) != 0)
            continue;
        *ret_stat = stat;
        return 0;
    }
}

int task_process_stat(struct shmbus *bus, pid_t pid, struct shmbus_process_stat *ret_stat)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};

    for (uint32_t i = 0;; i++) {
        int result = shmbus_process_stat(bus, i, &stat);
        if (result == -ENODATA)
            continue;
        if (result < 0)
            return result;
        if (stat.pid != pid || !stat.same_pid_namespace)
            continue;
        *ret_stat = stat;
        return 0;
    }
}
