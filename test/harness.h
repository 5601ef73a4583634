/* SPDX-License-Identifier: MIT */
/*
 * What the tests are written with: CUnit's assertions, and processes.
 *
 *   T_TEST(queue, a_full_queue_refuses_a_send)
 *   {
 *       CU_ASSERT_EQUAL(shmbus_send(...), -EAGAIN);
 *   }
 *
 * A test registers itself; any test/DIRECTORY/test_*.c is picked up. Names are sentences. Each test
 * runs in a process of its own: a crash, a hang, a left-over file descriptor, child process or
 * segment fails that test alone. `shmbus-test --help` has the options. The time limit is for hangs:
 * beside a load everything takes several times as long, so a test gets four times its own.
 */
#ifndef T_HARNESS_H
#define T_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <CUnit/CUnit.h>

struct t_test {
    const char *suite, *name, *file;
    int line;
    int timeout_s;
    void (*run)(void);
    struct t_test *next;
};
void t_register(struct t_test *test);

#define T_TEST(suite, name) T_TEST_TIMEOUT(suite, name, 60)
#define T_TEST_TIMEOUT(suite, name, seconds)                                                       \
    static void t_run_##suite##_##name(void);                                                      \
    __attribute__((constructor)) static void t_register_##suite##_##name(void)                     \
    {                                                                                              \
        static struct t_test test = {                                                              \
            #suite, #name, __FILE__, __LINE__, (seconds), t_run_##suite##_##name, NULL};           \
        t_register(&test);                                                                         \
    }                                                                                              \
    static void t_run_##suite##_##name(void)

/* Ends the test here: what it needs is not there. Counted as skipped. */
_Noreturn void t_skip(const char *reason);

/* Checks a call that returns a result; on failure shows the result and shmbus_detail(). */
#define T_OK(call) t_result(__LINE__, __FILE__, #call, (call), 0, false)
#define T_OK_FATAL(call) t_result(__LINE__, __FILE__, #call, (call), 0, true)
#define T_FAILS(call, expected) t_result(__LINE__, __FILE__, #call, (call), (expected), false)
int t_result(int line, const char *file, const char *call, int result, int expected, bool fatal);

/* ---------------------------------------------------------------------------------- segments */

/* A bus name that no other test and no other run uses, the same in the children of this test;
 * each call gives a new one. @buffer has SHMBUS_NAME_BYTES. Whoever leaves such a segment behind
 * has failed. */
const char *t_bus_name(char *buffer);

/* The path of a file of the source tree. */
const char *t_source_path(const char *file);

/* A private directory for files, removed with its contents after the test. */
const char *t_dir(void);

/* --------------------------------------------------------------------------------- processes */

/* Forks; the child runs fn(arg) and exits with what it returns (99 when a CUnit assertion failed
 * in it). It dies with the test. */
pid_t t_fork(int (*fn)(void *arg), void *arg);

/* Exit status of the process, or 128 + the signal that ended it. */
int t_wait_exit(pid_t pid);

/* Sends the signal and waits for the end; as t_wait_exit(). */
int t_kill_wait(pid_t pid, int signal_number);

/* SIGSTOP, and back only when the process is really stopped; SIGCONT. */
void t_stop(pid_t pid);
void t_continue(pid_t pid);
bool t_is_stopped(pid_t pid);

/* Returns when the main thread of the process sleeps in futex(2); false when it ended instead. */
bool t_wait_asleep(pid_t pid);

/* -------------------------------------------------------------------- waiting for one another */

/* Zeroed memory that the children of this test share with it. */
void *t_shared(size_t bytes);

/* A counter to wait on, in t_shared() memory. No sleeping, no polling. */
struct t_gate {
    uint32_t count;
};
void t_gate_post(struct t_gate *gate);                    /* count + 1 */
void t_gate_wait(struct t_gate *gate, uint32_t at_least); /* until count >= at_least */
uint32_t t_gate_count(const struct t_gate *gate);

/* -------------------------------------------------------------------------------------- other */

/* Pseudo-random numbers that depend on --seed and the test's name alone. */
uint64_t t_random(void);
uint64_t t_random_below(uint64_t limit);

/* CLOCK_MONOTONIC. */
int64_t t_now_ns(void);

/* Whether a stress test that began then has done enough. It may do what it has to do at once, but
 * beside a load thousands of hand-overs between threads can take minutes. */
bool t_is_enough(int64_t start_ns);

/* Whether this build runs under ASan or TSan (for limits of time or size). */
bool t_is_sanitized(void);

/* For runner.c: begins a test in its own process. */
void t_begin(const struct t_test *test, uint64_t seed);
/* The directory of t_dir() if it was made, and the prefix of t_bus_name(), of test process @pid. */
void t_dir_path(pid_t pid, char *buffer, size_t bytes);
void t_bus_prefix(pid_t pid, char *buffer, size_t bytes);

#endif
