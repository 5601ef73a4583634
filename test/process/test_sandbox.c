/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes and limits: system calls that are refused, no /proc, no descriptor, no thread, locked
 * memory. Either the library works there, or it says what is missing, with a code that does not
 * mean "try again", and leaves nothing half made.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* From here on the system calls answer so. */
struct refusal {
    long number;
    int error;
    uint32_t command; /* only with this as second argument, if not 0 */
};

static bool refuse(const struct refusal *refusals, size_t count)
{
    struct sock_filter f[32];
    unsigned short n = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t beyond = refusals[i].command != 0 ? 3 : 1;
        f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                              offsetof(struct seccomp_data, nr));
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                              (uint32_t)refusals[i].number, 0, beyond);
        if (refusals[i].command != 0) {
            f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                  offsetof(struct seccomp_data, args[1]));
            f[n++] =
                (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusals[i].command, 0, 1);
        }
        f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                              SECCOMP_RET_ERRNO | (uint32_t)refusals[i].error);
    }
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, f};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { SKIPPED = 77 };

static struct shmbus_plan *sandbox_plan(void)
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    return plan;
}

/* ------------------------------------------------------------------------- what works as before */

struct cell {
    const struct refusal *refusals;
    size_t count;
    bool (*change)(void);
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready, holds, got;
    int made;
    char detail[512];
};

/* Makes the bus, attaches, waits for a message from a living and from a dead one. */
static int lives_in_a_sandbox(void *argument)
{
    struct cell *cell = argument;
    struct shmbus_plan *plan = sandbox_plan();
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_msg msg;
    opts.plan = plan;
    if (cell->change != NULL ? !cell->change() : !refuse(cell->refusals, cell->count))
        return SKIPPED;
    cell->made = shmbus_attach(cell->name, &opts, &bus);
    snprintf(cell->detail, sizeof cell->detail, "%s", shmbus_detail());
    shmbus_plan_free(plan);
    t_gate_post(&cell->ready);
    if (cell->made < 0)
        return 0;
    t_gate_wait(&cell->holds, 1); /* a victim has message 1 */
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    for (uint64_t expected = 2; expected > 0; expected--) {
        T_OK_FATAL(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER));
        CU_ASSERT_EQUAL(t_value(&msg), expected);
        CU_ASSERT_EQUAL(msg.delivery_count, expected == 2 ? 1 : 2);
        T_OK(shmbus_release(&msg));
        t_gate_post(&cell->got);
    }
    shmbus_detach(bus);
    return 0;
}

static int victim_holds(void *argument)
{
    struct cell *cell = argument;
    struct shmbus_msg msg;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    T_OK_FATAL(shmbus_attach(cell->name, &opts, &bus));
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    T_OK(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER));
    t_gate_post(&cell->holds);
    pause();
    return 1;
}

static void works_in(struct cell *cell)
{
    t_bus_name(cell->name);
    pid_t pid = t_fork(lives_in_a_sandbox, cell);
    while (t_gate_count(&cell->ready) == 0) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
            if (t_wait_exit(pid) == SKIPPED)
                t_skip("not possible here");
            CU_FAIL_FATAL("ended before it attached");
        }
        sched_yield();
    }
    CU_ASSERT_EQUAL(cell->made, 0);
    if (cell->made < 0) {
        printf("%s\n", cell->detail);
        t_wait_exit(pid);
        return;
    }
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_NO_WATCHER; /* sees nothing of deaths */
    opts.flags |= SHMBUS_ATTACH_ANY_OWNER;
    T_OK_FATAL(shmbus_attach(cell->name, &opts, &bus));
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND);
    t_put(ch, 1);
    pid_t victim = t_fork(victim_holds, cell);
    t_gate_wait(&cell->holds, 1);
    t_put(ch, 2);
    t_gate_wait(&cell->got, 1);
    t_kill_wait(victim, SIGKILL);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    t_bus_end(bus, cell->name);
}

static void works_without(const struct refusal *refusals, size_t count)
{
    struct cell *cell = t_shared(sizeof *cell);
    cell->refusals = refusals;
    cell->count = count;
    works_in(cell);
}

#define WORKS_WITHOUT(name, ...)                                                                   \
    T_TEST(sandbox, name)                                                                          \
    {                                                                                              \
        static const struct refusal refusals[] = {__VA_ARGS__};                                    \
        works_without(refusals, sizeof refusals / sizeof refusals[0]);                             \
    }

