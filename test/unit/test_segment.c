/* SPDX-License-Identifier: MIT */
/*
 * The file of a segment: created whole or not at all, by one of many; looked at with suspicion
 * before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "bus/segment.h"
#include "fixture.h"

#define NOBODY 65534

static void path_of(const char *name, char path[PATH_MAX])
{
    char short_name[SHMBUS_NAME_BYTES];
    T_OK_FATAL(sb_segment_path(name, path, PATH_MAX, short_name));
}

static struct shmbus_plan *tiny(void)
{
    return t_plan(2, 64, 8);
}

static void create_tiny(const char *name)
{
    struct shmbus_plan *plan = tiny();
    T_OK_FATAL(shmbus_create(name, plan, NULL));
    shmbus_plan_free(plan);
}

/* What opening it says; closes it again. */
static int open_result(const char *name, bool read_only, bool any_owner)
{
    struct sb_segment segment;
    struct sb_geometry *geometry = NULL;
    int r = sb_segment_open(name, read_only, any_owner, &segment, &geometry);
    if (r == 0) {
        sb_segment_close(&segment);
        sb_geometry_free(geometry);
    }
    return r;
}

static bool detail_has(const char *text)
{
    bool has = strstr(shmbus_detail(), text) != NULL;
    if (!has)
        printf("\"%s\" is not in: %s\n", text, shmbus_detail());
    return has;
}

/* --------------------------------------------------------------------------------------- paths */

T_TEST(segment, names_and_paths)
{
    char path[PATH_MAX], name[SHMBUS_NAME_BYTES];
    T_OK(sb_segment_path("demo", path, sizeof path, name));
    CU_ASSERT_STRING_EQUAL(path, "/dev/shm/shmbus.demo");
    CU_ASSERT_STRING_EQUAL(name, "demo");
    T_OK(sb_segment_path("/mnt/bus/demo", path, sizeof path, name));
    CU_ASSERT_STRING_EQUAL(path, "/mnt/bus/shmbus.demo");
    CU_ASSERT_STRING_EQUAL(name, "demo");
    T_OK(sb_segment_path("/demo", path, sizeof path, name));
    CU_ASSERT_STRING_EQUAL(path, "/shmbus.demo");
    T_FAILS(sb_segment_path("", path, sizeof path, name), -EINVAL);
    T_FAILS(sb_segment_path(".hidden", path, sizeof path, name), -EINVAL);
    T_FAILS(sb_segment_path("/tmp/", path, sizeof path, name), -EINVAL);
    T_FAILS(sb_segment_path("a b", path, sizeof path, name), -EINVAL);
    T_FAILS(sb_segment_path("/tmp/..", path, sizeof path, name), -EINVAL);
    T_FAILS(sb_segment_path("a123456789b123456789c123456789d123456789e1234567", path, sizeof path,
                            name),
            -EINVAL);
    T_FAILS(sb_segment_path("/mnt/bus/demo", path, 20, name), -ENAMETOOLONG);
}

/* The path must stay right when the program changes its directory. */
T_TEST(segment, a_relative_directory_becomes_absolute)
{
    char path[PATH_MAX], name[SHMBUS_NAME_BYTES], here[PATH_MAX], expected[PATH_MAX + 32];
    CU_ASSERT_EQUAL_FATAL(chdir(t_dir()), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(here, sizeof here));
    T_OK(sb_segment_path("./demo", path, sizeof path, name));
    snprintf(expected, sizeof expected, "%s/shmbus.demo", here);
    CU_ASSERT_STRING_EQUAL(path, expected);
    T_FAILS(sb_segment_path("no.such.directory/demo", path, sizeof path, name), -ENOENT);
    CU_ASSERT_TRUE(detail_has("no.such.directory"));
    CU_ASSERT_EQUAL(chdir("/"), 0);
}

/* ------------------------------------------------------------------------------------ creating */

