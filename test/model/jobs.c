/* SPDX-License-Identifier: MIT */
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    pid_t pid; /* 0: not begun, or ended */
    bool ended;
    int status;
    FILE *out;
};

static bool begin(struct job *job, bool (*do_job)(void *, unsigned), void *context, unsigned i)
{
    job->out = tmpfile();
    fflush(NULL);
    job->pid = job->out == NULL ? -1 : fork();
    if (job->pid == 0) {
        dup2(fileno(job->out), STDOUT_FILENO);
        bool failed = do_job(context, i);
        fflush(NULL);
        _exit(failed);
    }
    return job->pid > 0;
}

static void await_one(struct job *jobs, unsigned begun)
{
    int status = 0;
    pid_t pid = wait(&status);
    for (unsigned i = 0; i < begun; i++) {
        if (jobs[i].pid == pid) {
            jobs[i].pid = 0;
            jobs[i].ended = true;
            jobs[i].status = status;
        }
    }
}

/* Copies what the job printed and forgets it. Returns whether it failed. */
static bool finish(struct job *job, unsigned i)
{
    char line[1024];
    rewind(job->out);
    while (fgets(line, sizeof line, job->out) != NULL) {
        fputs(line, stdout);
    }
    fclose(job->out);
    if (!WIFEXITED(job->status)) {
        printf("FAILURE: job %u ended with wait status 0x%x\n", i, (unsigned)job->status);
    }
    fflush(stdout);
    return job->status != 0;
}

unsigned t_jobs_run(unsigned count, bool (*do_job)(void *context, unsigned i), void *context)
{
    struct job *jobs = calloc(count, sizeof *jobs);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned at_a_time = processors > 0 ? (unsigned)processors : 1;
    unsigned begun = 0, finished = 0, failures = 0;

    if (jobs == NULL) {
        return 1;
    }
    while (finished < begun || (begun < count && failures == 0)) {
        if (begun < count && failures == 0 && begun - finished < 4 * at_a_time) {
            unsigned running = 0;
            for (unsigned i = finished; i < begun; i++) {
                running += !jobs[i].ended;
            }
            if (running < at_a_time) {
                if (!begin(&jobs[begun], do_job, context, begun)) {
                    perror("shmbus-model: cannot start a job");
                    failures++;
                    continue;
                }
                begun++;
                continue;
            }
        }
        if (!jobs[finished].ended) {
            await_one(jobs, begun);
            continue;
        }
        failures += finish(&jobs[finished], finished);
        finished++;
    }
    free(jobs);
    return failures;
}