WORKS_WITHOUT(without_membarrier_it_works, {SYS_membarrier, EPERM, 0})
WORKS_WITHOUT(without_pidfd_open_it_works, {SYS_pidfd_open, ENOSYS, 0})
WORKS_WITHOUT(without_close_range_it_works, {SYS_close_range, ENOSYS, 0})
WORKS_WITHOUT(without_unshare_it_works, {SYS_unshare, EPERM, 0}, {SYS_close_range, EPERM, 0})
WORKS_WITHOUT(without_any_of_the_newer_calls_it_works, {SYS_membarrier, ENOSYS, 0},
              {SYS_pidfd_open, ENOSYS, 0}, {SYS_close_range, ENOSYS, 0}, {SYS_unshare, ENOSYS, 0})
WORKS_WITHOUT(without_values_of_madvise_it_works, {SYS_madvise, EINVAL, 0})
WORKS_WITHOUT(without_madvise_it_works, {SYS_madvise, ENOSYS, 0})
WORKS_WITHOUT(without_fallocate_it_works, {SYS_fallocate, ENOSYS, 0})
WORKS_WITHOUT(with_fallocate_forbidden_it_works, {SYS_fallocate, EPERM, 0})
WORKS_WITHOUT(without_prctl_and_limits_it_works, {SYS_prlimit64, EPERM, 0})
#ifdef SYS_clone3
/* No thread is to be had. */
WORKS_WITHOUT(without_threads_it_works, {SYS_clone3, EAGAIN, 0}, {SYS_clone, EAGAIN, 0})
#endif

static bool hide_proc(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0;
}

T_TEST(sandbox, without_proc_it_works)
{
    struct cell *cell = t_shared(sizeof *cell);
    cell->change = hide_proc;
    works_in(cell);
}

/* ProtectProc=invisible: another user's processes are not to be seen. */
static bool hide_pids(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, "hidepid=invisible") == 0 && setgid(65534) == 0 &&
           setuid(65534) == 0;
}

T_TEST(sandbox, with_hidden_pids_it_works)
{
    struct cell *cell = t_shared(sizeof *cell);
    cell->change = hide_pids;
    works_in(cell);
}

static bool no_threads_for_nobody(void)
{
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_NPROC, &none) == 0 && setgid(65534) == 0 && setuid(65534) == 0;
}

T_TEST(sandbox, with_no_process_left_for_the_user_it_works)
{
    struct cell *cell = t_shared(sizeof *cell);
    if (geteuid() != 0 || t_is_sanitized())
        t_skip("needs root, and no sanitizer's threads");
    cell->change = no_threads_for_nobody;
    works_in(cell);
}

/* The table of the process is full; ours is another one. */
static bool fill_table(void)
{
    while (dup(0) >= 0) {
    }
    return errno == EMFILE;
}

static bool no_descriptor_left(void)
{
    const struct rlimit limit = {64, 64};
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && fill_table();
}

T_TEST(sandbox, with_a_full_descriptor_table_it_works)
{
    struct cell *cell = t_shared(sizeof *cell);
    if (t_is_sanitized())
        t_skip("under a sanitizer there is no descriptor table of its own");
    cell->change = no_descriptor_left;
    works_in(cell);
}

/* ------------------------------------------------------- what does not work is said, and undone */

struct failure {
    char name[SHMBUS_NAME_BYTES];
    const struct refusal *refusal;
    int result;
    bool retryable, is_there;
    char detail[512];
};

static int fails_to_attach(void *argument)
{
    struct failure *f = argument;
    struct shmbus *bus = NULL;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = sandbox_plan();
    opts.plan = plan;
    if (!refuse(f->refusal, 1))
        return SKIPPED;
    f->result = shmbus_attach(f->name, &opts, &bus);
    f->retryable = shmbus_error_is_retryable(f->result);
    snprintf(f->detail, sizeof f->detail, "%s", shmbus_detail());
    shmbus_plan_free(plan);
    return 0;
}

static struct failure *attach_without(const struct refusal *refusal)
{
    struct failure *f = t_shared(sizeof *f);
    f->refusal = refusal;
    t_bus_name(f->name);
    if (t_wait_exit(t_fork(fails_to_attach, f)) == SKIPPED)
        t_skip("seccomp filters are not permitted here");
    f->is_there = shmbus_unlink(f->name) == 0;
    printf("%s: %s\n", shmbus_strerrorname(f->result), f->detail);
    return f;
}

T_TEST(sandbox, without_locks_it_says_so)
{
    static const struct refusal refusal = {SYS_fcntl, EINVAL, F_OFD_SETLK};
    const struct failure *f = attach_without(&refusal);
    CU_ASSERT_EQUAL(f->result, -EINVAL);
    CU_ASSERT_FALSE(f->retryable);
    CU_ASSERT_PTR_NOT_NULL(strstr(f->detail, "F_OFD_SETLK"));
}

