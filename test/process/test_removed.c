/* SPDX-License-Identifier: MIT */
/*
 * The segment's name is removed, or leads to another segment, under its users: who waits for
 * somebody who cannot come any more is told, and who can still be served is not disturbed.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

#define LIMIT_NS (30ll * 1000000000) /* by then it is told, whatever else runs here */

/* One process that waits. */
struct waiting {
    char name[SHMBUS_NAME_BYTES];
    unsigned attach, mode;
    int64_t timeout_ns;
    struct t_gate ready;
    int result;
    uint64_t value;
    int64_t took_ns;
    bool fill;  /* a sender: until the queue is full, then once more */
    bool polls; /* by shmbus_channel_fd() */
    char detail[300];
};

static int until_told(struct waiting *w, struct shmbus_channel *ch)
{
    struct pollfd fd = {.fd = -1, .events = POLLIN};
    int64_t end_ns = t_now_ns() + w->timeout_ns;
    struct shmbus_msg msg;
    int r = -ETIMEDOUT;

    if (w->fill) {
        while (t_send(ch, 1, 0) == 0) {
        }
        t_gate_post(&w->ready);
        return t_send(ch, 1, w->timeout_ns);
    }
    fd.fd = w->polls ? shmbus_channel_fd(ch) : -1;
    t_gate_post(&w->ready);
    if (!w->polls) {
        r = shmbus_recv(ch, &msg, w->timeout_ns);
    }
    while (w->polls && t_now_ns() < end_ns) {
        r = poll(&fd, 1, 1000) > 0 ? shmbus_recv(ch, &msg, 0) : -EAGAIN;
        if (r != -EAGAIN) {
            break;
        }
    }
    if (r == 0) {
        memcpy(&w->value, msg.data, sizeof w->value);
        shmbus_release(&msg);
    }
    return r;
}

static int waits(void *argument)
{
    struct waiting *w = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_channel *ch;
    struct shmbus *bus;
    int64_t begin_ns;

    opts.flags = SHMBUS_ATTACH_EXISTING | w->attach;
    T_OK_FATAL(shmbus_attach(w->name, &opts, &bus));
    T_OK_FATAL(shmbus_channel_open(bus, "q", w->mode, NULL, &ch));
    begin_ns = t_now_ns();
    w->result = until_told(w, ch);
    w->took_ns = t_now_ns() - begin_ns;
    snprintf(w->detail, sizeof w->detail, "%s", shmbus_detail());
    shmbus_detach(bus);
    return 0;
}

static struct shmbus *bus_of(char name[SHMBUS_NAME_BYTES])
{
    struct shmbus_plan *plan = t_plan(8, 64, 32);

    t_plan_queue(plan, "q", 4, SHMBUS_FULL_BLOCK, 0, NULL);
    return t_bus_new(plan, name);
}

/* A process that waits already. */
static pid_t waiter(struct waiting *w, const char *name, unsigned mode)
{
    pid_t pid;

    snprintf(w->name, sizeof w->name, "%s", name);
    w->mode = mode;
    w->timeout_ns = w->timeout_ns == 0 ? LIMIT_NS : w->timeout_ns;
    pid = t_fork(waits, w);
    t_gate_wait(&w->ready, 1);
    return pid;
}

static void is_told(const struct waiting *w, pid_t pid, const char *what)
{
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_EQUAL(w->result, -SHMBUS_ERR_REMOVED);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->detail, what));
    if (w->result != -SHMBUS_ERR_REMOVED) {
        printf("result %d, \"%s\"\n", w->result, w->detail);
    }
}

static void makes_another(const char *name)
{
    T_OK(shmbus_create(name, NULL, NULL));
}

T_TEST_TIMEOUT(removed, who_is_left_alone_with_a_removed_segment_waits_no_longer, 90)
{
    static const unsigned flags[] = {0, SHMBUS_ATTACH_NO_WATCHER};

    for (size_t i = 0; i < 2; i++) {
        struct waiting *w = t_shared(sizeof *w);
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_of(name);
        pid_t pid;

        w->attach = flags[i];
        pid = waiter(w, name, SHMBUS_OPEN_RECV);
        T_OK(shmbus_unlink(name));
        shmbus_detach(bus);
        is_told(w, pid, "was removed, and nobody is left");
    }
}

