#!/bin/sh
# SPDX-License-Identifier: MIT
# A robust mutex whose owner unmapped it, or moved its mapping, is never given up
#
# With:     Linux 6.18, glibc 2.36 (Debian 12).
# Expected: the lock is a word in shared memory, and the kernel knows by the robust list who holds it:
#           when that process dies, the next one gets EOWNERDEAD, whatever the owner did to its own
#           view of the memory in between.
# Seen:     the list holds addresses of the owner. If it has unmapped the segment, or mremap() moved it
#           (as a pool does that grows), the kernel finds nothing at the old address and stops there,
#           without a word. The mutex stays locked for ever.
# Why:      "detach" and "grow" are ordinary operations of a shared-memory library. With robust mutexes
#           each of them, called while a lock is held, takes the safety away for that lock.
. "$(dirname "$0")/common.inc"

build "$tmp/mapping" -pthread <<'C'
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void die_with(const char *how, int fd)
{
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    pthread_mutex_lock(m);
    if (strcmp(how, "unmapped") == 0) {
        munmap(m, 4096);
    } else if (strcmp(how, "moved") == 0) {
        void *place = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mremap(m, 4096, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    }
    kill(getpid(), SIGKILL);
}

int main(int argc, char **argv)
{
    int fd = memfd_create("segment", 0);
    pthread_mutexattr_t shared;
    pthread_mutex_t *m;
    pid_t owner;
    int e;

    if (argc < 2 || ftruncate(fd, 8192) != 0) {
        return 1;
    }
    m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(m, &shared);
    owner = fork();
    if (owner == 0) {
        die_with(argv[1], fd);
    }
    waitpid(owner, NULL, 0);
    e = pthread_mutex_trylock(m);
    puts(e == EOWNERDEAD ? "told" : e == EBUSY ? "locked" : strerror(e));
    return 0;
}
C
for how in as-it-was unmapped moved; do
    eval "$(echo "$how" | tr -d -)=\$(\"$tmp/mapping\" $how)"
done
saw "mapping as it was: $asitwas; unmapped: $unmapped; moved: $moved"
expect "with its mapping in place the owner's death is told" test "$asitwas" = told
expect "unmapped: locked for ever" test "$unmapped" = locked
expect "moved: locked for ever" test "$moved" = locked
