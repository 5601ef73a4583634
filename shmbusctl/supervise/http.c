/* SPDX-License-Identifier: MIT */
/* The HTTP probe: one GET, the status line of the answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

static bool parse_host(const char *host, const char *port, struct sup_url *url)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&url->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&url->address;
    char *end;
    unsigned long number = strtoul(port, &end, 10);

    if (*end != 0 || number == 0 || number > 65535) {
        return false;
    }
    memset(&url->address, 0, sizeof url->address);
    if (host[0] == '[') {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)number);
        url->address_bytes = sizeof *six;
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)number);
    url->address_bytes = sizeof *four;
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &four->sin_addr) == 1;
}

const char *sup_url_parse(const char *text, struct sup_url *ret_url)
{
    char host[64], port[8] = "80";
    const char *at = text + 7, *path, *host_end, *colon;
    size_t host_bytes;

    if (strncmp(text, "http://", 7) != 0) {
        return "expected http://IP:PORT/PATH";
    }
    path = at + strcspn(at, "/");
    host_end = at[0] == '[' ? at + strcspn(at, "]") : NULL;
    colon = memchr(host_end != NULL ? host_end : at, ':',
                   (size_t)(path - (host_end != NULL ? host_end : at)));
    if (host_end == NULL) {
        host_end = colon != NULL ? colon : path;
    }
    host_bytes = (size_t)(host_end - at);
    if (host_bytes == 0 || host_bytes >= sizeof host ||
        (colon != NULL && (path - colon < 2 || path - colon > 6))) {
        return "expected http://IP:PORT/PATH";
    }
    memcpy(host, at, host_bytes);
    host[host_bytes] = 0;
    if (colon != NULL) {
        memcpy(port, colon + 1, (size_t)(path - colon - 1));
        port[path - colon - 1] = 0;
    }
    if (!parse_host(host, port, ret_url)) {
        return "the address is not in numbers (localhost is fine), or the port is none";
    }
    if ((size_t)snprintf(ret_url->request, sizeof ret_url->request,
                         "GET %s HTTP/1.0\r\nHost: %.*s\r\nUser-Agent: shmbusctl\r\n"
                         "Connection: close\r\n\r\n",
                         path[0] != 0 ? path : "/", (int)(path - at),
                         at) >= sizeof ret_url->request) {
        return "it is too long";
    }
    return NULL;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool wait_for(int fd, short events, int64_t end_ns)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int64_t left_ns = end_ns - now_ns();

    return left_ns > 0 && poll(&poll_fd, 1, (int)(left_ns / 1000000) + 1) == 1;
}

static bool connect_within(int fd, const struct sup_url *url, int64_t end_ns)
{
    int error = 0;
    socklen_t bytes = sizeof error;

    if (connect(fd, (const struct sockaddr *)&url->address, url->address_bytes) == 0) {
        return true;
    }
    return errno == EINPROGRESS && wait_for(fd, POLLOUT, end_ns) &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0;
}

int sup_http_ask(const struct sup_url *url, int64_t limit_ns)
{
    int64_t end_ns = now_ns() + limit_ns;
    int fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char answer[16];
    size_t used = 0;

    if (fd < 0 || !connect_within(fd, url, end_ns) ||
        send(fd, url->request, strlen(url->request), MSG_NOSIGNAL) < 0) {
        return 1;
    }
    while (used < 12 && wait_for(fd, POLLIN, end_ns)) { /* "HTTP/1.1 200" */
        ssize_t bytes = recv(fd, answer + used, sizeof answer - 1 - used, 0);

        if (bytes <= 0) {
            break;
        }
        used += (size_t)bytes;
    }
    close(fd);
    return used >= 12 && memcmp(answer, "HTTP/1.", 7) == 0 && answer[9] == '2' ? 0 : 1;
}
