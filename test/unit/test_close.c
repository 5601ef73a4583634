/* SPDX-License-Identifier: MIT */
/* What the end of a handle, and of a process's part in the bus, costs: nothing for what it had no
 * part in. */
#include <sys/mman.h>
#include <unistd.h>

#include "bus/bus.h"
#include "channel/queue.h"
#include "fixture.h"

#define BLOCKS 2000u

static struct shmbus *bus_of_many(char *name)
{
    struct shmbus_plan *plan = t_plan(4, 8192, BLOCKS);
    t_plan_queue(plan, "q", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    t_plan_queue(plan, "other", 64, SHMBUS_FULL_BLOCK, 0, NULL);
    return t_bus_new(plan, name);
}

/* A look at any block but the first ones is the end of the process. */
static bool shut_off_blocks(const struct shmbus *bus)
{
    const struct sb_class_view *cls = &bus->view.blocks.classes[0];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)cls->headers + 2 * page) / page * page;
    uintptr_t to = ((uintptr_t)cls->headers + BLOCKS * cls->header_stride) / page * page;
    return mprotect((void *)from, to - from, PROT_NONE) == 0;
}

static int use_and_leave(void *argument)
{
    struct shmbus *bus = t_attach(argument);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *last = t_open(bus, "other", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);

    if (!shut_off_blocks(bus))
        return 2;
    if (t_get(ch) != UINT64_MAX) /* nobody has ever given anything back */
        return 1;
    for (uint64_t i = 0; i < 100; i++) {
        t_put(ch, i);
        if (t_get(ch) != i)
            return 3;
    }
    shmbus_channel_close(ch);
    t_put(last, 1);
    shmbus_detach(bus);
    return 0;
}

T_TEST(close, whoever_holds_nothing_looks_at_no_block)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of_many(name);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(use_and_leave, name)), 0);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 0);
    CU_ASSERT_EQUAL(t_free_and_hinted(bus), BLOCKS - 1);
    t_bus_end(bus, name);
}

/* Every way in and out of a handle's hands, and each of them in vain. */
static void take_each_way(struct shmbus_channel *ch, struct shmbus_channel *to)
{
    struct shmbus_msg msg = {0}, again;
    char small[1];
    size_t bytes;

    for (int way = 0; way < 9; way++) {
        t_put(ch, 7);
        if (way < 2) {
            T_OK(shmbus_reserve(ch, 16, &msg, 0));
        } else if (way < 8) {
            CU_ASSERT_EQUAL(t_take(ch, &msg), 7);
        }
        CU_ASSERT_EQUAL(sb_queue_of(ch)->in_blocks, way < 8 ? 1 : 0);
        again = msg;
        switch (way) {
        case 0:
            T_OK(shmbus_commit(&msg, 0));
            T_FAILS(shmbus_commit(&again, 0), -SHMBUS_ERR_STALE);
            CU_ASSERT_EQUAL(sb_queue_of(ch)->in_blocks, 0);
            T_OK(shmbus_recv(ch, &msg, 0));
            T_OK(shmbus_release(&msg));
            break;
        case 1:
            T_OK(shmbus_abort(&msg));
            T_FAILS(shmbus_abort(&again), -SHMBUS_ERR_STALE);
            break;
        case 2:
            T_OK(shmbus_release(&msg));
            T_FAILS(shmbus_release(&again), -SHMBUS_ERR_STALE);
            break;
        case 3:
            T_OK(shmbus_requeue(&msg));
            T_FAILS(shmbus_requeue(&again), -SHMBUS_ERR_STALE);
            break;
        case 4:
            T_OK(shmbus_give_back(&msg));
            T_FAILS(shmbus_give_back(&again), -SHMBUS_ERR_STALE);
            break;
        case 5:
            T_OK(shmbus_forward(&msg, to, 0));
            T_FAILS(shmbus_forward(&again, to, 0), -SHMBUS_ERR_STALE);
            CU_ASSERT_EQUAL(sb_queue_of(to)->in_blocks, 0);
            break;
        case 6:
            T_OK(shmbus_release_batch(&msg, 1));
            break;
        case 7:
            shmbus_abort(&again); /* it is no reservation */
            T_OK(shmbus_release(&msg));
            break;
        default:
            T_FAILS(shmbus_recv_copy(ch, small, sizeof small, &bytes, NULL, 0), -EMSGSIZE);
            break;
        }
        CU_ASSERT_EQUAL(sb_queue_of(ch)->in_blocks, 0);
        while (shmbus_recv(ch, &msg, 0) == 0)
            T_OK(shmbus_release(&msg));
        CU_ASSERT_EQUAL(sb_queue_of(ch)->in_blocks, 0);
    }
}

/* Whenever that was. */
T_TEST(close, a_new_receiver_finds_what_was_given_back_before)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of_many(name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    for (uint32_t times = 1; times <= 3; times++) {
        if (times == 1)
            t_put(ch, 1);
        CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
        CU_ASSERT_EQUAL(msg.delivery_count, times);
        shmbus_channel_close(ch);
        ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    }
    CU_ASSERT_EQUAL(t_get(ch), 1);
    CU_ASSERT_EQUAL(t_get(ch), UINT64_MAX);
    t_bus_end(bus, name);
}

T_TEST(close, each_way_out_of_the_hand_is_counted)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of_many(name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *to = t_open(bus, "other", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    take_each_way(ch, to);
    CU_ASSERT_EQUAL(t_get(to), 7);
    CU_ASSERT_EQUAL(t_blocks(bus).held, 0);
    shmbus_channel_close(ch);
    shmbus_channel_close(to);
    CU_ASSERT_EQUAL(t_free_and_hinted(bus), BLOCKS);
    t_bus_end(bus, name);
}

/* A message that finds no place stays in the hand. */
T_TEST(close, what_could_not_be_forwarded_is_still_held)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_of_many(name);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *to = t_open(bus, "other", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg = {0};
    t_put(ch, 1);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    for (uint64_t i = 0; i < 64; i++)
        t_put(to, i);
    T_FAILS(shmbus_forward(&msg, to, 0), -EAGAIN);
    CU_ASSERT_EQUAL(sb_queue_of(ch)->in_blocks, 1);
    shmbus_channel_close(ch);
    ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    CU_ASSERT_EQUAL(t_take(ch, &msg), 1);
    CU_ASSERT_EQUAL(msg.delivery_count, 2);
    T_OK(shmbus_release(&msg));
    t_bus_end(bus, name);
}
