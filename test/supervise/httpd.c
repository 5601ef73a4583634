/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP worker for the tests of `shmbusctl supervise` and, unchanged, of start_server: it
 * takes the listening socket it is given (SERVER_STARTER_PORT, or LISTEN_FDS), answers each request
 * with its generation and pid (under /bad with 503), and on SIGTERM finishes the one in hand.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>
#include <unistd.h>

static int listening_socket(void)
{
    const char *ports = getenv("SERVER_STARTER_PORT"), *count = getenv("LISTEN_FDS");
    const char *equals = ports != NULL ? strchr(ports, '=') : NULL;

    if (equals != NULL) {
        return (int)strtol(equals + 1, NULL, 10);
    }
    return count != NULL && strtol(count, NULL, 10) > 0 ? 3 : -1;
}

static void say_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (path == NULL || strlen(path) >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("httpd: READY=1");
    }
    close(fd);
}

static void answer(int fd)
{
    char request[2048], text[256], body[128];
    const char *generation = getenv("SERVER_STARTER_GENERATION");
    size_t used = 0;
    int length;

    while (used < sizeof request - 1) {
        ssize_t bytes = recv(fd, request + used, sizeof request - 1 - used, 0);

        if (bytes <= 0) {
            close(fd);
            return;
        }
        used += (size_t)bytes;
        request[used] = 0;
        if (strstr(request, "\r\n\r\n") != NULL) {
            break;
        }
    }
    length = snprintf(body, sizeof body, "generation %s pid %d\n",
                      generation != NULL ? generation : "-", getpid());
    length =
        snprintf(text, sizeof text,
                 "HTTP/1.0 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                 strncmp(request, "GET /bad", 8) == 0 ? "503 Not yet" : "200 OK", length, body);
    send(fd, text, (size_t)length, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof request, 0) > 0) { /* until the client has it all */
    }
    close(fd);
}

int main(void)
{
    int listening = listening_socket();
    struct pollfd fds[2] = {{.fd = listening, .events = POLLIN}, {.events = POLLIN}};
    sigset_t set;

    if (listening < 0) {
        fprintf(stderr, "httpd: no listening socket in the environment\n");
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
    say_ready();
    for (;;) {
        if (poll(fds, 2, -1) < 0 || (fds[1].revents & POLLIN) != 0) {
            return 0;
        }
        if ((fds[0].revents & POLLIN) != 0) {
            int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

            if (fd >= 0) {
                answer(fd);
            }
        }
    }
}
