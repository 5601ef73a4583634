/* SPDX-License-Identifier: MIT */
/*
 * The two ends of sd_notify, for the tests of `shmbusctl supervise`.
 *
 *   notify hear PATH      makes the socket and prints each message as a line, with | for the ends
 *                         of lines in it, until it is ended
 *   notify keep PATH COMMAND...
 *                         runs COMMAND with that as NOTIFY_SOCKET, keeps what it sends with
 *                         FDSTORE=1, and runs it again with those as LISTEN_FDS when it was killed
 *                         by SIGKILL, as systemd would; prints messages as hear does
 *   notify beat MS COUNT  says READY=1 and then COUNT times WATCHDOG=1, every MS milliseconds; then
 *                         it hangs
 *   notify tell TEXT...   sends each TEXT to NOTIFY_SOCKET, then BARRIER=1 with a pipe, and waits
 *                         until that is closed; prints "barrier"; exit status 1 after 30 s
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "notify: ");
    perror(what);
    return 1;
}

enum { KEPT_MAX = 16 };
static int kept[KEPT_MAX];
static int kept_count;

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fail(path);
        return -1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    return fd;
}

static int take_message(int fd, int flags)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char text[4096];
    struct iovec part = {.iov_base = text, .iov_len = sizeof text - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t bytes = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = bytes >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

    if (bytes < 0) {
        return -1;
    }
    text[bytes] = 0;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && kept_count < KEPT_MAX) {
        memcpy(&kept[kept_count++], CMSG_DATA(c), sizeof(int));
    }
    for (char *at = text; (at = strchr(at, '\n')) != NULL;) {
        *at = '|';
    }
    puts(text);
    return 0;
}

static int hear(const char *path)
{
    int fd = listen_at(path);

    while (fd >= 0 && take_message(fd, 0) == 0) {
    }
    return 1;
}

static pid_t run(char **command, const char *path)
{
    pid_t pid = fork();
    char text[16];

    if (pid != 0) {
        return pid;
    }
    for (int i = 0; i < kept_count; i++) { /* out of the way, then into place */
        kept[i] = fcntl(kept[i], F_DUPFD, 3 + KEPT_MAX);
    }
    for (int i = 0; i < kept_count; i++) {
        dup2(kept[i], 3 + i);
        close(kept[i]);
    }
    setenv("NOTIFY_SOCKET", path, 1);
    if (kept_count > 0) {
        snprintf(text, sizeof text, "%d", kept_count);
        setenv("LISTEN_FDS", text, 1);
        snprintf(text, sizeof text, "%d", getpid());
        setenv("LISTEN_PID", text, 1);
    }
    execv(command[0], command);
    _exit(127);
}

static int keep(const char *path, char **command)
{
    struct pollfd message = {.fd = listen_at(path), .events = POLLIN};
    pid_t pid = message.fd >= 0 ? run(command, path) : -1;
    int status;

    while (pid > 0) {
        if (poll(&message, 1, 20) == 1) {
            take_message(message.fd, MSG_DONTWAIT);
        } else if (waitpid(pid, &status, WNOHANG) == pid) {
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
                return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            }
            pid = run(command, path);
        }
    }
    return 1;
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

static int to_supervisor(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path != NULL ? path : "");
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int beat(int pause_ms, long count)
{
    int fd = to_supervisor();

    if (fd < 0 || send_text(fd, "READY=1", -1) < 0) {
        return fail("NOTIFY_SOCKET");
    }
    for (long i = 0; i < count && send_text(fd, "WATCHDOG=1", -1) == 0; i++) {
        poll(NULL, 0, pause_ms);
    }
    pause();
    return 1;
}

static int tell(char **texts)
{
    int fd = to_supervisor(), ends[2];
    struct pollfd closed = {.events = 0};

    if (fd < 0 || pipe(ends) < 0) {
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
    if (argc >= 4 && strcmp(argv[1], "keep") == 0) {
        return keep(argv[2], argv + 3);
    }
    if (argc == 4 && strcmp(argv[1], "beat") == 0) {
        return beat((int)strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
    }
    return argc >= 2 && strcmp(argv[1], "tell") == 0 ? tell(argv + 2) : 2;
}
