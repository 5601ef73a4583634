/* SPDX-License-Identifier: MIT */
/*
 * Waiting: exact timeouts, and everything that ends a wait: a message, room, a block, the end of
 * the bus, an interrupt, the death of whoever held things up.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "channel/wait.h"
#include "fixture.h"
#include "protocol/event.h"

/* How much later than asked a wait may end on a loaded machine. Never earlier. */
#define LATE_NS (10 * T_S)

static struct shmbus *bus_with(uint32_t depth, uint64_t blocks, int64_t spin_ns, char *name)
{
    struct shmbus_plan *plan = t_plan(64, 64, blocks + 1); /* one is the spare queue's own */
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    plan->spare_channels = 1;
    t_plan_queue(plan, "q", depth, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_stream(plan, "s", 4096);
    T_OK_FATAL(shmbus_create(t_bus_name(name), plan, NULL));
    shmbus_plan_free(plan);
    opts.spin_ns = spin_ns;
    T_OK_FATAL(shmbus_attach(name, &opts, &bus));
    return bus;
}

static void took(int64_t start, int64_t timeout)
{
    int64_t passed = t_now_ns() - start;
    CU_ASSERT_TRUE(passed >= timeout);
    CU_ASSERT_TRUE(passed < timeout + LATE_NS);
}

T_TEST(wait, timeouts_are_exact_whether_it_spins_or_sleeps)
{
    static const int64_t spins[] = {SHMBUS_SPIN_NONE, 0, 50 * T_MS};
    static const int64_t timeouts[] = {1, 1000, 20000, T_MS, 30 * T_MS, 130 * T_MS};
    for (size_t s = 0; s < 3; s++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with(1, 4, spins[s], name);
        struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
        struct shmbus_msg msg = {0};
        for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
            int64_t start = t_now_ns();
            T_FAILS(shmbus_recv(ch, &msg, timeouts[i]), -ETIMEDOUT);
            took(start, timeouts[i]);
        }
        t_put(ch, 1);
        for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
            int64_t start = t_now_ns();
            T_FAILS(t_send(ch, 2, timeouts[i]), -ETIMEDOUT);
            took(start, timeouts[i]);
        }
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_recv_timeouts], 6);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_send_timeouts], 6);
        T_FAILS(t_send(ch, 2, 0), -EAGAIN);
        t_bus_end(bus, name);
    }
}

/* ------------------------------------------------------------------------ somebody else ends it */

/* A second thread that does one thing as soon as the main thread sleeps. */
struct helper {
    pid_t sleeper;
    void (*act)(struct helper *helper);
    struct shmbus *bus;
    struct shmbus_channel *ch;
    struct shmbus_msg msg;
    int64_t at_ns; /* not before */
    pthread_t thread;
    int result;
};

static void *helper_main(void *argument)
{
    struct helper *helper = argument;
    if (!t_wait_asleep(helper->sleeper))
        return NULL;
    while (t_now_ns() < helper->at_ns)
        usleep(1000); /* the act has a time of its own */
    helper->act(helper);
    return NULL;
}

static void helper_start(struct helper *helper)
{
    helper->sleeper = getpid(); /* its main thread */
    CU_ASSERT_EQUAL_FATAL(pthread_create(&helper->thread, NULL, helper_main, helper), 0);
}

static void helper_end(struct helper *helper)
{
    pthread_join(helper->thread, NULL);
    T_OK(helper->result);
}

static void act_send(struct helper *helper)
{
    helper->result = t_send(helper->ch, 5, 0);
}

static void act_release(struct helper *helper)
{
    helper->result = shmbus_release(&helper->msg);
}

static void act_recv(struct helper *helper)
{
    helper->result = shmbus_recv(helper->ch, &helper->msg, 0);
}

static void act_shutdown(struct helper *helper)
{
    helper->result = shmbus_shutdown(helper->bus, true);
}

static void act_interrupt(struct helper *helper)
{
    shmbus_interrupt(helper->bus);
}

T_TEST(wait, a_message_ends_the_wait_for_one)
{
    for (int i = 0; i < 20; i++) {
        char name[SHMBUS_NAME_BYTES];
        struct shmbus *bus = bus_with(4, 8, 0, name);
        struct shmbus_channel *rx = t_open(bus, "q", SHMBUS_OPEN_RECV);
        struct helper helper = {.act = act_send, .ch = t_open(bus, "q", SHMBUS_OPEN_SEND)};
        struct shmbus_msg msg = {0};
        helper_start(&helper);
        T_OK(shmbus_recv(rx, &msg, SHMBUS_WAIT_FOREVER));
        CU_ASSERT_EQUAL(t_value(&msg), 5);
        helper_end(&helper);
        /* Sent between the count and the announcement it needs no waking. */
        CU_ASSERT_TRUE(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_wakes] <= 1);
        CU_ASSERT_EQUAL(t_channel_stat(bus, "q").counters[SHMBUS_COUNT_sleeps], 1);
        t_bus_end(bus, name);
    }
}

