/* SPDX-License-Identifier: MIT */
/*
 * hang QUEUE: takes messages from QUEUE of the bus SHMBUS_BUS. It hangs with one that it gets for
 * the first time, in its hands and for good, while a second thread of it goes on; one that comes
 * again it finishes.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

static void *work(void *data)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    (void)data;
    for (;;) {
        nanosleep(&pause, NULL); /* work that has nothing to do with the bus */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *name = getenv("SHMBUS_BUS");
    struct shmbus *bus = NULL;
    struct shmbus_channel *queue = NULL;
    struct shmbus_msg msg;
    pthread_t helper;

    if (argc != 2 || name == NULL || pthread_create(&helper, NULL, work, NULL) != 0 ||
        shmbus_attach(name, NULL, &bus) < 0 ||
        shmbus_channel_open(bus, argv[1], SHMBUS_OPEN_RECV, NULL, &queue) < 0) {
        fprintf(stderr, "hang: %s\n", shmbus_detail());
        return 1;
    }
    while (shmbus_recv(queue, &msg, SHMBUS_WAIT_FOREVER) == 0) {
        while (msg.delivery_count <= 1) {
            pause();
        }
        shmbus_release(&msg);
    }
    return 1;
}
