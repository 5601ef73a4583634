/* SPDX-License-Identifier: MIT */
/*
 * What the coordinator, the workers and the demo agree on: names, the message format and the
 * layout of the data_buffer region. coordinator.c explains the protocol.
 */
#ifndef SHMBUS_EXAMPLE_TASK_H
#define SHMBUS_EXAMPLE_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <shmbus/shmbus.h>

#define TASK_BUS "shmbus-demo"
#define TASK_QUEUE "task_queue"
#define TASK_QUEUE_DEAD "task_queue.dead"
#define TASK_RESULTS "result_queue"
#define TASK_COORDINATOR "coordinator" /* a stream nobody writes to: its receiving end is a lock */
#define TASK_BUFFER "data_buffer"

#define TASK_COUNT_MAX 4096u
#define TASK_BEAT_NS ((int64_t)5000000000)   /* a heartbeat every 5 s */
#define TASK_ALIVE_NS ((int64_t)10000000000) /* alive: seen within 10 s */

/* The payload of every message, task and result alike: a worker fills its answer into the task it
 * received and forwards it. magic, task_id and run_id are never changed by it, so a task that
 * comes again after a worker's death is whole whatever the worker was doing. */
struct task_message {
    uint32_t magic;
    uint32_t task_id;
    uint64_t run_id;
    uint32_t delivery; /* result: the delivery count the task had */
    uint32_t reserved;
    char sender[SHMBUS_NAME_BYTES]; /* who wrote text */
    char text[56]; /* result: "processed_task_data_N"; control: "joins", "leaves" */
};

enum task_job_state {
    TASK_JOB_NONE = 0,
    TASK_JOB_RUNNING = 1,
    TASK_JOB_STOPPING = 2,
    TASK_JOB_DONE = 3
};

/* data_buffer, offset 0: how far the coordinator is. Always written as a whole, and such a write
 * is all or nothing, so a coordinator started after a crash goes on from here. */
struct task_job {
    uint64_t magic;
    uint64_t run_id; /* 1, 2, … : each run of TASK_COUNT_MAX tasks at most */
    uint32_t state;  /* enum task_job_state */
    uint32_t tasks;
    uint32_t next;        /* the first task not yet sent */
    uint32_t accepted;    /* results counted, each task once */
    uint32_t starts;      /* coordinator processes that worked on this run */
    uint32_t duplicates;  /* results of tasks that had one already */
    uint32_t redelivered; /* accepted results whose task was delivered more than once */
    uint32_t failed;      /* tasks set aside after max_deliveries */
    uint64_t done[TASK_COUNT_MAX / 64];
};

/* data_buffer: what a task works on. Written by the coordinator before the run starts. */
struct task_input {
    uint64_t run_id;
    uint32_t task_id;
    char data[36]; /* "task_data_N" */
};

enum task_output_state { TASK_STARTED = 1, TASK_FINISHED = 2 };

/* data_buffer: what came out. Written by the worker that has the task. */
struct task_output {
    uint64_t run_id;
    uint32_t task_id;
    uint32_t state;    /* enum task_output_state */
    uint32_t delivery; /* delivery count of the task */
    int32_t pid;
    int64_t start_ns; /* CLOCK_MONOTONIC */
    char worker[SHMBUS_NAME_BYTES];
    char result[48]; /* "processed_task_data_N" */
};

/* The plan of the bus: from @config (YAML), or the same built in when it is NULL. */
int task_plan(const char *config, struct shmbus_plan **ret_plan);

/* Fills a message; @text is cut off if too long. */
void task_message_make(struct task_message *message, uint64_t run_id, uint32_t task_id,
                       const char *sender, const char *text);

/* Copies the payload of @msg and checks everything about it that can be checked. */
bool task_message_read(const struct shmbus_msg *msg, struct task_message *ret_message);

/* Copies a string into an array of fixed size, the rest filled with 0. */
void task_text(char *to, size_t to_bytes, const char *text);

/* Each returns 0 or what the region call returned; -ERANGE for a task beyond the end. */
int task_job_load(struct shmbus_region *buffer, struct task_job *ret_job, int64_t timeout_ns);
int task_job_save(struct shmbus_region *buffer, const struct task_job *job);
int task_input_load(struct shmbus_region *buffer, uint32_t task_id, struct task_input *ret_input);
int task_input_save(struct shmbus_region *buffer, const struct task_input *input);
int task_output_load(struct shmbus_region *buffer, uint32_t task_id, struct task_output *ret_output,
                     int64_t timeout_ns);
int task_output_save(struct shmbus_region *buffer, const struct task_output *output);

/* Whether the record holds the right result of this task of this run. */
bool task_output_correct(const struct task_output *output, uint64_t run_id, uint32_t task_id);

/* "processed_task_data_N" */
void task_result_text(uint32_t task_id, char *to, size_t to_bytes);

bool task_is_done(const struct task_job *job, uint32_t task_id);

/* The statistics row of a channel or of an attached process; -ENOENT when there is none. */
int task_channel_stat(struct shmbus *bus, const char *name, struct shmbus_channel_stat *ret_stat);
int task_process_stat(struct shmbus *bus, pid_t pid, struct shmbus_process_stat *ret_stat);

#endif
