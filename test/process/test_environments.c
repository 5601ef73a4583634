/* SPDX-License-Identifier: MIT */
/*
 * Promises where people run programs: beside timers and samplers, in sandboxes that refuse system
 * calls, at a stream whose reader was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "fixture.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/* From here on these calls (up to three, -1: none) fail with @error; false: it cannot be had. */
static bool refuse(const int calls[3], int error)
{
    struct sock_filter code[9];
    unsigned n = 0;

    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < 3 && calls[i] >= 0; i++) {
        code[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        code[n++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {(unsigned short)n, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* ------------------------------------------------------------------------------ fast signals */

static __thread uint32_t ticks; /* that this thread was interrupted by */
static bool slow_kernel;

static void on_tick(int signal_number)
{
    (void)signal_number;
    __atomic_fetch_add(&ticks, 1, __ATOMIC_RELAXED);
}

/* In place of the C library's. A slow kernel needs 20 ms for each piece, and begins again when a
 * signal comes meanwhile. */
int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    if (slow_kernel) {
        uint32_t before = __atomic_load_n(&ticks, __ATOMIC_RELAXED);
        int64_t end = t_now_ns() + 20 * T_MS;
        while (t_now_ns() < end && __atomic_load_n(&ticks, __ATOMIC_RELAXED) == before) {
        }
        if (__atomic_load_n(&ticks, __ATOMIC_RELAXED) != before)
            return EINTR;
    }
    return syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;
}

static void make_and_remove(uint64_t bytes)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = NULL;

    T_OK_FATAL(shmbus_plan_new(bytes, &plan));
    T_OK(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    T_OK(shmbus_unlink(name));
}

static void every_us(suseconds_t us)
{
    struct itimerval every = {{0, us}, {0, us}};
    setitimer(ITIMER_REAL, &every, NULL);
}

static int make_beside_timers(void *without_threads)
{
    static const suseconds_t periods[] = {100, 500, 1000, 5000};
    static const int new_threads[3] = {SYS_clone, SYS_clone3, -1};
    struct sigaction action = {.sa_handler = on_tick};

    if (without_threads != NULL && !refuse(new_threads, EAGAIN))
        return 77;
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 4; i++) {
        every_us(periods[i]);
        make_and_remove(32 << 20);
        slow_kernel = true; /* no piece is done before the next tick */
        make_and_remove(20 << 20);
        slow_kernel = false;
        every_us(0);
    }
    CU_ASSERT_TRUE(__atomic_load_n(&ticks, __ATOMIC_RELAXED) > 0);
    return 0;
}

T_TEST(environment, a_bus_is_made_beside_a_timer_of_any_period)
{
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(make_beside_timers, NULL)), 0);
}

/* There nothing is made in a thread of the library, with its signals blocked. */
T_TEST(environment, a_bus_is_made_beside_a_timer_where_no_thread_is_to_be_had)
{
    int status = t_wait_exit(t_fork(make_beside_timers, &slow_kernel));
    if (status == 77)
        t_skip("no system call filters here");
    CU_ASSERT_EQUAL(status, 0);
}

struct sampler {
    pthread_t target, thread;
    uint32_t stop;
    int64_t every_ns;
};

static void *sample(void *argument)
{
    struct sampler *s = argument;
    while (__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST) == 0) {
        int64_t until = t_now_ns() + s->every_ns;
        while (t_now_ns() < until) {
        }
        pthread_kill(s->target, SIGPROF);
    }
    return NULL;
}

T_TEST(environment, a_bus_is_made_by_a_thread_that_a_profiler_samples)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigaction before;

    sigaction(SIGPROF, &action, &before);
    for (int64_t every_ns = 100000; every_ns <= 5 * T_MS; every_ns *= 7) {
        struct sampler s = {.target = pthread_self(), .every_ns = every_ns};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&s.thread, NULL, sample, &s), 0);
        make_and_remove(32 << 20);
        __atomic_store_n(&s.stop, 1, __ATOMIC_SEQ_CST);
        pthread_join(s.thread, NULL);
    }
    sigaction(SIGPROF, &before, NULL);
}

static int attach_beside_a_timer(void *name)
{
    static const int new_threads[3] = {SYS_clone, SYS_clone3, -1};
    struct sigaction action = {.sa_handler = on_tick};
    struct shmbus *bus = NULL;

    if (!refuse(new_threads, EAGAIN))
        return 77;
    sigaction(SIGALRM, &action, NULL);
    slow_kernel = true;
    every_us(1000);
    T_OK(shmbus_attach(name, NULL, &bus));
    every_us(0);
    shmbus_detach(bus);
    return 0;
}

/* A copy of a segment, made by cp --sparse for instance. */
T_TEST(environment, the_holes_of_a_copied_bus_are_filled_beside_a_fast_timer)
{
    char name[SHMBUS_NAME_BYTES], path[128];
    struct shmbus_plan *plan = NULL;
    struct stat st;

    T_OK_FATAL(shmbus_plan_new(40 << 20, &plan));
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    snprintf(path, sizeof path, "/dev/shm/shmbus.%s", name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
    CU_ASSERT_EQUAL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st.st_size - 65536,
                              65536),
                    0); /* payload of a free block */
    close(fd);
    int status = t_wait_exit(t_fork(attach_beside_a_timer, name));
    if (status == 0) {
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_TRUE(st.st_blocks * 512 >= st.st_size);
    }
    T_OK(shmbus_unlink(name));
    if (status == 77)
        t_skip("no system call filters here");
    CU_ASSERT_EQUAL(status, 0);
}

/* --------------------------------------------------------------------------------- sandboxes */

#define SOON_NS (10 * T_S)