T_TEST(sandbox, without_linkat_nothing_is_made)
{
    static const struct refusal refusal = {SYS_linkat, EPERM, 0};
    const struct failure *f = attach_without(&refusal);
    CU_ASSERT_EQUAL(f->result, -EPERM);
    CU_ASSERT_FALSE(f->is_there);
}

/* -------------------------------------------------------------------------------locked memory */

struct locking {
    char name[SHMBUS_NAME_BYTES];
    uint64_t limit_bytes;
    int result, fd_result;
    bool retryable, is_there;
    char detail[512], fd_detail[512];
};

static int locks_its_memory(void *argument)
{
    struct locking *l = argument;
    const struct rlimit limit = {l->limit_bytes, l->limit_bytes};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;
    struct shmbus_plan *plan = sandbox_plan();
    opts.plan = plan;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setgid(65534) != 0 || setuid(65534) != 0 ||
        mlockall(MCL_FUTURE) != 0)
        return SKIPPED;
    l->result = shmbus_attach(l->name, &opts, &bus);
    l->retryable = shmbus_error_is_retryable(l->result);
    snprintf(l->detail, sizeof l->detail, "%s", shmbus_detail());
    if (l->result < 0) {
        shmbus_unlink(l->name); /* there, and complete, if the second mapping was too much */
        return 0;
    }
    if (shmbus_channel_open(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch) == 0) {
        l->fd_result = shmbus_channel_fd(ch);
        snprintf(l->fd_detail, sizeof l->fd_detail, "%s", shmbus_detail());
    }
    shmbus_detach(bus);
    shmbus_unlink(l->name);
    return 0;
}

/* From far too little to enough: it works, or says which limit; never "try again", never "all
 * slots are in use". */
T_TEST(sandbox, a_limit_of_locked_memory_is_named)
{
    struct locking *l = t_shared(sizeof *l);
    uint32_t worked = 0, failed = 0;
    if (geteuid() != 0 || t_is_sanitized())
        t_skip("needs root, and no sanitizer's memory");
    for (uint64_t kib = 4; kib <= 4096; kib += kib < 600 ? 4 : 64) {
        memset(l, 0, sizeof *l);
        l->limit_bytes = kib << 10;
        t_bus_name(l->name);
        int status = t_wait_exit(t_fork(locks_its_memory, l));
        if (status == SKIPPED)
            continue; /* too little for the process itself */
        CU_ASSERT_EQUAL(status, 0);
        worked += l->result == 0;
        failed += l->result < 0;
        CU_ASSERT_FALSE(l->retryable);
        if (l->result < 0) {
            CU_ASSERT_EQUAL(l->result, -ENOMEM);
            printf("%llu KiB: %s\n", (unsigned long long)kib, l->detail);
            CU_ASSERT_TRUE(strstr(l->detail, "RLIMIT_MEMLOCK") != NULL ||
                           strstr(l->detail, "no memory") != NULL ||
                           strstr(l->detail, "out of memory") != NULL);
        }
        CU_ASSERT_TRUE(l->fd_result >= 0 || l->fd_result == -ENOMEM);
    }
    printf("%u worked, %u said why not\n", worked, failed);
    CU_ASSERT_TRUE(worked > 0 && failed > 0);
}

/* ------------------------------------------------------------------------------------no thread */

static int has_no_threads(void *argument)
{
    struct locking *l = argument;
    static const struct refusal refusals[] = {{SYS_clone, EAGAIN, 0},
#ifdef SYS_clone3
                                              {SYS_clone3, EAGAIN, 0}
#endif
    };
    struct shmbus *bus = t_attach(l->name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    if (!refuse(refusals, sizeof refusals / sizeof refusals[0]))
        return SKIPPED;
    l->fd_result = shmbus_channel_fd(ch);
    l->retryable = shmbus_error_is_retryable(l->fd_result);
    snprintf(l->fd_detail, sizeof l->fd_detail, "%s", shmbus_detail());
    shmbus_detach(bus);
    return 0;
}

T_TEST(sandbox, a_descriptor_without_a_thread_is_no_reason_to_try_again)
{
    struct locking *l = t_shared(sizeof *l);
    struct shmbus *bus = t_bus_new(sandbox_plan(), l->name);
    if (t_wait_exit(t_fork(has_no_threads, l)) == SKIPPED)
        t_skip("seccomp filters are not permitted here");
    CU_ASSERT_EQUAL(l->fd_result, -ENOMEM);
    CU_ASSERT_FALSE(l->retryable);
    CU_ASSERT_PTR_NOT_NULL(strstr(l->fd_detail, "RLIMIT_NPROC"));
    t_bus_end(bus, l->name);
}

/* -------------------------------------------------------------------------------fast signals */

static void tick(int signal_number)
{
    (void)signal_number;
}

/* A profiler's timer, faster than a piece of memory is reserved. */
T_TEST(sandbox, under_a_fast_timer_a_large_bus_is_made)
{
    const struct itimerval fast = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = tick};
    struct shmbus_plan *plan = NULL;
    char name[SHMBUS_NAME_BYTES];
    T_OK_FATAL(shmbus_plan_new(64ull << 20, &plan));
    CU_ASSERT_EQUAL(sigaction(SIGALRM, &action, NULL), 0);
    CU_ASSERT_EQUAL(setitimer(ITIMER_REAL, &fast, NULL), 0);
    T_OK(shmbus_create(t_bus_name(name), plan, NULL));
    CU_ASSERT_EQUAL(setitimer(ITIMER_REAL, &off, NULL), 0);
    shmbus_plan_free(plan);
    T_OK(shmbus_unlink(name));
}