T_TEST(segment, is_created_reserved_and_private)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct stat st;
    t_bus_name(name);
    umask(0777);
    struct shmbus_plan *sparse = t_plan(2, 1 << 20, 4); /* most of it is written by nobody */
    T_OK_FATAL(shmbus_create(name, sparse, NULL));
    shmbus_plan_free(sparse);
    path_of(name, path);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_TRUE(st.st_blocks * 512 >= st.st_size);
    CU_ASSERT_EQUAL(st.st_mode, (mode_t)(S_IFREG | 0600));
    CU_ASSERT_EQUAL(st.st_uid, geteuid());
    T_OK(open_result(name, false, false));
    T_OK(open_result(name, true, false));
    struct shmbus_plan *plan = tiny();
    T_FAILS(shmbus_create(name, plan, NULL), -EEXIST);
    CU_ASSERT_TRUE(detail_has(path));
    shmbus_plan_free(plan);
    T_OK(shmbus_unlink(name));
    T_FAILS(open_result(name, false, false), -ENOENT);
    T_FAILS(shmbus_unlink(name), -ENOENT);
}

T_TEST(segment, has_the_mode_and_group_of_its_plan)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct stat st;
    if (geteuid() != 0)
        t_skip("needs root");
    struct shmbus_plan *plan = tiny();
    plan->mode = 0660;
    plan->group = 12345;
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    path_of(name, path);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
    CU_ASSERT_EQUAL(st.st_gid, 12345);
    T_OK(shmbus_unlink(name));
}

T_TEST(segment, a_missing_directory_or_an_unsuitable_one_is_named)
{
    struct shmbus_plan *plan = tiny();
    T_FAILS(shmbus_create("/no/such/directory/demo", plan, NULL), -ENOENT);
    CU_ASSERT_TRUE(detail_has("/no/such/directory"));
    T_FAILS(shmbus_create("/proc/demo", plan, NULL), -EOPNOTSUPP);
    CU_ASSERT_TRUE(detail_has("tmpfs"));
    shmbus_plan_free(plan);
}

/* A tmpfs of 4 MiB on the test's own directory; gone with the test's mount namespace. */
static void mount_small(const char *dir)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=4m") != 0)
        t_skip("cannot mount a tmpfs");
}

T_TEST(segment, a_full_file_system_is_an_error_with_sizes_and_leaves_nothing)
{
    char name[PATH_MAX];
    struct statvfs before, after;
    struct shmbus_plan *large = t_plan(2, 65536, 100), *small = t_plan(2, 65536, 20);
    mount_small(t_dir());
    snprintf(name, sizeof name, "%s/full", t_dir());
    CU_ASSERT_EQUAL_FATAL(statvfs(t_dir(), &before), 0);
    T_FAILS(shmbus_create(name, large, NULL), -ENOSPC);
    CU_ASSERT_TRUE(detail_has("4.0 MiB free of 4.0 MiB"));
    CU_ASSERT_TRUE(detail_has("needs 6."));
    CU_ASSERT_TRUE(detail_has("--shm-size"));
    CU_ASSERT_EQUAL_FATAL(statvfs(t_dir(), &after), 0);
    CU_ASSERT_EQUAL(before.f_bfree, after.f_bfree);
    CU_ASSERT_EQUAL(before.f_ffree, after.f_ffree);
    T_OK_FATAL(shmbus_create(name, small, NULL));
    /* All its memory is there now: using every byte cannot fail later. */
    struct sb_segment segment;
    struct sb_geometry *geometry;
    T_OK_FATAL(sb_segment_open(name, false, false, &segment, &geometry));
    char filler[PATH_MAX];
    snprintf(filler, sizeof filler, "%s/filler", t_dir());
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char zeroes[65536];
    while (write(fd, zeroes, sizeof zeroes) > 0) {
    }
    CU_ASSERT_EQUAL(errno, ENOSPC);
    close(fd);
    memset(segment.base + 4096, 0x5a, segment.bytes - 4096);
    sb_geometry_free(geometry);
    sb_segment_close(&segment);
    CU_ASSERT_EQUAL(umount2(t_dir(), MNT_DETACH), 0);
    shmbus_plan_free(large);
    shmbus_plan_free(small);
}

