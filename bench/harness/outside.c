/* SPDX-License-Identifier: MIT */
/* What waiting and having a channel cost, looked at from outside of the process. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "bench.h"

int bench_idle_measure(struct bench *b, const struct bench_peer *peer);
int bench_footprint_measure(struct bench *b, const struct bench_peer *peer);

static uint64_t cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;

    if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static pid_t child(struct bench *b, bench_body_fn body)
{
    struct bench_proc proc = {.bench = b, .slot = &b->shared->slots[0]};
    pid_t pid = fork();

    if (pid == 0) {
        bench_below_parent();
        body(&proc);
        _exit(BENCH_EXIT_OK);
    }
    return pid;
}

static bool await_ready(struct bench *b, pid_t pid)
{
    while (__atomic_load_n(&b->shared->ready, __ATOMIC_SEQ_CST) == 0) {
        if (pid < 0 || waitpid(pid, NULL, WNOHANG) != 0)
            return false;
        usleep(1000);
    }
    __atomic_store_n(&b->shared->go, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void end(struct bench *b, pid_t pid)
{
    __atomic_store_n(&b->shared->stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 200; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* CPU time of a blocked receiver and of the broker, if any, per second of waiting. */
int bench_idle_measure(struct bench *b, const struct bench_peer *peer)
{
    uint64_t start, cpu, daemon, took;
    char extra[96];
    pid_t pid = child(b, peer->idle);

    if (!await_ready(b, pid)) {
        bench_report_none(b, b->shared->error[0] != '\0' ? b->shared->error : "ended early");
        return BENCH_EXIT_FAILED;
    }
    usleep(200000);
    start = bench_now_ns();
    cpu = cpu_ns(pid);
    daemon = cpu_ns(b->daemon_pid);
    usleep((useconds_t)(b->run_ns / 1000));
    cpu = cpu_ns(pid) - cpu;
    daemon = cpu_ns(b->daemon_pid) - daemon;
    took = bench_now_ns() - start;
    if (waitpid(pid, NULL, WNOHANG) != 0) {
        bench_report_none(b, "the receiver did not wait");
        return BENCH_EXIT_FAILED;
    }
    end(b, pid);
    snprintf(extra, sizeof(extra), ",\"daemon_ns\":%llu", (unsigned long long)daemon);
    bench_report_value(b, (double)(cpu + daemon) * 1e9 / (double)took, "ns_per_s", extra);
    return BENCH_EXIT_OK;
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void memory_of(pid_t pid, uint64_t *ret_mapped, uint64_t *ret_resident)
{
    char path[64];
    unsigned long long mapped = 0, resident = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    f = fopen(path, "r");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &mapped, &resident) != 2)
            mapped = resident = 0;
        fclose(f);
    }
    *ret_mapped = mapped * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_resident = resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int fds_of(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    return count_entries(path);
}

static int files_of(const struct bench *b)
{
    return count_entries("/dev/shm") + count_entries("/dev/mqueue") + count_entries(b->dir);
}

struct sight {
    uint64_t mapped, resident;
    int fds, files;
};

/* A process running @body, once it is ready. */
static bool look(struct bench *b, bench_body_fn body, struct sight *ret_sight)
{
    pid_t pid;

    b->shared->ready = b->shared->go = b->shared->stop = 0;
    pid = child(b, body);
    if (!await_ready(b, pid))
        return false;
    usleep(20000);
    memory_of(pid, &ret_sight->mapped, &ret_sight->resident);
    ret_sight->fds = fds_of(pid);
    ret_sight->files = files_of(b);
    end(b, pid);
    return true;
}

static void body_nothing(struct bench_proc *p)
{
    bench_ready(p);
    while (!bench_stopped(p))
        usleep(1000);
}

/* Descriptors, files and memory from before the channel existed to a process having it open. */
int bench_footprint_measure(struct bench *b, const struct bench_peer *peer)
{
    struct sight before, after;
    char extra[160];

    if (!look(b, body_nothing, &before) || peer->setup(b) != 0 ||
        !look(b, peer->footprint, &after)) {
        bench_report_none(b, b->shared->error[0] != '\0' ? b->shared->error : "set-up failed");
        return BENCH_EXIT_FAILED;
    }
    snprintf(extra, sizeof(extra), ",\"files\":%d,\"mapped_bytes\":%lld,\"resident_bytes\":%lld",
             after.files - before.files, (long long)(after.mapped - before.mapped),
             (long long)(after.resident - before.resident));
    bench_report_value(b, after.fds - before.fds, "descriptors", extra);
    return BENCH_EXIT_OK;
}
