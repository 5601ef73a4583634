/* SPDX-License-Identifier: MIT */
/*
 * A worker with a thread for each CPU. They share the bus; each opens its own channel handles,
 * because a channel handle is for one thread at a time.
 *
 *   threads
 *
 * The main thread sends the numbers 1 .. N into one queue; each thread writes the square of a
 * number over it and forwards the message, so the payload never moves; the main thread adds up.
 * Exit 0: the sum is right; 1: failed.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define NUMBERS 100000u
#define THREADS_MAX 64

struct worker {
    pthread_t thread;
    struct shmbus *bus;
    uint64_t squared;
};

static char bus_name[SHMBUS_NAME_BYTES];

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "threads: %s: %s\n", what, shmbus_detail());
    shmbus_unlink(bus_name);
    exit(1);
}

static void *square(void *context)
{
    struct worker *worker = context;
    struct shmbus_channel *numbers = NULL, *squares = NULL;
    struct shmbus_msg msg;

    must(shmbus_channel_open(worker->bus, "numbers", SHMBUS_OPEN_RECV, NULL, &numbers), "open");
    must(shmbus_channel_open(worker->bus, "squares", SHMBUS_OPEN_SEND, NULL, &squares), "open");
    for (;;) {
        must(shmbus_recv(numbers, &msg, SHMBUS_WAIT_FOREVER), "receive");
        if (msg.type == SHMBUS_TYPE_STOP)
            break;
        uint64_t *number = msg.data;
        *number *= *number;
        must(shmbus_forward(&msg, squares, SHMBUS_WAIT_FOREVER), "forward");
        worker->squared++;
    }
    must(shmbus_release(&msg), "release");
    shmbus_channel_close(squares);
    shmbus_channel_close(numbers);
    return NULL;
}

/* Sends and collects by turns, so that neither queue has to hold everything. */
static uint64_t add_up(struct shmbus_channel *numbers, struct shmbus_channel *squares)
{
    uint64_t sum = 0, next = 1, value;

    for (uint32_t collected = 0; collected < NUMBERS; collected++) {
        while (next <= NUMBERS && shmbus_send(numbers, &next, sizeof next, 0) == 0)
            next++;
        size_t size;
        must(shmbus_recv_copy(squares, &value, sizeof value, &size, NULL, SHMBUS_WAIT_FOREVER),
             "receive");
        sum += value;
    }
    return sum;
}

int main(void)
{
    static struct worker workers[THREADS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int count = cpus < 1 ? 1 : cpus > THREADS_MAX ? THREADS_MAX : (int)cpus;
    struct shmbus *bus = NULL;
    struct shmbus_channel *numbers = NULL, *squares = NULL;
    const struct shmbus_send_opts stop = {.struct_bytes = sizeof stop, .type = SHMBUS_TYPE_STOP};

    snprintf(bus_name, sizeof bus_name, "threads-example.%d", (int)getpid());
    must(shmbus_attach(bus_name, NULL, &bus), "attach");
    must(shmbus_channel_open(bus, "numbers", SHMBUS_OPEN_SEND, NULL, &numbers), "open");
    must(shmbus_channel_open(bus, "squares", SHMBUS_OPEN_RECV, NULL, &squares), "open");
    for (int i = 0; i < count; i++) {
        workers[i].bus = bus;
        if (pthread_create(&workers[i].thread, NULL, square, &workers[i]) != 0)
            return perror("threads"), 1;
    }
    uint64_t sum = add_up(numbers, squares);
    for (int i = 0; i < count; i++)
        must(shmbus_send_with(numbers, &stop, NULL, 0, SHMBUS_WAIT_FOREVER), "stop");
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        printf("thread %d squared %" PRIu64 " numbers\n", i, workers[i].squared);
    }
    shmbus_detach(bus);
    shmbus_unlink(bus_name);

    uint64_t n = NUMBERS, expected = n * (n + 1) * (2 * n + 1) / 6;
    printf("sum %" PRIu64 ", expected %" PRIu64 "\n", sum, expected);
    return sum == expected ? 0 : 1;
}
