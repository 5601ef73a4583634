/*
 * How long after a SIGKILL others go on:  shmbus-recovery [ROUNDS]
 *
 *   waiter   a receiver blocked on the stream of the killed process returns
 *   blocks   all blocks that the killed process held are free again
 *   task     the task it held is in another worker's hands
 *
 * One JSON line a row on standard output, then a line for people.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define SETTLE_NS 2000000 /* the survivor is asleep by then; only makes the measurement harder */

static char name[SHMBUS_NAME_BYTES];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "shmbus-recovery: %s: %s\n", what, shmbus_detail());
        shmbus_unlink(name);
        exit(1);
    }
}

static void make_bus(void)
{
    struct shmbus_plan *plan = NULL;
    struct shmbus_channel_plan tasks = { .name = "tasks", .kind = SHMBUS_QUEUE, .depth = 16 };
    struct shmbus_channel_plan ticks = { .name = "ticks", .kind = SHMBUS_STREAM, .bytes = 65536 };

    must(shmbus_plan_new(4u << 20, &plan), "plan");
    must(shmbus_plan_add_channel(plan, &tasks), "plan");
    must(shmbus_plan_add_channel(plan, &ticks), "plan");
    must(shmbus_create(name, plan), "create");
    shmbus_plan_free(plan);
}

/* The victim: sends on the stream, holds a task and some blocks, says that it does, and waits. */
static void victim(int ready)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ticks = NULL;
    struct shmbus_channel *tasks = NULL;
    struct shmbus_msg msg;
    struct shmbus_msg reserved[8];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(shmbus_attach(name, NULL, &bus), "attach");
    must(shmbus_open(bus, "ticks", SHMBUS_SEND, &ticks), "open");
    must(shmbus_open(bus, "tasks", SHMBUS_SEND | SHMBUS_RECV, &tasks), "open");
    must(shmbus_recv(tasks, &msg, 1000000000), "recv");
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        must(shmbus_reserve(tasks, 64, &reserved[i], 0), "reserve");
    }
    if (write(ready, "r", 1) != 1) {
        exit(1);
    }
    for (;;) {
        pause();
    }
}

static pid_t start_victim(void)
{
    int ends[2];
    char c;
    pid_t pid;

    if (pipe(ends) < 0) {
        perror("shmbus-recovery: pipe");
        exit(1);
    }
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        victim(ends[1]);
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &c, 1) != 1) {
        fprintf(stderr, "shmbus-recovery: the victim did not start\n");
        exit(1);
    }
    close(ends[0]);
    return pid;
}

struct shot {
    pid_t pid;
    int64_t when_ns;
};

static void *shoot(void *argument)
{
    struct shot *shot = argument;
    struct timespec settle = { 0, SETTLE_NS };
    nanosleep(&settle, NULL);
    shot->when_ns = now_ns();
    kill(shot->pid, SIGKILL);
    return NULL;
}

static bool all_free(struct shmbus *bus)
{
    struct shmbus_block_stat st = { .struct_bytes = sizeof st };
    for (uint32_t c = 0; shmbus_block_stat(bus, c, &st) == 0; c++) {
        if (st.held > 0) {
            return false;
        }
        st.struct_bytes = sizeof st;
    }
    return true;
}

enum row { WAITER, BLOCKS, TASK, ROWS };

static int64_t one_round(enum row row)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *tasks = NULL;
    struct shmbus_channel *ticks = NULL;
    struct shmbus_msg msg;
    struct shot shot = { 0, 0 };
    pthread_t shooter;
    int64_t back;
    int status;

    must(shmbus_attach(name, NULL, &bus), "attach");
    must(shmbus_open(bus, "tasks", SHMBUS_SEND | SHMBUS_RECV, &tasks), "open");
    must(shmbus_open(bus, "ticks", SHMBUS_RECV, &ticks), "open");
    must(shmbus_send(tasks, "work", 4, 0), "send");
    shot.pid = start_victim();
    pthread_create(&shooter, NULL, shoot, &shot);
    if (row == WAITER) {
        int r = shmbus_recv(ticks, &msg, 2000000000);
        must(r == -SHMBUS_ERR_PEER_DEAD ? 0 : -1, "the blocked receiver");
    } else {
        must(shmbus_recv(tasks, &msg, 2000000000), "the task");
        while (row == BLOCKS && shmbus_release(&msg) == 0 && !all_free(bus)) {
        }
    }
    back = now_ns();
    pthread_join(shooter, NULL);
    waitpid(shot.pid, &status, 0);
    if (row == WAITER) {
        must(shmbus_recv(tasks, &msg, 2000000000), "the task");
    }
    if (row != BLOCKS) {
        must(shmbus_release(&msg), "release");
    }
    shmbus_detach(bus);
    return back - shot.when_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const names[ROWS] = { "waiter", "blocks", "task" };
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    int64_t *took = calloc(rounds, sizeof *took);

    if (took == NULL || rounds == 0) {
        fprintf(stderr, "usage: shmbus-recovery [ROUNDS]\n");
        return 2;
    }
    snprintf(name, sizeof name, "recovery-%d", (int)getpid());
    make_bus();
    for (int row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < rounds; i++) {
            took[i] = one_round((enum row)row);
        }
        qsort(took, rounds, sizeof *took, compare);
        printf("{\"workload\":\"recovery\",\"row\":\"%s\",\"rounds\":%zu,\"median_us\":%.1f,"
               "\"p99_us\":%.1f,\"worst_us\":%.1f}\n",
               names[row], rounds, (double)took[rounds / 2] / 1e3,
               (double)took[rounds * 99 / 100] / 1e3, (double)took[rounds - 1] / 1e3);
        fflush(stdout);
    }
    shmbus_unlink(name);
    free(took);
    return 0;
}
