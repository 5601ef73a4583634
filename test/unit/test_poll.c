/* SPDX-License-Identifier: MIT */
/*
 * shmbus_channel_fd(): readable exactly when the next receive would return something, for queues
 * and streams, with poll and epoll, and no wake-up lost.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fixture.h"

static struct shmbus *bus_with_both(char *name)
{
    struct shmbus_plan *plan = t_plan(64, 64, 64);
    t_plan_queue(plan, "q", 16, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    return t_bus_new(plan, name);
}

static bool polls(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    CU_ASSERT_TRUE(n >= 0);
    return n == 1 && (p.revents & POLLIN) != 0;
}

/* Receives until -EAGAIN; returns how many there were. */
static int drain(struct shmbus_channel *ch)
{
    struct shmbus_msg msg;
    int n = 0;
    while (shmbus_recv(ch, &msg, 0) == 0) {
        T_OK(shmbus_release(&msg));
        n++;
    }
    return n;
}

static const char *const kinds[] = {"q", "s"};

T_TEST(poll, readable_means_that_there_is_something)
{
    for (int k = 0; k < 2; k++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_both(name);
        struct shmbus_channel *rx = t_open(bus, kinds[k], SHMBUS_OPEN_RECV);
        struct shmbus_channel *tx = t_open(bus, kinds[k], SHMBUS_OPEN_SEND);
        int fd = shmbus_channel_fd(rx);
        CU_ASSERT_TRUE_FATAL(fd >= 0);
        CU_ASSERT_EQUAL(shmbus_channel_fd(rx), fd); /* one for each handle */
        drain(rx);
        CU_ASSERT_FALSE(polls(fd, 20));
        for (int i = 0; i < 50; i++) {
            t_put(tx, 1);
            CU_ASSERT_TRUE(polls(fd, 10000));
            CU_ASSERT_TRUE(polls(fd, 10000)); /* level-triggered */
            CU_ASSERT_EQUAL(drain(rx), 1);
            CU_ASSERT_FALSE(polls(fd, 0));
        }
        t_put(tx, 1);
        t_put(tx, 2);
        CU_ASSERT_TRUE(polls(fd, 10000));
        struct shmbus_msg msg;
        T_OK(shmbus_recv(rx, &msg, 0));
        T_OK(shmbus_release(&msg));
        CU_ASSERT_TRUE(polls(fd, 10000)); /* not yet empty */
        CU_ASSERT_EQUAL(drain(rx), 1);
        t_bus_end(bus, name);
    }
}

T_TEST(poll, what_was_there_before_the_descriptor_makes_it_readable)
{
    for (int k = 0; k < 2; k++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_both(name);
        struct shmbus_channel *tx = t_open(bus, kinds[k], SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, kinds[k], SHMBUS_OPEN_RECV);
        t_put(tx, 1);
        CU_ASSERT_TRUE(polls(shmbus_channel_fd(rx), 10000));
        CU_ASSERT_EQUAL(drain(rx), 1);
        t_bus_end(bus, name);
    }
}

T_TEST(poll, a_message_given_back_the_end_and_an_interrupt_make_it_readable)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_both(name);
    struct shmbus_channel *other = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    int fd = shmbus_channel_fd(rx);
    t_put(other, 1);
    CU_ASSERT_EQUAL(t_take(other, &msg), 1);
    drain(rx);
    CU_ASSERT_FALSE(polls(fd, 20));
    T_OK(shmbus_requeue(&msg));
    CU_ASSERT_TRUE(polls(fd, 10000));
    CU_ASSERT_EQUAL(drain(rx), 1);
    shmbus_interrupt(bus);
    CU_ASSERT_TRUE(polls(fd, 10000)); /* noticed within a slice */
    T_FAILS(shmbus_recv(rx, &msg, T_MS), -EINTR);
    shmbus_interrupt_clear(bus);
    drain(rx);
    CU_ASSERT_FALSE(polls(fd, 20));
    T_OK(shmbus_shutdown(bus, true));
    CU_ASSERT_TRUE(polls(fd, 10000));
    T_FAILS(shmbus_recv(rx, &msg, 0), -SHMBUS_ERR_SHUTDOWN);
    t_bus_end(bus, name);
}

