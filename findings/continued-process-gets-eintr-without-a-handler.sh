#!/bin/sh
# SPDX-License-Identifier: MIT
# A process without signal handlers gets EINTR after it was paused: from epoll_wait(), but not from poll()
#
# With:     Linux 6.18, glibc 2.36 (Debian 12), SIGSTOP and SIGCONT.
# Expected: EINTR comes from a signal handler. A program that has none needs no loop around its calls, and
#           being stopped and continued goes unnoticed; if not, then for all sleeps alike.
# Seen:     epoll_wait(), semop(), sigtimedwait(), and recv() on a socket with a time limit (SO_RCVTIMEO) end
#           with EINTR when the process is continued. poll(), select(), nanosleep(), msgrcv(), mq_receive(),
#           sem_timedwait(), a file lock, and recv() without a limit go on to wait;
#           signal(7) has msgrcv() in the other list.
# Why:      the program that treats every error of epoll_wait() as the end, tested for years, ends when a
#           developer presses ^Z and fg, or an operator pauses it: a paused process is dead after all. A
#           change from poll() to epoll, or a time limit on a socket, brings it in.
. "$(dirname "$0")/common.inc"

build "$tmp/paused" -lrt <<'C'
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ends[2];      /* a socket pair in which nothing arrives */
static int ids[2];       /* of a System V semaphore and a message queue */
static const char *path; /* of a file whose lock another process has */

static int by_poll(void)
{
    struct pollfd wait = { ends[0], POLLIN, 0 };
    return poll(&wait, 1, 20000);
}

static int by_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(epoll_create1(0), &event, 1, 20000);
}

static int by_select(void)
{
    struct timeval limit = { 20, 0 };
    fd_set set;

    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, &limit);
}

static int by_nanosleep(void)
{
    return nanosleep(&(struct timespec){ 20, 0 }, NULL);
}

static int by_semop(void)
{
    struct sembuf take = { 0, -1, 0 };
    return semop(ids[0], &take, 1);
}

static int by_msgrcv(void)
{
    char message[16];
    return (int)msgrcv(ids[1], message, 8, 0, 0);
}

static int by_mq_receive(void)
{
    struct mq_attr size = { .mq_maxmsg = 1, .mq_msgsize = 8 };
    char name[32];
    char message[8];
    mqd_t queue;

    snprintf(name, sizeof name, "/finding-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT, 0600, &size);
    mq_unlink(name);
    return (int)mq_receive(queue, message, sizeof message, NULL);
}

static int by_sem_timedwait(void)
{
    struct timespec until;
    sem_t semaphore;

    sem_init(&semaphore, 0, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    return sem_timedwait(&semaphore, &until);
}

static int by_sigtimedwait(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigtimedwait(&set, NULL, &(struct timespec){ 20, 0 });
}

static int by_lock(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(open(path, O_RDWR), F_SETLKW, &lock);
}

static int by_recv(void)
{
    char byte;
    return (int)recv(ends[0], &byte, 1, 0);
}

static int by_recv_with_limit(void)
{
    struct timeval limit = { 20, 0 };

    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return by_recv();
}

static const struct sleep {
    const char *name;
    int (*call)(void);
} sleeps[] = {
    { "poll", by_poll },
    { "epoll_wait", by_epoll },
    { "select", by_select },
    { "nanosleep", by_nanosleep },
    { "semop", by_semop },
    { "msgrcv", by_msgrcv },
    { "mq_receive", by_mq_receive },
    { "sem_timedwait", by_sem_timedwait },
    { "sigtimedwait", by_sigtimedwait },
    { "lock", by_lock },
    { "recv", by_recv },
    { "recv-with-limit", by_recv_with_limit },
};

static void pause_and_continue(const struct sleep *sleep)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(25);
        _exit(sleep->call() == -1 && errno == EINTR ? 4 : 0);
    }
    usleep(300000);
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    kill(pid, SIGCONT);
    for (int i = 0; i < 50 && !WIFEXITED(status); i++) {
        usleep(10000);
        waitpid(pid, &status, WNOHANG);
    }
    printf("%s: %s\n", sleep->name, !WIFEXITED(status) ? "sleeps on" : WEXITSTATUS(status) == 4 ? "EINTR" : "other");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

int main(int argc, char **argv)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    path = argc > 1 ? argv[1] : "";
    ids[0] = semget(IPC_PRIVATE, 1, 0600);
    ids[1] = msgget(IPC_PRIVATE, 0600);
    if (fcntl(open(path, O_RDWR | O_CREAT, 0600), F_SETLK, &lock) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof sleeps / sizeof sleeps[0]; i++) {
        pause_and_continue(&sleeps[i]);
    }
    semctl(ids[0], 0, IPC_RMID);
    msgctl(ids[1], IPC_RMID, NULL);
    return 0;
}
C
"$tmp/paused" "$tmp/file" >"$tmp/out"
saw "EINTR: $(sed -n 's/: EINTR$//p' "$tmp/out" | tr '\n' ' ')"
saw "sleeps on: $(sed -n 's/: sleeps on$//p' "$tmp/out" | tr '\n' ' ')"
expect "these end with EINTR" test "$(sed -n 's/: EINTR$//p' "$tmp/out" | tr '\n' ' ')" = "epoll_wait semop sigtimedwait recv-with-limit "
expect "all others sleep on" test "$(grep -c ': sleeps on$' "$tmp/out")" = 8
