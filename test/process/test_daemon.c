/* SPDX-License-Identifier: MIT */
/*
 * What a long-running program does to itself after it has attached: it closes all descriptors,
 * loses the standard ones, changes user, root directory and namespaces, its segment loses its
 * name. It notices deaths and gets messages as before, and is to the others what it was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

struct scene {
    char name[SHMBUS_NAME_BYTES];
    bool (*change)(const struct scene *scene);
    unsigned flags;
    struct t_gate ready, changed, done;
    bool cannot; /* the change is not possible here */
    uint64_t got, again, polled;
    uint32_t deliveries;
};

/* The one that changes. Message 1 comes from a living one, 2 and 3 from the hands of the dead. */
static int daemon_lives(void *argument)
{
    struct scene *s = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_msg msg;
    opts.flags = SHMBUS_ATTACH_EXISTING | s->flags;
    T_OK_FATAL(shmbus_attach(s->name, &opts, &bus));
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    t_gate_post(&s->ready);
    t_gate_wait(&s->ready, 3); /* both victims hold their messages */
    s->cannot = !s->change(s);
    t_gate_post(&s->changed);
    if (s->cannot)
        return 0;
    if (shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER) == 0) {
        s->got = t_value(&msg);
        shmbus_release(&msg);
    }
    t_gate_post(&s->done);
    if (shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER) == 0) {
        s->again = t_value(&msg);
        s->deliveries = msg.delivery_count;
        shmbus_release(&msg);
    }
    t_gate_post(&s->done);
    while (shmbus_recv(ch, &msg, 0) == -EAGAIN) {
    }
    s->polled = t_value(&msg); /* and keeps it */
    t_gate_post(&s->done);
    pause();
    return 1;
}

static int victim_holds(void *argument)
{
    struct scene *s = argument;
    struct shmbus_msg msg;
    struct shmbus_channel *ch = t_open(t_attach(s->name), "q", SHMBUS_OPEN_RECV);
    T_OK(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER));
    t_gate_post(&s->ready);
    pause();
    return 1;
}

static void daemon_test_with(bool (*change)(const struct scene *scene), unsigned flags)
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    struct scene *s = t_shared(sizeof *s);
    if (t_is_sanitized())
        t_skip("a sanitizer needs its descriptors, and leaves us no table of our own");
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    t_bus_name(s->name);
    T_OK_FATAL(shmbus_create(s->name, plan, NULL));
    shmbus_plan_free(plan);
    s->change = change;
    s->flags = flags;
    /* This process sees nothing of deaths: it has no watcher and never waits. */
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_NO_WATCHER;
    T_OK_FATAL(shmbus_attach(s->name, &opts, &bus));
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    pid_t victims[2];
    pid_t pid = t_fork(daemon_lives, s);
    t_gate_wait(&s->ready, 1);
    for (uint32_t i = 0; i < 2; i++) {
        t_put(ch, 2 + i);
        victims[i] = t_fork(victim_holds, s);
        t_gate_wait(&s->ready, 2 + i);
    }
    t_gate_wait(&s->changed, 1);
    if (!s->cannot) {
        t_put(ch, 1);
        t_gate_wait(&s->done, 1);
        t_kill_wait(victims[0], SIGKILL);
        t_gate_wait(&s->done, 2);
        t_kill_wait(victims[1], SIGKILL);
        t_gate_wait(&s->done, 3);
        CU_ASSERT_EQUAL(s->got, 1);
        CU_ASSERT_EQUAL(s->again, 2);
        CU_ASSERT_EQUAL(s->deliveries, 2);
        CU_ASSERT_EQUAL(s->polled, 3);
        shmbus_reclaim(bus); /* the second victim, whose slot it may not have given back yet */
        CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0); /* it is alive */
        CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    }
    t_kill_wait(pid, SIGKILL);
    shmbus_reclaim(bus);
    if (!s->cannot)
        CU_ASSERT_EQUAL(t_get(ch), 3); /* it is dead */
    for (int i = 0; i < 2 && s->cannot; i++)
        t_kill_wait(victims[i], SIGKILL);
    shmbus_detach(bus);
    for (int i = 0; i < 2; i++) { /* it may have been renamed, or be there twice */
        int r = shmbus_unlink(s->name);
        CU_ASSERT_TRUE(r == 0 || r == -ENOENT);
        strcat(s->name, "-r");
    }
    if (s->cannot)
        t_skip("not possible here (root only)");
}

static void daemon_test(bool (*change)(const struct scene *scene))
{
    daemon_test_with(change, 0);
}

/* ------------------------------------------------------------------------------- descriptors */

static bool close_everything(const struct scene *s)
{
    (void)s;
    closefrom(0);
    return true;
}

T_TEST(daemon, that_closed_all_descriptors_goes_on)
{
    daemon_test(close_everything);
}

T_TEST(daemon, without_helper_threads_that_closed_all_descriptors_goes_on)
{
    daemon_test_with(close_everything, SHMBUS_ATTACH_NO_WATCHER);
}

