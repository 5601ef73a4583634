#!/bin/sh
# SPDX-License-Identifier: MIT
# Two containers hold one recursive mutex at the same time: both are pid 1
#
# With:     Linux 6.18, glibc 2.36 (Debian 12). Needs root (for pid namespaces).
# Expected: a process-shared mutex in memory that two containers share keeps one of them out, of whatever
#           type it is; its owner is a thread, and no two threads are the same.
# Seen:     the owner is a thread id as its own container counts, and the main process is number 1 in most
#           of them. A recursive mutex that 1 holds is taken by the other 1, as if it were its own, robust or
#           not; an error-checking one says EDEADLK. A plain one keeps the second one out, and between
#           two processes of one pid namespace all three do.
# Why:      sharing /dev/shm between containers (a sidecar, --ipc) is what shared-memory software is told to
#           do. With numbers that happen to differ it works, in every test; in production both are 1.
#           What names an owner in shared memory must be unique beyond pids.
. "$(dirname "$0")/common.inc"

build "$tmp/mutex" -pthread <<'C'
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct kind {
    const char *name;
    int type;
    int robust;
} kinds[] = {
    { "normal", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED },
    { "recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED },
    { "robust-recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST },
    { "error-checking", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED },
};

enum {
    KINDS = sizeof kinds / sizeof kinds[0],
};

static void make_and_hold(pthread_mutex_t *mutex)
{
    for (int i = 0; i < KINDS; i++) {
        pthread_mutexattr_t attr;

        pthread_mutexattr_init(&attr);
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_settype(&attr, kinds[i].type);
        pthread_mutexattr_setrobust(&attr, kinds[i].robust);
        pthread_mutex_init(&mutex[i], &attr);
        pthread_mutex_lock(&mutex[i]);
    }
    puts("held");
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static void try_each(pthread_mutex_t *mutex)
{
    for (int i = 0; i < KINDS; i++) {
        struct timespec until;
        int r;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        r = pthread_mutex_timedlock(&mutex[i], &until);
        printf(" %s %s", kinds[i].name, r == 0 ? "taken" : strerrorname_np(r));
    }
    printf("\n");
}

/* argv: file, "hold" or "try" */
int main(int argc, char **argv)
{
    int fd = open(argc > 2 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    pthread_mutex_t *mutex;

    if (fd < 0 || ftruncate(fd, 4096) != 0) {
        return 1;
    }
    mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (strcmp(argv[2], "hold") == 0) {
        make_and_hold(mutex);
    }
    try_each(mutex);
    return 0;
}
C
in_container() { unshare --pid --fork --kill-child "$@"; }
in_place() { "$@"; }
in_container true || { echo "needs root" && exit 2; }
held() { grep -q held "$tmp/held"; }
for where in in_place in_container; do
    : >"$tmp/held"
    if [ $where = in_place ]; then
        "$tmp/mutex" "$tmp/segment" hold >"$tmp/held" &
    else
        unshare --pid --fork --kill-child "$tmp/mutex" "$tmp/segment" hold >"$tmp/held" &
    fi
    pids=$!
    until_true held
    echo "$where:$($where "$tmp/mutex" "$tmp/segment" try)"
    kill -9 "$pids"
    wait "$pids" 2>/dev/null || :
    rm "$tmp/segment"
done | tee "$tmp/out"
expect "in one system all four keep the other out" \
    grep -qx 'in_place: normal ETIMEDOUT recursive ETIMEDOUT robust-recursive ETIMEDOUT error-checking ETIMEDOUT' "$tmp/out"
expect "in two containers both hold the recursive ones" \
    grep -qx 'in_container: normal ETIMEDOUT recursive taken robust-recursive taken error-checking EDEADLK' "$tmp/out"
