#!/bin/sh
# SPDX-License-Identifier: MIT
# A signalfd in an inherited epoll: the child's signals are readable for poll() and do not exist for epoll_wait()
#
# With:     Linux 6.18, signalfd(), epoll, fork().
# Expected: signalfd(2) says that a read takes the signals of whoever reads. A forked worker that keeps its parent's
#           event loop, descriptors and signal mask gets its SIGTERM from that loop.
# Seen:     poll() of the descriptor says "readable", read() has the signal, epoll_wait() sleeps until its time limit: an
#           entry of an epoll set waits for the signals of the process that added it. The parent's signals are not
#           the child's either: with one of them pending epoll_wait() in the child reports nothing. Removed and added
#           again by the child the descriptor works, in the child.
# Why:      a supervisor that forks workers from its running loop cannot stop them politely: SIGTERM is blocked and
#           lies in the descriptor, which poll() calls readable. A child makes an epoll set of its own.
. "$(dirname "$0")/common.inc"

build "$tmp/loop" <<'C'
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd, loop;

static void add(void)
{
    struct epoll_event wanted = { .events = EPOLLIN };

    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &wanted) != 0) {
        exit(2);
    }
}

/* A signal for this process; who says so. */
static void look(const char *who, pid_t target)
{
    struct epoll_event event;
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    struct signalfd_siginfo signal;
    int by_epoll, by_poll;

    kill(target, SIGUSR1);
    by_epoll = epoll_wait(loop, &event, 1, 1000);
    by_poll = poll(&poll_fd, 1, 0);
    printf("%s: epoll_wait %d, poll %d, read %s\n", who, by_epoll, by_poll,
           read(fd, &signal, sizeof signal) == sizeof signal ? "a signal" : "nothing");
    fflush(stdout);
    /* Nothing is left: otherwise the next call looks once more, whoever calls. */
    epoll_wait(loop, &event, 1, 0);
}

static void child(void)
{
    look("child", getpid());
    look("child, signal to the parent", getppid());
    if (epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL) != 0) {
        exit(2);
    }
    add();
    look("child, added anew", getpid());
    exit(0);
}

int main(void)
{
    sigset_t signals;
    pid_t pid;

    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    fd = signalfd(-1, &signals, SFD_NONBLOCK);
    loop = epoll_create1(0);
    add();
    look("parent", getpid());
    fflush(stdout);
    if ((pid = fork()) == 0) {
        child();
    }
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 2;
}
C
timeout 30 "$tmp/loop" >"$tmp/out"
cat "$tmp/out"
said() { grep -qxF "$1" "$tmp/out"; }
expect "the parent's loop works" said "parent: epoll_wait 1, poll 1, read a signal"
expect "the child's does not, poll() does" said "child: epoll_wait 0, poll 1, read a signal"
expect "the parent's signal is nobody's in the child" said "child, signal to the parent: epoll_wait 0, poll 0, read nothing"
expect "the child has to add it anew" said "child, added anew: epoll_wait 1, poll 1, read a signal"
