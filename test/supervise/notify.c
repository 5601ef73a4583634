/*
 * The two ends of sd_notify, for the tests of `shmbusctl supervise`.
 *
 *   notify hear PATH      makes the socket and prints each message as a line, with | for the ends
 *                         of lines in it, until it is ended
 *   notify tell TEXT...   sends each TEXT to NOTIFY_SOCKET, then BARRIER=1 with a pipe, and waits
 *                         until that is closed; prints "barrier"; exit status 1 after 30 s
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "notify: ");
    perror(what);
    return 1;
}

static int hear(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[4096];
    ssize_t bytes;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        return fail(path);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((bytes = recv(fd, text, sizeof text - 1, 0)) >= 0) {
        text[bytes] = 0;
        for (char *at = text; (at = strchr(at, '\n')) != NULL;) {
            *at = '|';
        }
        puts(text);
    }
    return fail("recv");
}

static int send_text(int fd, const char *text, int with)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = ""};
    struct iovec part = {.iov_base = (void *)(size_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (with >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &with, sizeof with);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int tell(char **texts)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ends[2];
    struct pollfd closed = {.events = 0};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path != NULL ? path : "");
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 || pipe(ends) < 0) {
        return fail("NOTIFY_SOCKET");
    }
    for (; *texts != NULL; texts++) {
        if (send_text(fd, *texts, -1) < 0) {
            return fail(*texts);
        }
    }
    if (send_text(fd, "BARRIER=1", ends[1]) < 0) {
        return fail("BARRIER=1");
    }
    close(ends[1]);
    closed.fd = ends[0];
    if (poll(&closed, 1, 30000) != 1 || (closed.revents & POLLHUP) == 0) {
        fprintf(stderr, "notify: the pipe was not closed\n");
        return 1;
    }
    puts("barrier");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hear") == 0) {
        return hear(argv[2]);
    }
    return argc >= 2 && strcmp(argv[1], "tell") == 0 ? tell(argv + 2) : 2;
}
