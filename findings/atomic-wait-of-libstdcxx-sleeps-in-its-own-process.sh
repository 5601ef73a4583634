#!/bin/sh
# SPDX-License-Identifier: MIT
# C++20: std::atomic::wait() in shared memory is never woken by another process
#
# With:     g++ 12.2.0 with libstdc++ (Debian 12), -std=c++20, Linux futexes.
# Expected: a lock-free atomic works in memory that is shared by processes, the standard recommends it
#           ("address-free"). wait() and notify_all() of it are a futex on Linux, so they do as well.
# Seen:     the store is seen, the notification is not: wait() of the other process sleeps on. So do
#           std::latch and std::atomic_flag, which are built the same way. std::counting_semaphore
#           wakes the other process, and so makes the first test of the idea pass.
# Why:      a waiter is counted in a table of its own process and sleeps on a private futex; notify_all()
#           of another process finds nobody in its own table. A queue in shared memory must call the
#           futex itself.
. "$(dirname "$0")/common.inc"

cat >"$tmp/wait.cc" <<'C'
#include <atomic>
#include <csignal>
#include <cstdio>
#include <latch>
#include <new>
#include <semaphore>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child waits, this process wakes it: does it end within two seconds? */
template <class Wait, class Wake> static void try_to_wake(const char *name, Wait wait, Wake wake)
{
    pid_t child = fork();
    bool ended = false;

    if (child == 0) {
        wait();
        _exit(0);
    }
    usleep(500000);
    wake();
    for (int i = 0; i < 200 && !ended; i++) {
        usleep(10000);
        ended = waitpid(child, nullptr, WNOHANG) == child;
    }
    std::printf("%s: %s\n", name, ended ? "woken" : "asleep");
    std::fflush(stdout);
    if (!ended) {
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
    }
}

struct shared {
    std::atomic<int> number{ 0 };
    std::atomic_flag flag;
    std::latch latch{ 1 };
    std::counting_semaphore<8> semaphore{ 0 };
};

int main()
{
    void *memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared *s = new (memory) shared;

    try_to_wake("atomic", [s] { s->number.wait(0); }, [s] { s->number = 1, s->number.notify_all(); });
    try_to_wake("flag", [s] { s->flag.wait(false); }, [s] { s->flag.test_and_set(), s->flag.notify_all(); });
    try_to_wake("latch", [s] { s->latch.wait(); }, [s] { s->latch.count_down(); });
    try_to_wake("semaphore", [s] { s->semaphore.acquire(); }, [s] { s->semaphore.release(); });
    std::printf("the child would have seen %d\n", s->number.load());
    return 0;
}
C
saw "$(g++ --version | head -n 1)"
g++ -std=c++20 -O1 -Wall -o "$tmp/wait" "$tmp/wait.cc"
"$tmp/wait" | tee "$tmp/out"
for kind in atomic flag latch; do
    expect "$kind: the other process sleeps on" grep -qx "$kind: asleep" "$tmp/out"
done
expect "semaphore: it is woken" grep -qx 'semaphore: woken' "$tmp/out"