T_TEST_TIMEOUT(removed, members_of_a_bus_that_was_unlinked_on_purpose_go_on, 90)
{
    struct waiting *w = t_shared(sizeof *w), *alone = t_shared(sizeof *alone);
    char name[SHMBUS_NAME_BYTES], other[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(name), *left = bus_of(other);
    pid_t pid = waiter(w, name, SHMBUS_OPEN_RECV), witness = waiter(alone, other, SHMBUS_OPEN_RECV);

    T_OK(shmbus_unlink(name));
    T_OK(shmbus_unlink(other));
    shmbus_detach(left);
    is_told(alone, witness, "was removed"); /* so the first one has looked as well, or soon will */
    CU_ASSERT_EQUAL(kill(pid, 0), 0);
    t_put(t_open(bus, "q", SHMBUS_OPEN_SEND), 42); /* opened only now */
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_EQUAL(w->result, 0);
    CU_ASSERT_EQUAL(w->value, 42);
    shmbus_detach(bus);
}

T_TEST_TIMEOUT(removed, receivers_of_a_replaced_bus_wait_for_no_sender_that_goes_elsewhere, 90)
{
    struct waiting *w[3];
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(name);
    pid_t pids[3];

    for (int i = 0; i < 3; i++) {
        w[i] = t_shared(sizeof *w[i]);
        w[i]->polls = i == 1;
        w[i]->attach = i == 2 ? SHMBUS_ATTACH_UNLINKED : 0;
        w[i]->timeout_ns = i == 2 ? 8000000000 : 0;
        pids[i] = waiter(w[i], name, SHMBUS_OPEN_RECV);
    }
    T_OK(shmbus_unlink(name));
    makes_another(name);
    is_told(w[0], pids[0], "was replaced by another bus of that name, and nobody is left");
    is_told(w[1], pids[1], "was replaced by another bus of that name, and nobody is left");
    CU_ASSERT_EQUAL(t_wait_exit(pids[2]), 0); /* it was asked not to mind */
    CU_ASSERT_EQUAL(w[2]->result, -ETIMEDOUT);
    t_bus_end(bus, name);
}

T_TEST_TIMEOUT(removed, a_sender_that_is_still_there_is_waited_for, 90)
{
    struct waiting *w = t_shared(sizeof *w), *other = t_shared(sizeof *other);
    char name[SHMBUS_NAME_BYTES], second[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(name), *gone = bus_of(second);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    pid_t pid = waiter(w, name, SHMBUS_OPEN_RECV),
          witness = waiter(other, second, SHMBUS_OPEN_RECV);

    T_OK(shmbus_unlink(name));
    makes_another(name);
    T_OK(shmbus_unlink(second));
    makes_another(second);
    is_told(other, witness, "replaced");
    t_put(tx, 7);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_EQUAL(w->result, 0);
    CU_ASSERT_EQUAL(w->value, 7);
    t_bus_end(bus, name);
    t_bus_end(gone, second);
}

T_TEST_TIMEOUT(removed, a_sender_without_receivers_is_told_whether_it_waits_or_not, 90)
{
    struct waiting *w = t_shared(sizeof *w);
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    int64_t end_ns = t_now_ns() + LIMIT_NS;
    pid_t pid;
    int r = 0;

    w->fill = true;
    pid = waiter(w, name, SHMBUS_OPEN_SEND);
    T_FAILS(t_send(tx, 1, 1000000), -ETIMEDOUT); /* has slept once: it knows the directory */
    T_OK(shmbus_unlink(name));
    makes_another(name);
    is_told(w, pid, "replaced");
    while (r != -SHMBUS_ERR_REMOVED && t_now_ns() < end_ns) {
        r = t_send(tx, 1, 0);
        sched_yield();
    }
    CU_ASSERT_EQUAL(r, -SHMBUS_ERR_REMOVED);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "replaced"));
    t_bus_end(bus, name);
}

T_TEST_TIMEOUT(removed, what_is_there_is_received_before_the_end_is_told, 90)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of(name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;

    t_put(tx, 3);
    shmbus_channel_close(tx);
    T_OK(shmbus_unlink(name));
    CU_ASSERT_EQUAL(t_take(rx, &msg), 3);
    T_OK(shmbus_release(&msg));
    T_FAILS(shmbus_recv(rx, &msg, LIMIT_NS), -SHMBUS_ERR_REMOVED);
    shmbus_detach(bus);
}

/* Another root or other mounts make nothing of the path, whatever lies there. */
static int in_another_world(void *argument)
{
    struct waiting *w = argument;
    struct shmbus_channel *ch;
    struct shmbus_msg msg;
    struct shmbus *bus;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return 77;
    }
    T_OK_FATAL(shmbus_attach(w->name, NULL, &bus));
    T_OK_FATAL(shmbus_channel_open(bus, "q", SHMBUS_OPEN_RECV, NULL, &ch));
    T_FAILS(shmbus_recv(ch, &msg, 1000000), -ETIMEDOUT);
    if (mount("none", "/dev/shm", "tmpfs", 0, NULL) != 0) {
        return 77;
    }
    makes_another(w->name); /* there */
    t_gate_post(&w->ready);
    w->result = shmbus_recv(ch, &msg, 4000000000);
    shmbus_detach(bus);
    return 0;
}

T_TEST_TIMEOUT(removed, a_process_in_another_mount_namespace_is_not_misled, 90)
{
    struct waiting *w = t_shared(sizeof *w);
    struct shmbus *bus = bus_of(w->name);
    int status = t_wait_exit(t_fork(in_another_world, w));

    if (status == 77) {
        t_bus_end(bus, w->name);
        t_skip("mounting is not permitted");
    }
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(w->result, -ETIMEDOUT);
    t_bus_end(bus, w->name);
}

T_TEST_TIMEOUT(removed, a_segment_that_got_another_name_can_still_be_found, 90)
{
    char name[SHMBUS_NAME_BYTES], from[128], to[160];
    struct shmbus *bus = bus_of(name);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;

    snprintf(from, sizeof from, "/dev/shm/shmbus.%s", name);
    snprintf(to, sizeof to, "%s.kept", from);
    T_FAILS(shmbus_recv(rx, &msg, 1000000), -ETIMEDOUT);
    CU_ASSERT_EQUAL(rename(from, to), 0);
    T_FAILS(shmbus_recv(rx, &msg, 3000000000), -ETIMEDOUT);
    CU_ASSERT_EQUAL(rename(to, from), 0);
    t_bus_end(bus, name);
}
