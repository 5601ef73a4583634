/* SPDX-License-Identifier: MIT */
/*
 * HTTP load without pause: load PORT FILE [N] asks N requests, or one after the other until
 * SIGTERM; writes "REQUESTS FAILED GENERATIONS" to FILE, and ends with status 1 if any request
 * failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked;

static void on_term(int number)
{
    (void)number;
    stop_asked = 1;
}

/* The generation that answered, or -1. */
static long ask(const struct sockaddr_in *server)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char text[1024], *at;
    size_t used = 0;
    ssize_t bytes;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof *server) < 0 ||
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
        fprintf(stderr, "load: %s\n", strerror(errno));
        close(fd);
        return -1;
    }
    while (used < sizeof text - 1 &&
           (bytes = recv(fd, text + used, sizeof text - 1 - used, 0)) > 0) {
        used += (size_t)bytes;
    }
    close(fd);
    text[used] = 0;
    at = strstr(text, "generation ");
    if (strncmp(text, "HTTP/1.0 200", 12) != 0 || at == NULL || strchr(at, '\n') == NULL) {
        fprintf(stderr, "load: half an answer: %s\n", text);
        return -1;
    }
    return strtol(at + 11, NULL, 10);
}

static void report(const char *path, unsigned long requests, unsigned long failed,
                   unsigned long generations)
{
    FILE *file = fopen(path, "w");

    if (file != NULL) {
        fprintf(file, "%lu %lu %lu\n", requests, failed, generations);
        fclose(file);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    struct sigaction action = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    unsigned long requests = 0, failed = 0, generations = 0, most;
    long newest = -1;

    if (argc < 3) {
        return 2;
    }
    most = argc > 3 ? strtoul(argv[3], NULL, 10) : -1ul;
    server.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
    sigaction(SIGTERM, &action, NULL);
    while (!stop_asked && requests < most) {
        long generation = ask(&server);

        requests++;
        failed += generation < 0;
        if (generation > newest) {
            newest = generation;
            generations++;
        }
    }
    report(argv[2], requests, failed, generations);
    return failed > 0;
}
