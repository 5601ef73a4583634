/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

enum { EXIT_ASSERTION = 99, EXIT_SKIP = 77 };

static pid_t test_pid;
static unsigned names_given;
static uint64_t random_state;

static void die(const char *what)
{
    fprintf(stderr, "test harness: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------------------------ results */

_Noreturn void t_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    exit(EXIT_SKIP);
}

int t_result(int line, const char *file, const char *call, int result, int expected, bool fatal)
{
    /* Success may be a count. */
    bool good = expected == 0 ? result >= 0 : result == expected;
    char text[512];

    if (good) {
        CU_assertImplementation(CU_TRUE, (unsigned)line, call, file, "", CU_FALSE);
        return result;
    }
    snprintf(text, sizeof text, "%s is %d (%s), not %s; %s", call, result,
             shmbus_strerrorname(result), expected == 0 ? "OK" : shmbus_strerrorname(expected),
             shmbus_detail());
    CU_assertImplementation(CU_FALSE, (unsigned)line, text, file, "", fatal ? CU_TRUE : CU_FALSE);
    return result;
}

/* ----------------------------------------------------------------------------------- segments */

void t_bus_prefix(pid_t pid, char *buffer, size_t bytes)
{
    snprintf(buffer, bytes, "t%ld-", (long)pid);
}

const char *t_bus_name(char *buffer)
{
    char prefix[24];
    t_bus_prefix(test_pid, prefix, sizeof prefix);
    snprintf(buffer, SHMBUS_NAME_BYTES, "%s%u", prefix, ++names_given);
    return buffer;
}

const char *t_source_path(const char *file)
{
    static char path[PATH_MAX];
    const char *base = getenv("T_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/%s", base != NULL ? base : ".", file);
    if (access(path, R_OK) != 0)
        die("run in the top directory of the sources, or set T_SOURCE_DIR to it");
    return path;
}

void t_dir_path(pid_t pid, char *buffer, size_t bytes)
{
    const char *base = getenv("TMPDIR");
    snprintf(buffer, bytes, "%s/shmbus-test.%ld", base != NULL ? base : "/tmp", (long)pid);
}

const char *t_dir(void)
{
    static char path[PATH_MAX];
    if (path[0] == '\0') {
        t_dir_path(test_pid, path, sizeof path);
        if (mkdir(path, 0700) != 0)
            die(path);
    }
    return path;
}

/* ---------------------------------------------------------------------------------- processes */

static void print_failures(unsigned already)
{
    unsigned i = 0;
    for (CU_pFailureRecord f = CU_get_failure_list(); f != NULL; f = f->pNext) {
        if (i++ >= already)
            printf("%s:%u: in a child: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
    }
}

/* Reads a file of /proc/PID into @buffer; false when the process is gone. */
static bool read_proc(pid_t pid, const char *file, char *buffer, size_t bytes)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buffer, bytes - 1);
    close(fd);
    if (n <= 0)
        return false;
    buffer[n] = '\0';
    return true;
}

static bool has_thread_at_work(void)
{
    char what[64], text[512];
    bool found = false;
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        return false;
    for (const struct dirent *e; !found && (e = readdir(dir)) != NULL;) {
        pid_t thread = (pid_t)strtol(e->d_name, NULL, 10);
        snprintf(what, sizeof what, "task/%d/stat", (int)thread);
        if (thread <= 0 || thread == getpid() || !read_proc(getpid(), what, text, sizeof text))
            continue;
        const char *end = strrchr(text, ')');
        found = end != NULL && (end[2] == 'R' || end[2] == 'D');
    }
    closedir(dir);
    return found;
}

/* A sanitizer's allocator has locks, and fork() copies them as they are: the thread that holds one,
 * mostly because it has only just been started, is not there in the child to give it back. So the
 * other threads are to be asleep; those that work all the time are waited for a moment only. */
