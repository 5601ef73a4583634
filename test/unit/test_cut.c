/* SPDX-License-Identifier: MIT */
/*
 * The file of a segment is cut while it is in use. Only its owner can do that, and touching what is
 * gone is a SIGBUS, as with any mapped file; whoever only looks gets an error instead, and so does
 * whoever comes later.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

static void make_bus(char name[SHMBUS_NAME_BYTES], char path[PATH_MAX])
{
    struct shmbus_plan *plan = t_plan(4, 64, 8);
    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    snprintf(path, PATH_MAX, "%s/shmbus.%s", SHMBUS_DIR_DEFAULT, name);
}

static bool never(void *context, const struct shmbus_msg *msg)
{
    (void)context;
    (void)msg;
    CU_FAIL("a message of a cut segment was shown");
    return true;
}

static bool no_finding(void *context, enum shmbus_severity severity, const char *what,
                       const char *cure)
{
    (void)context;
    (void)severity;
    (void)what;
    (void)cure;
    return true;
}

T_TEST(cut, whoever_looks_is_told_and_lives)
{
    static const off_t lengths[] = {0, 1, 4096, 8192};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_bus_stat bus_stat = {.struct_bytes = sizeof bus_stat};
    struct shmbus_channel_stat channel_stat = {.struct_bytes = sizeof channel_stat};
    struct shmbus_process_stat process_stat = {.struct_bytes = sizeof process_stat};
    struct shmbus_block_stat block_stat = {.struct_bytes = sizeof block_stat};
    struct shmbus_region_stat region_stat = {.struct_bytes = sizeof region_stat};
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX];
    struct shmbus *bus = NULL;

    make_bus(name, path);
    opts.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    CU_ASSERT_TRUE(shmbus_check(bus, no_finding, NULL) >= 0);
    for (size_t i = sizeof lengths / sizeof lengths[0]; i-- > 0;) {
        CU_ASSERT_EQUAL_FATAL(truncate(path, lengths[i]), 0);
        T_FAILS(shmbus_bus_stat(bus, &bus_stat), -SHMBUS_ERR_CORRUPT);
        CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "was cut to"));
        T_FAILS(shmbus_channel_stat(bus, 0, &channel_stat), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_process_stat(bus, 0, &process_stat), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_block_stat(bus, 0, &block_stat), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_region_stat(bus, 0, &region_stat), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_peek(bus, "q", 1, never, NULL), -SHMBUS_ERR_CORRUPT);
        T_FAILS(shmbus_check(bus, no_finding, NULL), -SHMBUS_ERR_CORRUPT);
    }
    shmbus_detach(bus);
    T_FAILS(shmbus_attach(name, NULL, &bus), -SHMBUS_ERR_CORRUPT);
    T_FAILS(shmbus_attach(name, &opts, &bus), -SHMBUS_ERR_CORRUPT);
    T_OK(shmbus_unlink(name));
}

struct user {
    const char *name;
    struct t_gate *attached, *cut;
};

static int send_until_the_end(void *arg)
{
    struct user *user = arg;
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;

    signal(SIGBUS, SIG_DFL); /* sanitizers have a handler of their own */
    T_OK_FATAL(shmbus_attach(user->name, NULL, &bus));
    T_OK_FATAL(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &ch));
    t_gate_post(user->attached);
    t_gate_wait(user->cut, 1);
    shmbus_send(ch, "x", 1, 0);
    return 0;
}

T_TEST(cut, whoever_works_dies_of_sigbus_and_nothing_else_is_harmed)
{
    char name[SHMBUS_NAME_BYTES], path[PATH_MAX], other[SHMBUS_NAME_BYTES], other_path[PATH_MAX];
    struct user user = {name, t_shared(sizeof(struct t_gate)), t_shared(sizeof(struct t_gate))};
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;

    make_bus(name, path);
    make_bus(other, other_path);
    pid_t pid = t_fork(send_until_the_end, &user);
    t_gate_wait(user.attached, 1);
    CU_ASSERT_EQUAL_FATAL(truncate(path, 4096), 0);
    t_gate_post(user.cut);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 128 + SIGBUS);
    T_OK_FATAL(shmbus_attach(other, NULL, &bus));
    T_OK_FATAL(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &ch));
    T_OK(shmbus_send(ch, "x", 1, 0));
    shmbus_detach(bus);
    T_OK(shmbus_unlink(other));
    T_OK(shmbus_unlink(name)); /* which makes room for a new one */
}