T_TEST(poll, the_departure_of_a_streams_sender_makes_it_readable)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_both(name);
    struct shmbus_channel *tx = t_open(bus, "s", SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = t_open(bus, "s", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    int fd = shmbus_channel_fd(rx);
    drain(rx);
    CU_ASSERT_FALSE(polls(fd, 20));
    shmbus_channel_close(tx);
    CU_ASSERT_TRUE(polls(fd, 10000));
    T_FAILS(shmbus_recv(rx, &msg, 0), -SHMBUS_ERR_PEER_CLOSED);
    T_FAILS(shmbus_recv(rx, &msg, 0), -EAGAIN);
    CU_ASSERT_FALSE(polls(fd, 20));
    t_bus_end(bus, name);
}

/* Nobody calls anything that sleeps: the descriptor alone must bring what the dead one held. */
T_TEST(poll, what_a_dead_process_held_makes_it_readable)
{
    for (int without = 0; without < 2; without++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_both(name);
        bus->no_watcher = without;
        struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
        struct shmbus_channel *end = t_open(bus, "s", SHMBUS_OPEN_RECV);
        struct shmbus_msg msg = {0};
        uint32_t block;
        t_put(tx, 7);
        CU_ASSERT_EQUAL(t_take(rx, &msg), 7);
        drain(rx);
        drain(end);
        int fd = shmbus_channel_fd(rx), end_fd = shmbus_channel_fd(end);
        drain(rx);
        drain(end);
        CU_ASSERT_FALSE(polls(fd, 20));
        struct t_corpse d = t_corpse_to_be_found(bus);
        block = sb_msg_number(&msg);
        sb_store_release(&sb_block_at(&bus->view.blocks, block)->hdr,
                         (msg.opaque_[0] & ~0x3fffull) | d.owner);
        sb_store_release(&end->view->shared->sender, d.owner64);
        CU_ASSERT_TRUE(polls(fd, 10000));
        T_OK(shmbus_recv(rx, &msg, 0));
        CU_ASSERT_EQUAL(t_value(&msg), 7);
        CU_ASSERT_EQUAL(msg.delivery_count, 2);
        T_OK(shmbus_release(&msg));
        CU_ASSERT_TRUE(polls(end_fd, 10000));
        T_FAILS(shmbus_recv(end, &msg, 0), -SHMBUS_ERR_PEER_DEAD);
        t_bus_end(bus, name);
    }
}

T_TEST(poll, only_a_receiver_has_a_descriptor)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_both(name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    T_FAILS(shmbus_channel_fd(tx), -EINVAL);
    T_FAILS(shmbus_channel_fd(NULL), -EINVAL);
    t_bus_end(bus, name);
}

T_TEST(poll, closing_ends_thread_and_descriptor_in_every_state)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with_both(name);
    for (int i = 0; i < 60; i++) {
        struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        CU_ASSERT_TRUE(shmbus_channel_fd(rx) >= 0);
        if (i % 3 > 0)
            drain(rx); /* armed */
        if (i % 3 > 1)
            t_put(rx, 1); /* reported, or about to be */
        shmbus_channel_close(rx);
    }
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------------- threads */

#define MESSAGES 20000

static void *send_all(void *argument)
{
    struct shmbus_channel *ch = argument;
    int bad = 0;
    for (uint64_t i = 0; i < MESSAGES; i++)
        bad |= t_send(ch, i, SHMBUS_WAIT_FOREVER);
    return bad == 0 ? argument : NULL;
}

/* An event loop that only ever waits in epoll: a lost report and it hangs. */
T_TEST(poll, an_event_loop_gets_every_message)
{
    for (int k = 0; k < 2; k++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with_both(name);
        struct shmbus_channel *tx = t_open(bus, kinds[k], SHMBUS_OPEN_SEND);
        struct shmbus_channel *rx = t_open(bus, kinds[k], SHMBUS_OPEN_RECV);
        int loop = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        pthread_t thread;
        void *good = NULL;
        uint64_t got = 0;
        CU_ASSERT_EQUAL_FATAL(epoll_ctl(loop, EPOLL_CTL_ADD, shmbus_channel_fd(rx), &event), 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, send_all, tx), 0);
        while (got < MESSAGES) {
            struct shmbus_msg msg;
            CU_ASSERT_TRUE(epoll_wait(loop, &event, 1, -1) == 1);
            while (shmbus_recv(rx, &msg, 0) == 0) {
                CU_ASSERT_EQUAL(t_value(&msg), got);
                T_OK(shmbus_release(&msg));
                got++;
            }
        }
        pthread_join(thread, &good);
        CU_ASSERT_PTR_EQUAL(good, tx);
        close(loop);
        t_bus_end(bus, name);
    }
}
