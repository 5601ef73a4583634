/* SPDX-License-Identifier: MIT */
/* The shortest receiver: recv BUS QUEUE prints one message, waiting for it.
 * The message is acknowledged after it was printed: killed before that, the next receiver gets it.
 * Exit 0: printed; 1: failed; 2: wrong usage. */
#include <stdio.h>

#include <shmbus/shmbus.h>

int main(int argc, char **argv)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *queue = NULL;
    struct shmbus_msg msg;

    if (argc != 3)
        return fprintf(stderr, "usage: recv BUS QUEUE\n"), 2;
    if (shmbus_attach(argv[1], NULL, &bus) < 0 ||
        shmbus_channel_open(bus, argv[2], SHMBUS_OPEN_RECV, NULL, &queue) < 0 ||
        shmbus_recv(queue, &msg, SHMBUS_WAIT_FOREVER) < 0) {
        fprintf(stderr, "recv: %s\n", shmbus_detail());
        return shmbus_detach(bus), 1;
    }
    int printed = printf("%.*s\n", (int)msg.size_bytes, (const char *)msg.data);
    if (printed < 0 || fflush(stdout) != 0) /* not printed: detach gives the message back */
        return perror("recv: standard output"), shmbus_detach(bus), 1;
    shmbus_release(&msg);
    return shmbus_detach(bus), 0;
}