T_TEST(segment, a_file_size_limit_is_an_error_and_no_signal)
{
    char name[SHMBUS_NAME_BYTES];
    struct rlimit limit = {1 << 20, 1 << 20};
    struct shmbus_plan *plan = t_plan(2, 65536, 100);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    T_FAILS(shmbus_create(t_bus_name(name), plan, NULL), -EFBIG);
    CU_ASSERT_TRUE(detail_has("ulimit -f"));
    shmbus_plan_free(plan);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

/* The kernel begins a reservation again after each signal. */
T_TEST(segment, a_fast_timer_does_not_keep_creation_from_ending)
{
    char name[SHMBUS_NAME_BYTES];
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct shmbus_plan *plan = t_plan(2, 1 << 20, 100);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    T_OK(shmbus_create(t_bus_name(name), plan, NULL));
    setitimer(ITIMER_REAL, &never, NULL);
    T_OK(open_result(name, true, false));
    T_OK(shmbus_unlink(name));
    shmbus_plan_free(plan);
}

struct race {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready, go;
    uint32_t winners, losers, others;
};

static int racer(void *argument)
{
    struct race *race = argument;
    struct shmbus_plan *plan = tiny();
    t_gate_post(&race->ready);
    t_gate_wait(&race->go, 1);
    int r = shmbus_create(race->name, plan, NULL);
    __atomic_add_fetch(r == 0         ? &race->winners
                       : r == -EEXIST ? &race->losers
                                      : &race->others,
                       1, __ATOMIC_SEQ_CST);
    shmbus_plan_free(plan);
    return 0;
}

T_TEST(segment, of_many_creators_exactly_one_wins)
{
    enum { RACERS = 16, ROUNDS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        struct race *race = t_shared(sizeof *race);
        pid_t pids[RACERS];
        t_bus_name(race->name);
        for (int i = 0; i < RACERS; i++)
            pids[i] = t_fork(racer, race);
        t_gate_wait(&race->ready, RACERS);
        t_gate_post(&race->go);
        for (int i = 0; i < RACERS; i++)
            CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
        CU_ASSERT_EQUAL(race->winners, 1);
        CU_ASSERT_EQUAL(race->losers, RACERS - 1);
        CU_ASSERT_EQUAL(race->others, 0);
        T_OK(open_result(race->name, false, false));
        T_OK(shmbus_unlink(race->name));
    }
}

static int attach_racer(void *argument)
{
    struct race *race = argument;
    struct shmbus *bus = NULL;
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    struct shmbus_plan *plan = t_plan(16, 64, 8);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    opts.plan = plan;
    t_gate_post(&race->ready);
    t_gate_wait(&race->go, 1);
    T_OK_FATAL(shmbus_attach(race->name, &opts, &bus));
    t_gate_post(&race->ready);
    t_gate_wait(&race->go, 2); /* all are in */
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_EQUAL(stat.processes_alive, 16);
    t_gate_post(&race->ready);
    t_gate_wait(&race->go, 3); /* all have looked */
    shmbus_detach(bus);
    shmbus_plan_free(plan);
    return 0;
}

T_TEST(segment, whoever_attaches_first_creates_it_for_all)
{
    enum { RACERS = 16 };
    struct race *race = t_shared(sizeof *race);
    pid_t pids[RACERS];
    t_bus_name(race->name);
    for (int i = 0; i < RACERS; i++)
        pids[i] = t_fork(attach_racer, race);
    t_gate_wait(&race->ready, RACERS);
    t_gate_post(&race->go);
    t_gate_wait(&race->ready, 2 * RACERS);
    t_gate_post(&race->go);
    t_gate_wait(&race->ready, 3 * RACERS);
    t_gate_post(&race->go);
    for (int i = 0; i < RACERS; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    T_OK(shmbus_unlink(race->name));
}

struct halfway {
    char name[PATH_MAX];
    struct t_gate started;
};

static int slow_creator(void *argument)
{
    struct halfway *h = argument;
    struct shmbus_plan *plan = t_plan(2, 65536, 40);
    t_gate_post(&h->started);
    shmbus_create(h->name, plan, NULL);
    shmbus_plan_free(plan);
    return 0;
}

/* In a file system of its own, so that what is left can be counted. */
T_TEST(segment, a_creator_killed_halfway_leaves_nothing)
{
    struct statvfs before, after;
    struct halfway *h = t_shared(sizeof *h);
    unsigned none = 0, whole = 0;
    mount_small(t_dir());
    snprintf(h->name, sizeof h->name, "%s/half", t_dir());
    CU_ASSERT_EQUAL_FATAL(statvfs(t_dir(), &before), 0);
    for (uint32_t i = 0; i < 300; i++) {
        pid_t pid = t_fork(slow_creator, h);
        t_gate_wait(&h->started, i + 1);
        int64_t until = t_now_ns() + (int64_t)t_random_below(3 * T_MS);
        while (t_now_ns() < until) {
        }
        t_kill_wait(pid, SIGKILL);
        int r = open_result(h->name, false, false);
        if (r == 0) {
            whole++;
            T_OK(shmbus_unlink(h->name));
        } else {
            none++;
            CU_ASSERT_EQUAL(r, -ENOENT);
        }
        CU_ASSERT_EQUAL_FATAL(statvfs(t_dir(), &after), 0);
        CU_ASSERT_EQUAL(before.f_bfree, after.f_bfree);
        CU_ASSERT_EQUAL(before.f_ffree, after.f_ffree);
    }
    printf("%u times nothing, %u times whole\n", none, whole);
    CU_ASSERT_TRUE(none > 0);
    CU_ASSERT_EQUAL(umount2(t_dir(), MNT_DETACH), 0);
}

/* ------------------------------------------------------------------------------------- opening */

T_TEST(segment, a_symbolic_link_is_never_followed)
{
    char name[SHMBUS_NAME_BYTES], link_name[SHMBUS_NAME_BYTES], target[PATH_MAX], path[PATH_MAX];
    create_tiny(t_bus_name(name));
    path_of(name, target);
    path_of(t_bus_name(link_name), path);
    CU_ASSERT_EQUAL_FATAL(symlink(target, path), 0);
    T_FAILS(open_result(link_name, false, true), -ELOOP);
    CU_ASSERT_TRUE(detail_has("symbolic link"));
    struct shmbus_plan *plan = tiny();
    T_FAILS(shmbus_create(link_name, plan, NULL), -EEXIST);
    shmbus_plan_free(plan);
    CU_ASSERT_EQUAL(unlink(path), 0);
    T_OK(shmbus_unlink(name));
}

T_TEST(segment, what_is_no_regular_file_is_refused_without_blocking)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    path_of(t_bus_name(name), path);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    T_FAILS(open_result(name, true, true), -EINVAL);
    CU_ASSERT_TRUE(detail_has("regular file"));
    T_FAILS(open_result(name, false, true), -EINVAL);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    CU_ASSERT_TRUE(open_result(name, true, true) < 0);
    CU_ASSERT_TRUE(open_result(name, false, true) < 0);
    CU_ASSERT_EQUAL(rmdir(path), 0);
}

/* As another user, in a child: 0 when everything was as it should. */
static int foreigner(void *argument)
{
    const char *name = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 1;
    T_FAILS(open_result(name, false, false), -EACCES); /* mode 0600 */
    CU_ASSERT_TRUE(detail_has("root (uid 0)"));
    CU_ASSERT_TRUE(detail_has("0600"));
    T_FAILS(open_result(name, true, true), -EACCES);
    CU_ASSERT_EQUAL(shmbus_unlink(name), -SHMBUS_ERR_OWNER);
    opts.flags = SHMBUS_ATTACH_EXISTING;
    T_FAILS(shmbus_attach(name, &opts, &bus), -EACCES);
    CU_ASSERT_PTR_NULL(bus);
    return 0;
}

static int trusting_foreigner(void *argument)
{
    const char *name = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 1;
    T_FAILS(open_result(name, false, false), -SHMBUS_ERR_OWNER); /* mode 0666 */
    CU_ASSERT_TRUE(detail_has("root (uid 0)"));
    CU_ASSERT_TRUE(detail_has("0666"));
    CU_ASSERT_TRUE(detail_has("SHMBUS_ATTACH_ANY_OWNER"));
    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    shmbus_detach(bus);
    return 0;
}

T_TEST(segment, of_another_user_is_refused_naming_owner_mode_and_cure)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    if (geteuid() != 0)
        t_skip("needs root");
    create_tiny(t_bus_name(name));
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(foreigner, name)), 0);
    path_of(name, path);
    CU_ASSERT_EQUAL_FATAL(chmod(path, 0666), 0);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(trusting_foreigner, name)), 0);
    /* Root must not walk into a trap that somebody laid out, either. */
    CU_ASSERT_EQUAL_FATAL(chown(path, NOBODY, NOBODY), 0);
    T_FAILS(open_result(name, false, false), -SHMBUS_ERR_OWNER);
    T_OK(open_result(name, false, true));
    T_OK(shmbus_unlink(name));
}

