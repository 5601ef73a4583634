/* SPDX-License-Identifier: MIT */
/*
 * A queue in an epoll loop beside other descriptors; here a signalfd, so that SIGINT and SIGTERM
 * are events like any other.
 *
 *   epoll BUS QUEUE      prints what arrives, until SIGINT or SIGTERM
 *
 * Exit 0: told to stop; 1: failed; 2: wrong usage.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "epoll: %s: %s\n", what, why);
    return 1;
}

/* The rule of shmbus_channel_fd(): once readable, receive until -EAGAIN, then poll again. */
static int drain(struct shmbus_channel *queue)
{
    struct shmbus_msg msg;
    int result;

    while ((result = shmbus_recv(queue, &msg, 0)) == 0) {
        printf("%.*s\n", (int)msg.size_bytes, (const char *)msg.data);
        if ((result = shmbus_release(&msg)) < 0)
            break;
    }
    fflush(stdout);
    return result == -EAGAIN ? 0 : result;
}

static int loop(struct shmbus_channel *queue, int epoll_fd, int signal_fd)
{
    struct epoll_event event;

    for (;;) {
        if (epoll_wait(epoll_fd, &event, 1, -1) < 0) {
            if (errno != EINTR)
                return fail("epoll_wait", strerror(errno));
        } else if (event.data.fd == signal_fd) {
            return 0;
        } else if (drain(queue) < 0) {
            return fail("receive", shmbus_detail());
        }
    }
}

static int watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *queue = NULL;
    sigset_t stop;
    int status = 1, fd, epoll_fd = -1, signal_fd = -1;

    if (argc != 3)
        return fprintf(stderr, "usage: epoll BUS QUEUE\n"), 2;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (shmbus_attach(argv[1], NULL, &bus) < 0 ||
        shmbus_channel_open(bus, argv[2], SHMBUS_OPEN_RECV, NULL, &queue) < 0 ||
        (fd = shmbus_channel_fd(queue)) < 0)
        fail("queue", shmbus_detail());
    else if (watch(epoll_fd, signal_fd) < 0 || watch(epoll_fd, fd) < 0)
        fail("epoll", strerror(errno));
    else
        status = loop(queue, epoll_fd, signal_fd);

    shmbus_detach(bus); /* closes the queue's descriptor, too */
    close(epoll_fd);
    close(signal_fd);
    return status;
}