static void let_threads_settle(void)
{
    int64_t end_ns = t_now_ns() + 100000000;
    while (t_is_sanitized() && has_thread_at_work() && t_now_ns() < end_ns)
        sched_yield();
}

pid_t t_fork(int (*fn)(void *arg), void *arg)
{
    pid_t parent = getpid();
    fflush(NULL);
    let_threads_settle();
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid > 0)
        return pid;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EXIT_FAILURE);
    unsigned before = CU_get_number_of_failure_records();
    int status = fn(arg);
    if (CU_get_number_of_failure_records() > before) {
        print_failures(before);
        status = EXIT_ASSERTION;
    }
    fflush(NULL);
    _exit(status);
}

int t_wait_exit(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) != pid) {
        if (errno != EINTR)
            die("waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int t_kill_wait(pid_t pid, int signal_number)
{
    if (kill(pid, signal_number) != 0)
        die("kill");
    return t_wait_exit(pid);
}

void t_stop(pid_t pid)
{
    siginfo_t info;
    if (kill(pid, SIGSTOP) != 0)
        die("kill");
    while (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT) != 0) {
        if (errno != EINTR)
            die("waitid");
    }
    if (info.si_code != CLD_STOPPED) {
        fprintf(stderr, "test harness: process %ld ended before it was stopped\n", (long)pid);
        exit(EXIT_FAILURE);
    }
    waitid(P_PID, (id_t)pid, &info, WSTOPPED); /* so that the next stop is not this one */
}

/* The kernel ends the stop before kill() returns. */
void t_continue(pid_t pid)
{
    if (kill(pid, SIGCONT) != 0)
        die("kill");
}

/* Third field of /proc/PID/stat; the name before it may hold anything but ends with ')'. */
static char process_state(pid_t pid)
{
    char text[512];
    if (!read_proc(pid, "stat", text, sizeof text))
        return '?';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

bool t_is_stopped(pid_t pid)
{
    char state = process_state(pid);
    return state == 'T' || state == 't';
}

bool t_wait_asleep(pid_t pid)
{
    char text[256], *end;
    for (;;) {
        char state = process_state(pid);
        if (state == '?' || state == 'Z' || state == 'X')
            return false;
        /* "running", or the number of the system call it is blocked in */
        if (state == 'S' && read_proc(pid, "syscall", text, sizeof text)) {
            long number = strtol(text, &end, 10);
            if (end != text && number == SYS_futex)
                return true;
#ifdef SYS_futex_waitv
            if (end != text && number == SYS_futex_waitv)
                return true;
#endif
        }
        sched_yield();
    }
}

/* -------------------------------------------------------------------- waiting for one another */

void *t_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

void t_gate_post(struct t_gate *gate)
{
    __atomic_add_fetch(&gate->count, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &gate->count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void t_gate_wait(struct t_gate *gate, uint32_t at_least)
{
    for (;;) {
        uint32_t count = __atomic_load_n(&gate->count, __ATOMIC_SEQ_CST);
        if (count >= at_least)
            return;
        syscall(SYS_futex, &gate->count, FUTEX_WAIT, count, NULL, NULL, 0);
    }
}

uint32_t t_gate_count(const struct t_gate *gate)
{
    return __atomic_load_n(&gate->count, __ATOMIC_SEQ_CST);
}

/* -------------------------------------------------------------------------------------- other */

/* splitmix64 */
uint64_t t_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t t_random_below(uint64_t limit)
{
    return t_random() % limit;
}

int64_t t_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool t_is_enough(int64_t start_ns)
{
    return t_now_ns() - start_ns > 8 * INT64_C(1000000000);
}

bool t_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
    return false;
#endif
}

void t_begin(const struct t_test *test, uint64_t seed)
{
    test_pid = getpid();
    names_given = 0;
    random_state = seed;
    for (const char *c = test->name; *c != '\0'; c++)
        random_state = random_state * 31 + (unsigned char)*c;
}
