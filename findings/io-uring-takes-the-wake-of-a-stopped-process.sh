#!/bin/sh
# SPDX-License-Identifier: MIT
# A stopped process takes the wake-up if it waits for the futex by io_uring
#
# With:     Linux 6.18 (IORING_OP_FUTEX_WAIT is there since 6.7).
# Expected: waiting for a futex by io_uring is FUTEX_WAIT without a thread that sleeps. FUTEX_WAKE for one
#           waiter passes a process that is stopped: it has left the queue to be stopped, and looks again
#           when it is continued. The wake goes to the next one.
# Seen:     that is so for FUTEX_WAIT. A wait in a ring stays in the queue while its process is stopped:
#           FUTEX_WAKE says 1, the completion lies in the ring of a process that does not run, and the
#           one who sleeps beside it is not woken. If the process is killed instead, the next one is.
# Why:      mutexes and queues wake one sleeper and go by that 1. With such an event loop among the waiters
#           one SIGSTOP (a debugger, job control) holds up everybody, in a program whose locks were fine
#           before. A waiter by io_uring must not be one of several who are woken one at a time.
. "$(dirname "$0")/common.inc"

build "$tmp/wake" <<'C'
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OP_FUTEX_WAIT = 51, /* not in the headers of Debian 12 */
    SIZE_U32 = 2,
};

struct shared {
    uint32_t word;
    volatile int waits;
    volatile int woken[2];
};

static void *map(int ring, size_t bytes, off_t what)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, what);
}

static void wait_in_ring(struct shared *s)
{
    struct io_uring_params p = { 0 };
    int ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    char *queue = map(ring, p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = map(ring, p.sq_entries * sizeof *entry, IORING_OFF_SQES);
    char *done;

    if (ring < 0) {
        puts("no io_uring here");
        exit(2);
    }
    done = map(ring, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    memset(entry, 0, sizeof *entry);
    entry->opcode = OP_FUTEX_WAIT;
    entry->fd = SIZE_U32;
    entry->addr = (uintptr_t)&s->word;
    entry->addr3 = 0xffffffffu; /* any bit */
    *(uint32_t *)(queue + p.sq_off.array) = 0;
    __atomic_store_n((uint32_t *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1 ||
        *(volatile uint32_t *)(done + p.cq_off.tail) != 0) {
        puts("no IORING_OP_FUTEX_WAIT here");
        exit(2);
    }
    s->waits++;
    syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

static pid_t start(struct shared *s, int i, int by_ring)
{
    int before = s->waits;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(20);
        if (by_ring) {
            wait_in_ring(s);
        } else {
            s->waits++;
            syscall(SYS_futex, &s->word, FUTEX_WAIT, 0, NULL, NULL, 0);
        }
        s->woken[i] = 1;
        pause();
    }
    while (s->waits == before && waitpid(pid, NULL, WNOHANG) == 0) {
        usleep(1000);
    }
    usleep(300000);
    return pid;
}

static void run(int by_ring, int signal)
{
    struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t first = start(s, 0, by_ring);
    pid_t second = start(s, 1, 0);
    long woken;

    if (signal != 0) {
        kill(first, signal);
        usleep(300000);
    }
    woken = syscall(SYS_futex, &s->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    usleep(500000);
    printf("%s %s: wake said %ld, woken: %s\n", by_ring ? "ring" : "futex",
           signal == 0 ? "running" : signal == SIGSTOP ? "stopped" : "killed", woken,
           s->woken[0] ? "first" : s->woken[1] ? "second" : "nobody");
    kill(first, SIGKILL);
    kill(second, SIGKILL);
    waitpid(first, NULL, 0);
    waitpid(second, NULL, 0);
}

int main(void)
{
    static const int signals[] = { 0, SIGSTOP, SIGKILL };

    for (int i = 0; i < 6; i++) {
        run(i / 3, signals[i % 3]);
        fflush(stdout);
    }
    return 0;
}
C
"$tmp/wake" | tee "$tmp/out"
expect "running, the first one is woken" test "$(grep -c 'running: wake said 1, woken: first' "$tmp/out")" = 2
expect "FUTEX_WAIT stopped: the second" grep -qx 'futex stopped: wake said 1, woken: second' "$tmp/out"
expect "in a ring and stopped: nobody" grep -qx 'ring stopped: wake said 1, woken: nobody' "$tmp/out"
expect "killed, the second one" test "$(grep -c 'killed: wake said 1, woken: second' "$tmp/out")" = 2
