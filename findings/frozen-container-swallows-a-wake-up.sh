#!/bin/sh
# SPDX-License-Identifier: MIT
# sem_post() wakes nobody: the process it was for is in a paused container
#
# With:     Linux 6.18, the freezer of cgroup v1 beside SIGSTOP and the freezer of v2. Needs root.
# Expected: three processes wait for one semaphore, one of them is paused; sem_post() is for one of the
#           other two, since the first has left its sleep to be stopped. So it is with SIGSTOP.
# Seen:     with SIGSTOP and with cgroup v2 a living one gets it. The freezer of v1 leaves the sleeper
#           where it is, in the queue of the futex, as the first: the wake goes to it, sem_post() says 0,
#           and nobody takes the post. The semaphore stands at 1 with two healthy processes asleep on it,
#           until the next post or until somebody thaws.
# Why:      "wake one" is what mutexes, condition variables and semaphores do. One paused container among
#           the workers of a queue, and a message lies there with idle workers beside it. A queue that
#           wakes one sleeper needs a second look: a time limit, or the sender wakes all.
. "$(dirname "$0")/common.inc"

for v in 1 2; do
    mkdir "$tmp/v$v"
done
if ! mount -t cgroup -o freezer none "$tmp/v1" 2>/dev/null ||
    ! mount -t cgroup2 none "$tmp/v2" 2>/dev/null; then
    umount "$tmp/v1" 2>/dev/null || :
    echo "skipped: this kernel has not both freezers"
    exit 0
fi
v1=$tmp/v1/finding-$$ v2=$tmp/v2/finding-$$
undo() {
    rmdir "$v1" "$v2"
    umount "$tmp/v1" "$tmp/v2"
}
mkdir "$v1" "$v2"
build "$tmp/post" -pthread <<'C'
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int got_fd[2];

static void write_file(const char *group, const char *name, const char *text)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", group, name);
    fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        perror(path);
        exit(2);
    }
    close(fd);
}

static void pause_it(const char *how, const char *group, pid_t pid)
{
    char text[32];

    snprintf(text, sizeof text, "%d", (int)pid);
    if (strcmp(how, "SIGSTOP") == 0) {
        kill(pid, SIGSTOP);
    } else if (strcmp(how, "v1") == 0) {
        write_file(group, "tasks", text);
        write_file(group, "freezer.state", "FROZEN");
    } else {
        write_file(group, "cgroup.procs", text);
        write_file(group, "cgroup.freeze", "1");
    }
    usleep(500000);
}

static void continue_it(const char *how, const char *group)
{
    if (strcmp(how, "v1") == 0) {
        write_file(group, "freezer.state", "THAWED");
    } else if (strcmp(how, "v2") == 0) {
        write_file(group, "cgroup.freeze", "0");
    }
}

/* argv: how to pause, the cgroup */
int main(int argc, char **argv)
{
    sem_t *semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid[3];
    int value = -1;
    char who = '-';

    if (argc < 3 || pipe2(got_fd, O_NONBLOCK) != 0) {
        return 1;
    }
    sem_init(semaphore, 1, 0);
    for (int i = 0; i < 3; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            alarm(20);
            sem_wait(semaphore);
            who = (char)('1' + i);
            _exit(write(got_fd[1], &who, 1) != 1);
        }
        usleep(200000); /* they queue up in this order */
    }
    pause_it(argv[1], argv[2], pid[0]);
    sem_post(semaphore);
    sleep(2);
    sem_getvalue(semaphore, &value);
    if (read(got_fd[0], &who, 1) != 1) {
        who = '-';
    }
    printf("%s: value %d, taken by %c\n", argv[1], value, who);
    continue_it(argv[1], argv[2]);
    for (int i = 0; i < 3; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
    return 0;
}
C
for how in SIGSTOP v2 v1; do
    group=$v1
    [ "$how" != v2 ] || group=$v2
    "$tmp/post" "$how" "$group"
done | tee "$tmp/out"
expect "stopped: the next one takes it" grep -qx 'SIGSTOP: value 0, taken by 2' "$tmp/out"
expect "frozen by v2: the next one takes it" grep -qx 'v2: value 0, taken by 2' "$tmp/out"
expect "frozen by v1: it lies there, two are asleep" grep -qx 'v1: value 1, taken by -' "$tmp/out"
