#!/bin/sh
# SPDX-License-Identifier: MIT
# A program with musl and one with glibc hold the same process-shared mutex at the same time
#
# With:     musl 1.2.3-1 and glibc 2.36 (Debian 12), amd64.
# Expected: pthread_mutex_t with PTHREAD_PROCESS_SHARED is for processes that share memory, and both
#           libraries use the futexes of one kernel and 40 bytes for it. Either it works, or the
#           second one notices that the words are not its own.
# Seen:     glibc has its lock word first, musl its kind first and the lock word second. While the glibc
#           program holds the mutex, pthread_mutex_trylock() of the musl program returns 0, with the robust
#           attribute off; both are inside. A free mutex that was made by musl is EBUSY for glibc, for
#           ever. The count of a semaphore (sem_t) lies in the same place in both.
# Why:      an Alpine container and a Debian container with one /dev/shm, or a static musl tool beside the
#           service, look like one system and are two. What is shared needs a layout of its own, and a
#           check of it at the start.
. "$(dirname "$0")/common.inc"

debs musl-dev=1.2.3-1
cat >"$tmp/share.c" <<'C'
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t held;
    pthread_mutex_t free;
    sem_t semaphore;
};

static void make(struct shared *s)
{
    pthread_mutexattr_t kind;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->held, &kind);
    pthread_mutex_init(&s->free, &kind);
    sem_init(&s->semaphore, 1, 1);
    pthread_mutex_lock(&s->held);
    sem_wait(&s->semaphore);
}

/* argv: file, "make" or "try" */
int main(int argc, char **argv)
{
    int fd = open(argc > 2 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    struct shared *s;

    if (fd < 0 || ftruncate(fd, 4096) != 0) {
        return 1;
    }
    s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (strcmp(argv[2], "make") == 0) {
        make(s);
        puts("made");
        fflush(stdout);
        for (;;) {
            pause();
        }
    }
    printf("held mutex %s, ", pthread_mutex_trylock(&s->held) == 0 ? "taken" : "busy");
    printf("free mutex %s, ", pthread_mutex_trylock(&s->free) == 0 ? "taken" : "busy");
    printf("semaphore %s\n", sem_trywait(&s->semaphore) == 0 ? "taken" : "busy");
    return 0;
}
C
build "$tmp/glibc" -pthread <"$tmp/share.c"
musl=$root/usr/lib/x86_64-linux-musl
env -u LD_LIBRARY_PATH gcc -std=gnu11 -O1 -Wall -D_GNU_SOURCE -nostdinc -isystem "$root/usr/include/x86_64-linux-musl" \
    -fno-stack-protector -c -o "$tmp/share.o" "$tmp/share.c"
env -u LD_LIBRARY_PATH gcc -static -nostdlib -o "$tmp/musl" "$musl/crt1.o" "$musl/crti.o" "$tmp/share.o" \
    "$musl/libc.a" -lgcc "$musl/crtn.o"
made() { grep -q made "$tmp/made"; }
for maker in glibc musl; do
    for user in glibc musl; do
        rm -f "$tmp/segment" "$tmp/made"
        "$tmp/$maker" "$tmp/segment" make >"$tmp/made" &
        pids=$!
        until_true made
        echo "made by $maker, tried by $user: $("$tmp/$user" "$tmp/segment" try)"
        kill -9 "$pids"
        wait "$pids" 2>/dev/null || :
    done
done | tee "$tmp/out"
right='held mutex busy, free mutex taken, semaphore busy'
expect "glibc with glibc works" grep -qx "made by glibc, tried by glibc: $right" "$tmp/out"
expect "musl with musl works" grep -qx "made by musl, tried by musl: $right" "$tmp/out"
expect "musl takes what glibc holds" grep -qx 'made by glibc, tried by musl: held mutex taken, free mutex taken, semaphore busy' "$tmp/out"
expect "glibc finds busy what is free" grep -qx 'made by musl, tried by glibc: held mutex busy, free mutex busy, semaphore busy' "$tmp/out"