T_TEST(wait, a_message_taken_ends_the_wait_for_room)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 8, 0, name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct helper helper = {.act = act_recv, .ch = t_open(bus, "q", SHMBUS_OPEN_RECV)};
    t_put(tx, 1);
    helper_start(&helper);
    T_OK(t_send(tx, 2, SHMBUS_WAIT_FOREVER));
    helper_end(&helper);
    CU_ASSERT_EQUAL(t_value(&helper.msg), 1);
    t_bus_end(bus, name);
}

T_TEST(wait, a_message_released_ends_the_wait_for_a_block)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(8, 1, 0, name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    struct helper helper = {.act = act_release, .ch = t_open(bus, "q", SHMBUS_OPEN_RECV)};
    t_put(tx, 1);
    CU_ASSERT_EQUAL(t_take(helper.ch, &helper.msg), 1);
    helper_start(&helper);
    T_OK(t_send(tx, 2, SHMBUS_WAIT_FOREVER));
    helper_end(&helper);
    CU_ASSERT_EQUAL(t_get(helper.ch), 2);
    t_bus_end(bus, name);
}

/* The block comes late, the place never. */
T_TEST(wait, a_send_that_waits_for_block_and_place_has_one_timeout)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 3, 0, name);
    struct shmbus_channel *tx = t_open(bus, "q", SHMBUS_OPEN_SEND);
    int64_t start = t_now_ns();
    struct helper helper = {
        .act = act_release, .ch = t_open(bus, "q", SHMBUS_OPEN_RECV), .at_ns = start + T_S};
    t_put(tx, 1);
    CU_ASSERT_EQUAL(t_take(helper.ch, &helper.msg), 1);
    t_put(tx, 2);
    t_put(tx, 3);
    helper_start(&helper);
    T_FAILS(t_send(tx, 4, 3 * T_S / 2), -ETIMEDOUT);
    int64_t passed = t_now_ns() - start;
    CU_ASSERT_TRUE(passed >= 3 * T_S / 2);
    CU_ASSERT_TRUE(passed < 5 * T_S / 2); /* a second one from the block on would end then */
    helper_end(&helper);
    t_bus_end(bus, name);
}

T_TEST(wait, the_end_of_the_bus_ends_every_wait_and_what_is_queued_still_comes)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 8, 0, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *empty = t_open(bus, "new", SHMBUS_OPEN_RECV);
    struct helper helper = {.act = act_shutdown, .bus = bus};
    struct shmbus_msg msg = {0};
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    t_put(ch, 1);
    t_put(ch, 2);
    helper_start(&helper);
    T_FAILS(shmbus_recv(empty, &msg, SHMBUS_WAIT_FOREVER), -SHMBUS_ERR_SHUTDOWN);
    helper_end(&helper);
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_TRUE(stat.shutting_down);
    T_FAILS(t_send(ch, 3, SHMBUS_WAIT_FOREVER), -SHMBUS_ERR_SHUTDOWN);
    T_FAILS(shmbus_reserve(ch, 8, &msg, 0), -SHMBUS_ERR_SHUTDOWN);
    CU_ASSERT_TRUE(shmbus_error_is_fatal(-SHMBUS_ERR_SHUTDOWN));
    CU_ASSERT_EQUAL(t_get(ch), 1);
    T_OK(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER));
    CU_ASSERT_EQUAL(t_value(&msg), 2);
    T_OK(shmbus_release(&msg));
    T_FAILS(shmbus_recv(ch, &msg, 0), -SHMBUS_ERR_SHUTDOWN);
    T_OK(shmbus_shutdown(bus, false));
    T_FAILS(shmbus_recv(ch, &msg, 0), -EAGAIN);
    t_put(ch, 4);
    CU_ASSERT_EQUAL(t_get(ch), 4);
    t_bus_end(bus, name);
}

static int wait_for_shutdown(void *argument)
{
    struct shmbus *bus = t_attach(argument);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -SHMBUS_ERR_SHUTDOWN);
    shmbus_detach(bus);
    return 0;
}

T_TEST_TIMEOUT(wait, the_end_of_the_bus_is_heard_in_every_process, 20)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(2, 8, 0, name);
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = t_fork(wait_for_shutdown, name);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_TRUE(t_wait_asleep(pids[i]));
    T_OK(shmbus_shutdown(bus, true));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
    t_bus_end(bus, name);
}

/* ----------------------------------------------------------------------------------- interrupts */

T_TEST_TIMEOUT(wait, an_interrupt_ends_waits_now_and_later_until_it_is_cleared, 20)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 8, 0, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct helper helper = {.act = act_interrupt, .bus = bus};
    struct shmbus_msg msg = {0};
    helper_start(&helper);
    T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
    helper_end(&helper);
    T_FAILS(shmbus_recv(ch, &msg, 60 * T_S), -EINTR);
    T_FAILS(shmbus_recv(ch, &msg, 0), -EAGAIN); /* does not wait: not interrupted */
    t_put(ch, 1);
    T_FAILS(t_send(ch, 2, 60 * T_S), -EINTR);
    CU_ASSERT_EQUAL(t_get(ch), 1); /* what is there comes all the same */
    shmbus_interrupt_clear(bus);
    int64_t start = t_now_ns();
    T_FAILS(shmbus_recv(ch, &msg, 20 * T_MS), -ETIMEDOUT);
    took(start, 20 * T_MS);
    t_bus_end(bus, name);
}

