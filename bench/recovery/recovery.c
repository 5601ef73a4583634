/* SPDX-License-Identifier: MIT */
/*
 * How long after a SIGKILL the others go on:  shmbus-recovery [--rounds N] [--seconds N]
 *
 *   waiter   a receiver blocked on the stream of the killed process returns
 *   blocks   all blocks that the killed process held are free again
 *   task     the task it held is in another worker's hands
 *
 * The clock starts before the system call that kills. Prints a table beside what the peers
 * document, then one line of JSON. Exit status: 0; 1 when a survivor saw anything else than it
 * must; 2 usage.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define SETTLE_NS 2000000 /* the survivor is asleep by then, which is the harder case */
#define PATIENCE_NS 2000000000
#define BLOCKS_HELD 8

enum row { WAITER, BLOCKS, TASK, ROWS };

static const char *const row_names[ROWS] = {"waiter", "blocks", "task"};
static const char *const row_texts[ROWS] = {
    "a receiver blocked on its stream returns",
    "all blocks it held are free again",
    "the task it held is in another's hands",
};

/* Not measured here: what each project documents or says in the place named. */
static const struct {
    const char *peer, *says, *where;
} peers[] = {
    {"iceoryx2", "nobody is told; cleaned up when a node or service is next made, or by a call",
     "FAQ.md \"Failed To Create Port\", issue 314"},
    {"Aeron", "10 s client liveness, 15 s until a half-sent message is skipped",
     "defaults in aeron_driver_context.c"},
    {"libqb", "at once: a socket for each connection hangs up; no redelivery", "lib/ipc_shm.c"},
    {"ZeroMQ", "as the program beats: 3 beats of 1 s in the guide; a pushed task is lost",
     "zguide chapter 4, \"Paranoid Pirate\""},
    {"cpp-ipc", "no notion of death: receivers wait on, blocks leak until files are deleted",
     "issues 1, 79, 100"},
    {"Python Queue", "killed inside get or put: the lock stays taken, forever",
     "manual of multiprocessing; cpython issue 96062"},
};

static char name[SHMBUS_NAME_BYTES];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "shmbus-recovery: %s: %s\n", what, why);
    shmbus_unlink(name);
    exit(1);
}

static void must(int result, const char *what)
{
    if (result < 0) {
        fail(what, shmbus_detail());
    }
}

static void make_bus(void)
{
    struct shmbus_plan *plan = NULL;
    struct shmbus_channel_opts tasks = {.struct_bytes = sizeof(tasks), .depth = 16};
    struct shmbus_channel_opts ticks = {
        .struct_bytes = sizeof(ticks), .kind = SHMBUS_KIND_STREAM, .bytes = 65536};

    must(shmbus_plan_new(4u << 20, &plan), "plan");
    must(shmbus_plan_add_channel(plan, "tasks", &tasks), "plan");
    must(shmbus_plan_add_channel(plan, "ticks", &ticks), "plan");
    must(shmbus_create(name, plan, NULL), "create");
    shmbus_plan_free(plan);
}

/* The victim: sends on the stream, holds a task and some blocks, says that it does, and waits. */
static void victim(int ready)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ticks = NULL;
    struct shmbus_channel *tasks = NULL;
    struct shmbus_msg msg;
    struct shmbus_msg reserved[BLOCKS_HELD];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(shmbus_attach(name, NULL, &bus), "attach");
    must(shmbus_channel_open(bus, "ticks", SHMBUS_OPEN_SEND, NULL, &ticks), "open");
    must(shmbus_channel_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &tasks),
         "open");
    must(shmbus_recv(tasks, &msg, PATIENCE_NS), "recv");
    for (size_t i = 0; i < BLOCKS_HELD; i++) {
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
        fail("pipe", strerror(errno));
    }
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        victim(ends[1]);
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &c, 1) != 1) {
        fail("the victim", "did not start");
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
    struct timespec settle = {0, SETTLE_NS};
    nanosleep(&settle, NULL);
    shot->when_ns = now_ns();
    kill(shot->pid, SIGKILL);
    return NULL;
}

static uint64_t blocks_held(struct shmbus *bus)
{
    struct shmbus_block_stat st = {.struct_bytes = sizeof st};
    uint64_t held = 0;
    for (uint32_t c = 0; shmbus_block_stat(bus, c, &st) == 0; c++) {
        held += st.held;
        st.struct_bytes = sizeof st;
    }
    return held;
}

/* The task that the victim held comes once more, marked as such. */
static void take_task(struct shmbus_channel *tasks, struct shmbus_msg *ret_msg)
{
    must(shmbus_recv(tasks, ret_msg, PATIENCE_NS), "the task of the killed process");
    if (ret_msg->delivery_count != 2) {
        fail("the task of the killed process", "its delivery count is not 2");
    }
}

struct survivor {
    struct shmbus *bus;
    struct shmbus_channel *tasks, *ticks;
};

static void join(struct survivor *me)
{
    must(shmbus_attach(name, NULL, &me->bus), "attach");
    must(shmbus_channel_open(me->bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL,
                             &me->tasks),
         "open");
    must(shmbus_channel_open(me->bus, "ticks", SHMBUS_OPEN_RECV, NULL, &me->ticks), "open");
    must(shmbus_send(me->tasks, "work", 4, 0), "send");
}