/* ------------------------------------------------------------------------------------ unloading */

/* The shared library of this build; the tests themselves have their own copy inside. */
static void *load_library(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    CU_ASSERT_TRUE_FATAL(n > 0);
    path[n] = '\0';
    *strrchr(path, '/') = '\0'; /* BUILD/bin */
    strcpy(strrchr(path, '/'), "/lib/libshmbus.so");
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void find(void *library, const char *symbol, void *ret_function)
{
    void *found = dlsym(library, symbol);
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    memcpy(ret_function, &found, sizeof found);
}

T_TEST(sandbox, a_plugin_host_that_unloads_the_library_harms_no_thread_of_it)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;
    struct shmbus_msg msg;
    void *library = load_library();
    if (library == NULL || t_is_sanitized())
        t_skip("no shared library beside the tests, or one with a sanitizer");
    __typeof__(&shmbus_attach) attach_it;
    __typeof__(&shmbus_channel_open) open_it;
    __typeof__(&shmbus_recv) receive;
    __typeof__(&shmbus_channel_fd) descriptor;
    __typeof__(&shmbus_detach) detach_it;
    find(library, "shmbus_attach", &attach_it);
    find(library, "shmbus_channel_open", &open_it);
    find(library, "shmbus_recv", &receive);
    find(library, "shmbus_channel_fd", &descriptor);
    find(library, "shmbus_detach", &detach_it);
    CU_ASSERT_EQUAL_FATAL(attach_it(t_bus_name(name), NULL, &bus), 0);
    CU_ASSERT_EQUAL_FATAL(open_it(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch), 0);
    CU_ASSERT_EQUAL(receive(ch, &msg, T_MS), -ETIMEDOUT); /* the watcher runs */
    CU_ASSERT_TRUE(descriptor(ch) >= 3);                  /* and a third thread */
    CU_ASSERT_EQUAL(dlclose(library), 0);
    int64_t until = t_now_ns() + 250 * T_MS; /* two ticks of the watcher */
    while (t_now_ns() < until)
        sched_yield();
    detach_it(bus);
    T_OK(shmbus_unlink(name));
}

/* ------------------------------------------------------------------------------------core dumps */

/* The flags of the mapping at that address, as /proc/self/smaps has them. */
static bool goes_into_core(const void *address)
{
    char line[512], flags[512] = "";
    unsigned long long from = 0, to = 0;
    bool mine = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(smaps);
    while (fgets(line, sizeof line, smaps) != NULL) {
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            mine = (unsigned long long)(uintptr_t)address >= from &&
                   (unsigned long long)(uintptr_t)address < to;
        else if (mine && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, sizeof flags, "%s", line);
    }
    fclose(smaps);
    CU_ASSERT_NOT_EQUAL(flags[0], '\0');
    return strstr(flags, " dd") == NULL;
}

T_TEST(core, a_segment_stays_out_of_core_dumps_unless_its_plan_says_otherwise)
{
    for (int core = 0; core < 2; core++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
        struct shmbus *observer = NULL;
        struct shmbus_plan *plan = t_plan(4, 64, 16);
        plan->core = core != 0;
        struct shmbus *bus = t_bus_new(plan, name);
        CU_ASSERT_EQUAL(goes_into_core(bus->segment.base), core != 0);
        opts.flags = SHMBUS_ATTACH_OBSERVE;
        T_OK_FATAL(shmbus_attach(name, &opts, &observer));
        CU_ASSERT_EQUAL(goes_into_core(observer->segment.base), core != 0);
        shmbus_detach(observer);
        t_bus_end(bus, name);
    }
}

T_TEST(core, yaml_says_core)
{
    static const char yaml[] = "bus: a\ncore: true\n";
    struct shmbus_plan *plan = NULL;
    T_OK_FATAL(shmbus_plan_parse(yaml, sizeof yaml - 1, "t.yaml", &plan));
    CU_ASSERT_TRUE(plan->core);
    shmbus_plan_free(plan);
}
