#!/bin/sh
# SPDX-License-Identifier: MIT
# Robust mutexes beyond 2048 stay locked when their owner dies
#
# With:     Linux 6.18, glibc 2.36 (Debian 12); the limit is ROBUST_LIST_LIMIT of the kernel.
# Expected: every robust, process-shared mutex that a process held when it was killed answers
#           EOWNERDEAD to the next one who wants it. That is what "robust" is for.
# Seen:     the kernel walks at most 2048 entries of the dead thread's list, the ones locked last. All
#           others stay locked for ever, with nobody who could unlock them, and nobody is told.
# Why:      a table with a lock for each key or connection looks safe with robust mutexes. It is until
#           somebody dies with more than 2048 of them; then the oldest, the most used ones, are lost.
. "$(dirname "$0")/common.inc"

build "$tmp/robust" -pthread <<'C'
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    pthread_mutex_t *m = mmap(NULL, n * sizeof *m, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;
    int told = 0;
    int locked = 0;
    pid_t owner;

    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_init(&m[i], &shared);
    }
    owner = fork();
    if (owner == 0) {
        for (size_t i = 0; i < n; i++) {
            pthread_mutex_lock(&m[i]);
        }
        kill(getpid(), SIGKILL);
    }
    waitpid(owner, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        int e = pthread_mutex_trylock(&m[i]);
        told += e == EOWNERDEAD;
        locked += e == EBUSY;
    }
    printf("%d told, %d locked, first one: %s\n", told, locked,
           pthread_mutex_trylock(&m[0]) == EBUSY ? "busy" : "free");
    return 0;
}
C
few=$("$tmp/robust" 2048)
many=$("$tmp/robust" 3000)
saw "2048 mutexes: $few"
saw "3000 mutexes: $many"
expect "up to 2048 all are given up" test "${few%, first*}" = "2048 told, 0 locked"
expect "of 3000 the 952 locked first stay locked" test "$many" = "2048 told, 952 locked, first one: busy"