/* Blocked until the death shows; returns when it did. */
static int64_t survive(const struct survivor *me, enum row row)
{
    struct shmbus_msg msg;
    int64_t back_ns;

    if (row == WAITER) {
        int r = shmbus_recv(me->ticks, &msg, PATIENCE_NS);
        back_ns = now_ns();
        if (r != -SHMBUS_ERR_PEER_DEAD) {
            fail("the blocked receiver", r < 0 ? shmbus_detail() : "received a message");
        }
        take_task(me->tasks, &msg);
        must(shmbus_release(&msg), "release");
        return back_ns;
    }
    take_task(me->tasks, &msg);
    back_ns = now_ns();
    must(shmbus_release(&msg), "release");
    if (row == BLOCKS) {
        while (blocks_held(me->bus) > 0) {
            if (now_ns() - back_ns > PATIENCE_NS) {
                fail("the blocks of the killed process", "are still held");
            }
        }
        back_ns = now_ns();
    }
    return back_ns;
}

static int64_t one_round(enum row row)
{
    struct survivor me;
    struct shot shot = {0, 0};
    pthread_t shooter;
    int64_t back_ns;
    int status;

    join(&me);
    shot.pid = start_victim();
    if (pthread_create(&shooter, NULL, shoot, &shot) != 0) {
        kill(shot.pid, SIGKILL);
        fail("thread", "cannot be made");
    }
    back_ns = survive(&me, row);
    pthread_join(shooter, NULL);
    waitpid(shot.pid, &status, 0);
    shmbus_detach(me.bus);
    return back_ns - shot.when_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct result {
    int64_t *took_ns;
    size_t count;
};

static double quantile_ms(const struct result *r, double q)
{
    size_t rank = (size_t)(q * (double)r->count);
    return (double)r->took_ns[rank < r->count ? rank : r->count - 1] / 1e6;
}

static void print_table(const struct result *results)
{
    printf("%-42s %9s %9s %9s %6s\n", "ms from SIGKILL until", "median", "p99", "worst", "n");
    for (int row = 0; row < ROWS; row++) {
        const struct result *r = &results[row];
        printf("%-42s %9.3f %9.3f %9.3f %6zu\n", row_texts[row], quantile_ms(r, 0.5),
               quantile_ms(r, 0.99), quantile_ms(r, 1), r->count);
    }
    printf("\nothers, as documented (not measured here)\n");
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        printf("%-13s %s\n%-13s   [%s]\n", peers[i].peer, peers[i].says, "", peers[i].where);
    }
}

static void print_json(const struct result *results, double seconds)
{
    printf("{\"target\":\"bench-recovery\"");
    for (int row = 0; row < ROWS; row++) {
        const struct result *r = &results[row];
        printf(",\"%s\":{\"n\":%zu,\"median_us\":%.1f,\"p99_us\":%.1f,\"worst_us\":%.1f}",
               row_names[row], r->count, quantile_ms(r, 0.5) * 1e3, quantile_ms(r, 0.99) * 1e3,
               quantile_ms(r, 1) * 1e3);
    }
    printf(",\"failures\":0,\"seconds\":%.1f}\n", seconds);
}

/* The rows take turns, so that a disturbance of the machine hits all of them. */
static void measure(struct result *results, size_t rounds, int64_t end_ns)
{
    for (size_t i = 0; i < rounds && (i == 0 || now_ns() < end_ns); i++) {
        for (int row = 0; row < ROWS; row++) {
            results[row].took_ns[results[row].count++] = one_round((enum row)row);
        }
    }
    for (int row = 0; row < ROWS; row++) {
        qsort(results[row].took_ns, results[row].count, sizeof *results[row].took_ns, compare);
    }
}

static bool read_options(int argc, char **argv, unsigned long *rounds, unsigned long *seconds)
{
    for (int i = 1; i < argc; i += 2) {
        unsigned long *to = strcmp(argv[i], "--rounds") == 0    ? rounds
                            : strcmp(argv[i], "--seconds") == 0 ? seconds
                                                                : NULL;
        char *end = NULL;
        if (to == NULL || i + 1 == argc) {
            return false;
        }
        *to = strtoul(argv[i + 1], &end, 10);
        if (*end != 0 || *to == 0 || *to > 1000000) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    unsigned long rounds = 2000;
    unsigned long seconds = 45;
    struct result results[ROWS] = {{NULL, 0}};
    int64_t *took_ns;
    int64_t begin_ns = now_ns();

    if (!read_options(argc, argv, &rounds, &seconds)) {
        fprintf(stderr, "usage: shmbus-recovery [--rounds N] [--seconds N]\n");
        return 2;
    }
    took_ns = calloc(ROWS * rounds, sizeof *took_ns);
    if (took_ns == NULL) {
        fprintf(stderr, "shmbus-recovery: out of memory\n");
        return 1;
    }
    for (size_t row = 0; row < ROWS; row++) {
        results[row].took_ns = took_ns + row * rounds;
    }
    snprintf(name, sizeof name, "recovery-%d", (int)getpid());
    make_bus();
    measure(results, rounds, begin_ns + (int64_t)seconds * 1000000000);
    must(shmbus_unlink(name), "unlink");
    print_table(results);
    print_json(results, (double)(now_ns() - begin_ns) / 1e9);
    free(took_ns);
    return 0;
}