struct scene {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate held, attached, done;
    unsigned refused; /* index of the profile */
    int64_t idle_cpu_ns;
};

/* What each profile refuses, and how. */
static const struct {
    int calls[3], error;
} profiles[] = {
    {{SYS_membarrier, -1, -1}, EPERM},
    {{SYS_membarrier, -1, -1}, ENOSYS},
    {{SYS_pidfd_open, -1, -1}, EPERM},
    {{SYS_pidfd_open, -1, -1}, ENOSYS},
    {{SYS_close_range, -1, -1}, EPERM},
    {{SYS_close_range, -1, -1}, ENOSYS},
    {{SYS_membarrier, SYS_pidfd_open, SYS_close_range}, EPERM},
    {{SYS_membarrier, SYS_pidfd_open, SYS_close_range}, ENOSYS},
};

static int take_and_stay(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = t_attach(scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;

    T_OK(shmbus_recv(q, &msg, SHMBUS_WAIT_FOREVER));
    t_gate_post(&scene->held);
    t_gate_wait(&scene->held, UINT32_MAX);
    return 0;
}

static int64_t cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * T_S +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* Waits for the message that somebody else holds. */
static int wait_in_sandbox(void *argument)
{
    struct scene *scene = argument;
    struct shmbus_msg msg;

    if (!refuse(profiles[scene->refused].calls, profiles[scene->refused].error)) {
        t_gate_post(&scene->attached);
        return 77;
    }
    struct shmbus *bus = t_attach(scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_channel *lane = t_open(bus, "lane", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    int64_t before = cpu_ns();
    T_FAILS(shmbus_recv(q, &msg, T_S), -ETIMEDOUT);
    scene->idle_cpu_ns = cpu_ns() - before;
    t_gate_post(&scene->attached);
    T_OK(shmbus_recv(q, &msg, SHMBUS_WAIT_FOREVER));
    CU_ASSERT_EQUAL(t_value(&msg), 42);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    t_gate_post(&scene->done);
    t_put(lane, 43);
    CU_ASSERT_EQUAL(t_get(lane), 43);
    shmbus_detach(bus);
    return 0;
}

static bool one_sandbox(unsigned profile)
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    struct shmbus_channel_opts lane = {
        .struct_bytes = sizeof lane, .kind = SHMBUS_KIND_QUEUE, .order = SHMBUS_ORDER_PRODUCER};

    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    T_OK_FATAL(shmbus_plan_add_channel(plan, "lane", &lane));
    struct shmbus *bus = t_bus_new(plan, scene->name);
    struct shmbus_channel *q = t_open(bus, "q", SHMBUS_OPEN_SEND);
    scene->refused = profile;
    t_put(q, 42);
    pid_t holder = t_fork(take_and_stay, scene);
    t_gate_wait(&scene->held, 1);
    pid_t waiter = t_fork(wait_in_sandbox, scene);
    t_gate_wait(&scene->attached, 1);
    int64_t start = t_now_ns();
    CU_ASSERT_EQUAL(t_kill_wait(holder, SIGKILL), 128 + SIGKILL);
    int status = t_wait_exit(waiter);
    if (status != 77) {
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_TRUE(t_now_ns() - start < SOON_NS);
        CU_ASSERT_TRUE(scene->idle_cpu_ns < (t_is_sanitized() ? 500 : 200) * T_MS);
        printf("profile %u: %.1f ms of processor in a second of waiting\n", profile,
               (double)scene->idle_cpu_ns / T_MS);
    }
    t_bus_end(bus, scene->name);
    return status != 77;
}

T_TEST(environment, a_sandbox_without_newer_system_calls_knows_of_deaths_and_burns_nothing)
{
    for (unsigned i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        if (!one_sandbox(i))
            t_skip("no system call filters here");
    }
}

/* ----------------------------------------------------------------------------------- streams */

static int read_and_stay(void *argument)
{
    struct scene *scene = argument;
    struct shmbus *bus = t_attach(scene->name);
    t_open(bus, "s", SHMBUS_OPEN_RECV);
    t_gate_post(&scene->held);
    t_gate_wait(&scene->held, UINT32_MAX);
    shmbus_detach(bus);
    return 0;
}

T_TEST(environment, the_writer_of_a_full_stream_is_told_once_of_its_readers_death)
{
    struct scene *scene = t_shared(sizeof *scene);
    struct shmbus_plan *plan = t_plan(8, 64, 4);
    int r;

    t_plan_stream(plan, "s", 4096);
    struct shmbus *bus = t_bus_new(plan, scene->name);
    struct shmbus_channel *s = t_open(bus, "s", SHMBUS_OPEN_SEND);
    pid_t reader = t_fork(read_and_stay, scene);
    t_gate_wait(&scene->held, 1);
    CU_ASSERT_EQUAL(t_kill_wait(reader, SIGKILL), 128 + SIGKILL);
    do {
        r = t_send(s, 1, 60 * T_S);
    } while (r == 0);
    CU_ASSERT_EQUAL(r, -SHMBUS_ERR_PEER_DEAD); /* not after a minute */
    CU_ASSERT_TRUE(shmbus_error_is_retryable(r));
    T_FAILS(t_send(s, 1, 200 * T_MS), -ETIMEDOUT);
    T_FAILS(t_send(s, 1, 0), -EAGAIN);
    struct shmbus_channel *in =
        t_open(bus, "s", SHMBUS_OPEN_RECV); /* a successor finds all of it */
    CU_ASSERT_EQUAL(t_get(in), 1);
    T_OK(t_send(s, 1, 60 * T_S));
    t_bus_end(bus, scene->name);
}