static void poke_at(const char *path, off_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(pwrite(fd, bytes, size, offset), (ssize_t)size);
    close(fd);
}

T_TEST(segment, of_another_version_is_refused_by_name)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    char expected[32];
    uint32_t major = SB_LAYOUT_MAJOR + 1;
    snprintf(expected, sizeof expected, "layout %u.0", major);
    create_tiny(t_bus_name(name));
    path_of(name, path);
    poke_at(path, offsetof(struct sb_super, layout_major), &major, sizeof major);
    T_FAILS(open_result(name, false, false), -SHMBUS_ERR_LAYOUT);
    CU_ASSERT_TRUE(detail_has(path));
    CU_ASSERT_TRUE(detail_has(expected));
    T_OK(shmbus_unlink(name));
}

T_TEST(segment, that_was_cut_extended_or_emptied_is_refused)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct stat st;
    create_tiny(t_bus_name(name));
    path_of(name, path);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    const off_t lengths[] = {
        st.st_size + 4096, st.st_size - 1, st.st_size - 4096, 8192, 4096, 4095, 512, 1, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(truncate(path, lengths[i]), 0);
        T_FAILS(open_result(name, false, false), -SHMBUS_ERR_CORRUPT);
        T_FAILS(open_result(name, true, false), -SHMBUS_ERR_CORRUPT);
        CU_ASSERT_TRUE(detail_has(path));
    }
    T_OK(shmbus_unlink(name));
}

