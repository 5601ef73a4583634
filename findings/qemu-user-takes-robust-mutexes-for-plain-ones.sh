#!/bin/sh
# SPDX-License-Identifier: MIT
# Under qemu-user a robust mutex is made without an error and is not robust
#
# With:     qemu-user 1:7.2+dfsg-7+deb12u18+b3, glibc 2.36 (Debian 12); an amd64 program on amd64, so that the
#           emulation is the only difference.
# Expected: emulation is slow but right; what the emulator cannot do is refused. The mutex answers
#           EOWNERDEAD, or pthread_mutexattr_setrobust() or pthread_mutex_init() say ENOTSUP.
# Seen:     set_robust_list() is ENOSYS there, glibc does not look, both calls return 0, and a mutex whose
#           owner was killed stays locked for ever. A lock on a file is given up as it should be.
# Why:      this is what runs containers of another architecture on developers' machines and in CI
#           (binfmt_misc). Software that survives a kill by robust mutexes does not there; its tests for
#           that run into their time limits, and its users' workers stand still after a crash.
. "$(dirname "$0")/common.inc"

debs qemu-user=1:7.2+dfsg-7+deb12u18+b3 libcapstone4=4.0.2-5 liburing2=2.3-3 libnuma1=2.0.16-1 \
    libglib2.0-0=2.74.6-2+deb12u9
build "$tmp/owner" -pthread <<'C'
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    struct timespec until;
    pthread_mutexattr_t kind;
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    int r_set;
    int r_init;
    pid_t owner;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    r_set = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    r_init = pthread_mutex_init(mutex, &kind);
    owner = fork();
    if (owner == 0) {
        pthread_mutex_lock(mutex);
        fcntl(fd, F_SETLK, &lock);
        kill(getpid(), SIGKILL);
    }
    waitpid(owner, NULL, 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    printf("set %d, init %d, mutex of the dead: %s", r_set, r_init,
           strerrorname_np(pthread_mutex_timedlock(mutex, &until)));
    printf(", file: %s\n", fcntl(fd, F_SETLK, &lock) == 0 ? "free" : "locked");
    return 0;
}
C
"$tmp/owner" "$tmp/file" | tee "$tmp/real"
"$root/usr/bin/qemu-x86_64" "$tmp/owner" "$tmp/file" | tee "$tmp/emulated"
expect "on the machine it is robust" grep -qx 'set 0, init 0, mutex of the dead: EOWNERDEAD, file: free' "$tmp/real"
expect "emulated it says so and is not" grep -qx 'set 0, init 0, mutex of the dead: ETIMEDOUT, file: free' "$tmp/emulated"