/* All numbers are other files by now, and stay as they are. */
static bool reuse_all_numbers(const struct scene *s)
{
    (void)s;
    closefrom(0);
    for (int fd = 0; fd < 64; fd++) {
        if (memfd_create("mine", 0) != fd)
            return false;
    }
    return true;
}

T_TEST(daemon, whose_files_have_all_the_numbers_goes_on)
{
    daemon_test(reuse_all_numbers);
}

static bool detach_from_terminal(const struct scene *s)
{
    (void)s;
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    return setsid() > 0 && chdir("/") == 0;
}

T_TEST(daemon, that_redirected_the_standard_ones_goes_on)
{
    daemon_test(detach_from_terminal);
}

static bool no_more_descriptors(const struct scene *s)
{
    const struct rlimit limit = {3, 3};
    (void)s;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

T_TEST(daemon, with_a_lowered_limit_of_descriptors_goes_on)
{
    daemon_test(no_more_descriptors);
}

static bool everything_at_once(const struct scene *s)
{
    return shmbus_unlink(s->name) == 0 && close_everything(s) && no_more_descriptors(s);
}

T_TEST(daemon, that_closed_all_of_an_unlinked_segment_and_may_open_nothing_goes_on)
{
    daemon_test(everything_at_once);
}

/* ------------------------------------------------------------------------ names and namespaces */

static bool unlink_segment(const struct scene *s)
{
    return shmbus_unlink(s->name) == 0;
}

T_TEST(daemon, whose_segment_was_unlinked_goes_on)
{
    daemon_test(unlink_segment);
}

static bool rename_segment(const struct scene *s)
{
    char from[128], to[128];
    snprintf(from, sizeof from, "/dev/shm/shmbus.%s", s->name);
    snprintf(to, sizeof to, "/dev/shm/shmbus.%s-r", s->name);
    return rename(from, to) == 0 && close_everything(s);
}

T_TEST(daemon, whose_segment_was_renamed_goes_on)
{
    daemon_test(rename_segment);
}

/* A new bus of that name is not taken for ours. */
static bool replace_segment(const struct scene *s)
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);
    bool ok = shmbus_unlink(s->name) == 0 && shmbus_create(s->name, plan, NULL) == 0;
    shmbus_plan_free(plan);
    return ok && close_everything(s);
}

T_TEST(daemon, whose_segment_was_replaced_goes_on_with_the_old_one)
{
    daemon_test(replace_segment);
}

static bool change_user(const struct scene *s)
{
    (void)s;
    return setgid(65534) == 0 && setuid(65534) == 0;
}

T_TEST(daemon, that_changed_its_user_goes_on)
{
    daemon_test(change_user);
}

static bool change_root(const struct scene *s)
{
    return chroot(t_dir()) == 0 && chdir("/") == 0 && close_everything(s);
}

T_TEST(daemon, that_changed_its_root_directory_goes_on)
{
    daemon_test(change_root);
}

static bool change_mounts(const struct scene *s)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL) == 0 &&
           mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0 && close_everything(s);
}

T_TEST(daemon, in_a_mount_namespace_without_proc_and_segment_goes_on)
{
    daemon_test(change_mounts);
}

static bool change_pids(const struct scene *s)
{
    (void)s;
    return unshare(CLONE_NEWPID) == 0;
}

T_TEST(daemon, that_changed_its_pid_namespace_goes_on)
{
    daemon_test(change_pids);
}

/* ---------------------------------------------------------------- started without standard ones */

struct printing {
    char name[SHMBUS_NAME_BYTES];
    bool stop, hit;
};

/* Writes to 1 and 2 all the time, as every program does. */
static void *print(void *argument)
{
    struct printing *p = argument;
    while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
        if (write(1, "output of the program", 21) > 0 || write(2, "error messages", 14) > 0)
            p->hit = true; /* there is no file of ours that could take it */
    }
    return NULL;
}

static int runs_without_standard_descriptors(void *argument)
{
    enum { TIMES = 100 };
    struct printing *p = argument;
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    pthread_t thread;
    int r = 0;
    opts.plan = plan;
    closefrom(0);
    if (pthread_create(&thread, NULL, print, p) != 0)
        return 1;
    for (int i = 0; i < TIMES && r == 0; i++) {
        struct shmbus *bus = NULL;
        struct shmbus_channel *ch = NULL;
        r = shmbus_attach(p->name, &opts, &bus);
        if (r == 0)
            r = shmbus_channel_open(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch);
        if (r == 0)
            r = shmbus_channel_fd(ch) >= 3 ? 0 : 3;
        shmbus_detach(bus);
        if (r == 0)
            r = shmbus_unlink(p->name);
    }
    __atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    shmbus_plan_free(plan);
    return r == 0 ? (p->hit ? 2 : 0) : 1;
}

T_TEST(daemon, started_without_standard_descriptors_writes_into_no_file_of_the_library)
{
    struct printing *p = t_shared(sizeof *p);
    if (t_is_sanitized())
        t_skip("a sanitizer needs its descriptors, and leaves us no table of our own");
    t_bus_name(p->name);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(runs_without_standard_descriptors, p)), 0);
}