T_TEST(segment, whose_tables_are_damaged_is_refused)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct sb_segment segment;
    struct sb_geometry *geometry = NULL;
    uint32_t depth = 3;
    create_tiny(t_bus_name(name));
    path_of(name, path);
    T_OK_FATAL(sb_segment_open(name, true, false, &segment, &geometry));
    off_t at = (off_t)(geometry->channel_off + offsetof(struct sb_channel, depth));
    sb_geometry_free(geometry);
    sb_segment_close(&segment);
    poke_at(path, at, &depth, sizeof depth);
    T_FAILS(open_result(name, false, false), -SHMBUS_ERR_CORRUPT);
    CU_ASSERT_TRUE(detail_has("depth"));
    T_OK(shmbus_unlink(name));
}

/* A file that was copied may have holes where there are only zeroes. */
T_TEST(segment, a_copy_with_holes_gets_its_memory_before_use)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct stat before, after;
    create_tiny(t_bus_name(name));
    path_of(name, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(stat(path, &before), 0);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, before.st_size - 4096, 4096) !=
        0) {
        shmbus_unlink(name);
        t_skip("no holes here");
    }
    close(fd);
    CU_ASSERT_EQUAL_FATAL(stat(path, &after), 0);
    CU_ASSERT_TRUE(after.st_blocks < before.st_blocks);
    T_OK(open_result(name, false, false));
    CU_ASSERT_EQUAL_FATAL(stat(path, &after), 0);
    CU_ASSERT_EQUAL(after.st_blocks, before.st_blocks);
    T_OK(shmbus_unlink(name));
}

/* ----------------------------------------------------------------------------- removed and made */

T_TEST(segment, that_was_removed_goes_on_for_those_attached_and_a_new_one_is_another)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *old = t_bus_new(tiny(), name);
    struct shmbus_channel *old_ch = t_open(old, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    T_OK(shmbus_unlink(name));
    create_tiny(name);
    struct shmbus *new_bus = t_attach(name);
    struct shmbus_channel *new_ch = t_open(new_bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_bus_stat a = {.struct_bytes = sizeof a}, b = {.struct_bytes = sizeof b};
    T_OK(shmbus_bus_stat(old, &a));
    T_OK(shmbus_bus_stat(new_bus, &b));
    CU_ASSERT_STRING_NOT_EQUAL(a.uuid, b.uuid);
    CU_ASSERT_TRUE(a.unlinked);
    CU_ASSERT_FALSE(b.unlinked);
    t_put(old_ch, 1);
    t_put(new_ch, 2);
    CU_ASSERT_EQUAL(t_get(new_ch), 2);
    CU_ASSERT_EQUAL(t_get(old_ch), 1);
    shmbus_detach(old);
    t_bus_end(new_bus, name);
}