static struct shmbus *interrupted_bus;

static void on_signal(int signal_number)
{
    (void)signal_number;
    shmbus_interrupt(interrupted_bus);
}

static void on_nothing(int signal_number)
{
    (void)signal_number;
}

static void act_signals(struct helper *helper)
{
    for (int i = 0; i < 20; i++) {
        kill(helper->sleeper, SIGUSR1);
        usleep(2000); /* spread over the wait, which must not be shortened */
    }
    helper->result = 0;
}

static void act_signal(struct helper *helper)
{
    helper->result = kill(helper->sleeper, SIGUSR2);
}

T_TEST(wait, a_signal_neither_shortens_nor_lengthens_a_wait_unless_it_interrupts)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 8, 0, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    struct sigaction nothing = {.sa_handler = on_nothing};
    struct sigaction interrupt = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &nothing, NULL);
    sigaction(SIGUSR2, &interrupt, NULL);
    interrupted_bus = bus;

    struct helper helper = {.act = act_signals};
    int64_t start = t_now_ns();
    helper_start(&helper);
    T_FAILS(shmbus_recv(ch, &msg, 200 * T_MS), -ETIMEDOUT);
    took(start, 200 * T_MS);
    helper_end(&helper);

    helper = (struct helper){.act = act_signal};
    helper_start(&helper);
    T_FAILS(shmbus_recv(ch, &msg, SHMBUS_WAIT_FOREVER), -EINTR);
    helper_end(&helper);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------------- idleness */

static int64_t processor_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * T_S +
           (int64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* One second of five: on a machine that is busy with other things the kernel's books are coarse. */
T_TEST(wait, a_waiting_process_uses_no_processor)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_with(1, 8, -1, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    int64_t least = INT64_MAX;
    T_FAILS(shmbus_recv(ch, &msg, 10 * T_MS), -ETIMEDOUT); /* threads are there now */
    for (int i = 0; i < 5 && least >= 10 * T_MS; i++) {
        int64_t before = processor_ns();
        T_FAILS(shmbus_recv(ch, &msg, T_S), -ETIMEDOUT);
        int64_t used = processor_ns() - before;
        least = used < least ? used : least;
    }
    CU_ASSERT_TRUE(least < (t_is_sanitized() ? 50 : 10) * T_MS);
    t_bus_end(bus, name);
}

/* Another handle's stock is not out of reach for one that waits: the owner gives it back when it
 * goes to sleep itself. */
T_TEST(wait, whoever_sleeps_keeps_no_stock)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 64, 64);
    t_plan_queue(plan, "q", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(ch, 1);
    CU_ASSERT_EQUAL(t_get(ch), 1);
    CU_ASSERT_TRUE(t_blocks(bus).stock > 0);
    T_FAILS(shmbus_recv(ch, &msg, 5 * T_MS), -ETIMEDOUT);
    CU_ASSERT_EQUAL(t_blocks(bus).stock, 0);
    CU_ASSERT_EQUAL(t_free_and_hinted(bus), 64);
    t_bus_end(bus, name);
}

/* Nobody sleeps, but somebody else does, for a block: idle without sleeping is idle, too. */
T_TEST(wait, whoever_polls_an_empty_queue_gives_its_stock_to_those_who_wait_for_blocks)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(2, 64, 64);
    t_plan_queue(plan, "q", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    t_put(ch, 1);
    CU_ASSERT_EQUAL(t_get(ch), 1);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    CU_ASSERT_TRUE(t_blocks(bus).stock > 0); /* nobody waits: kept */
    sb_event_announce(bus->view.blocks.freed);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    CU_ASSERT_EQUAL(t_blocks(bus).stock, 0);
    CU_ASSERT_FALSE(sb_event_armed(bus->view.blocks.freed)); /* woken */
    t_bus_end(bus, name);
}

/* No call ever sleeps, and there is no watcher: the calls look at the clock. */
T_TEST(wait, whoever_only_polls_gets_what_a_dead_process_held)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(8, 64, 8);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_BLOCK, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    uint64_t value;
    bus->no_watcher = true;
    t_put(ch, 7);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 7);
    struct t_corpse d = t_corpse_to_be_found(bus);
    sb_store_release(&sb_block_at(&bus->view.blocks, sb_msg_number(&msg))->hdr,
                     (msg.opaque_[0] & ~0x3fffull) | d.owner);
    do {
        value = t_take(ch, &msg); /* the test's time limit says "never" */
    } while (value == UINT64_MAX);
    CU_ASSERT_EQUAL(value, 7);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    CU_ASSERT_PTR_NULL(bus->watcher);
    T_OK(shmbus_release(&msg));
    t_bus_end(bus, name);
}
