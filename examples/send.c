/* SPDX-License-Identifier: MIT */
/* The shortest sender: send BUS QUEUE TEXT
 * Makes the bus and the queue when they are not there. Once shmbus_send() has answered 0, the
 * message survives the death of everybody. Exit 0: sent; 1: failed; 2: wrong usage. */
#include <stdio.h>
#include <string.h>

#include <shmbus/shmbus.h>

int main(int argc, char **argv)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *queue = NULL;

    if (argc != 4)
        return fprintf(stderr, "usage: send BUS QUEUE TEXT\n"), 2;
    if (shmbus_attach(argv[1], NULL, &bus) < 0 ||
        shmbus_channel_open(bus, argv[2], SHMBUS_OPEN_SEND, NULL, &queue) < 0 ||
        shmbus_send(queue, argv[3], strlen(argv[3]), SHMBUS_WAIT_FOREVER) < 0) {
        fprintf(stderr, "send: %s\n", shmbus_detail());
        return shmbus_detach(bus), 1;
    }
    shmbus_detach(bus);
    return 0;
}
