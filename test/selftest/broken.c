/* SPDX-License-Identifier: MIT */
/* Tests that must fail, each in its own way: does the runner notice? See run.sh. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "harness.h"

T_TEST(good, passes)
{
    CU_ASSERT_TRUE(true);
}

T_TEST(good, is_skipped)
{
    t_skip("on purpose");
}

struct pair {
    struct t_gate ping, pong;
};

static int answer(void *arg)
{
    struct pair *pair = arg;
    t_gate_wait(&pair->ping, 3);
    t_gate_post(&pair->pong);
    return 7;
}

T_TEST(good, processes_wait_for_one_another)
{
    struct pair *pair = t_shared(sizeof *pair);
    pid_t child = t_fork(answer, pair);
    CU_ASSERT_TRUE(t_wait_asleep(child));
    t_stop(child);
    CU_ASSERT_TRUE(t_is_stopped(child));
    for (int i = 0; i < 3; i++)
        t_gate_post(&pair->ping);
    t_continue(child);
    t_gate_wait(&pair->pong, 1);
    CU_ASSERT_EQUAL(t_wait_exit(child), 7);
    child = t_fork(answer, t_shared(sizeof *pair));
    CU_ASSERT_EQUAL(t_kill_wait(child, SIGKILL), 128 + SIGKILL);
    CU_ASSERT_FALSE(t_is_stopped(child));
}

T_TEST(broken, assertion)
{
    CU_ASSERT_EQUAL(1, 2);
}

T_TEST(broken, crash)
{
    raise(SIGKILL);
}

T_TEST_TIMEOUT(broken, hang, 1)
{
    t_gate_wait(t_shared(sizeof(struct t_gate)), 1);
}

T_TEST(broken, descriptor)
{
    CU_ASSERT_TRUE(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

T_TEST(broken, segment)
{
    char name[SHMBUS_NAME_BYTES], path[128];
    snprintf(path, sizeof path, "/dev/shm/shmbus.%s", t_bus_name(name));
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE(fd >= 0);
    close(fd);
}

static int wait_forever(void *arg)
{
    t_gate_wait(arg, 1);
    return 0;
}

T_TEST(broken, process)
{
    t_fork(wait_forever, t_shared(sizeof(struct t_gate)));
}

static int fail_in_child(void *arg)
{
    (void)arg;
    CU_ASSERT_STRING_EQUAL("child", "parent");
    return 0;
}

T_TEST(broken, assertion_in_a_child)
{
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(fail_in_child, NULL)), 0);
}

T_TEST(broken, early_exit)
{
    exit(1);
}

T_TEST(broken, result)
{
    T_OK(-SHMBUS_ERR_STALE);
}
