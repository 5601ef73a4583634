/* SPDX-License-Identifier: MIT */
/*
 * What a look at others shows where the words are unusual, but right: an owner of an earlier
 * incarnation, a heartbeat from nowhere, a hint that lags, a dead letter.
 */
#include "fixture.h"

static struct shmbus *make_bus(char *name)
{
    struct shmbus_plan *plan = t_plan(4, 256, 7);
    t_plan_queue(plan, "tasks", 4, SHMBUS_FULL_REJECT, 2, "dead");
    t_plan_queue(plan, "dead", 4, SHMBUS_FULL_REJECT, 0, NULL);
    return t_bus_new(plan, name);
}

static bool count_leaks(void *context, enum shmbus_severity severity, const char *what,
                        const char *cure)
{
    (void)severity, (void)cure;
    *(unsigned *)context += strstr(what, "belong to no process") != NULL;
    return true;
}

T_TEST(check, a_block_of_an_earlier_incarnation_is_found)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct sb_block *b = sb_block_at(&bus->view.blocks, 3);
    uint64_t before = sb_load_relaxed(&b->hdr);
    uint32_t earlier = sb_owner_make(bus->member.slot, bus->member.epoch - 1u);
    unsigned leaks = 0;
    sb_store_relaxed(&b->hdr, sb_hdr_make(5, 1, SB_BLOCK_RECEIVED, bus->member.owner));
    CU_ASSERT_TRUE(shmbus_check(bus, count_leaks, &leaks) >= 0);
    CU_ASSERT_EQUAL(leaks, 0);
    sb_store_relaxed(&b->hdr, sb_hdr_make(5, 1, SB_BLOCK_RECEIVED, earlier));
    CU_ASSERT_TRUE(shmbus_check(bus, count_leaks, &leaks) >= 0);
    CU_ASSERT_EQUAL(leaks, 1);
    sb_store_relaxed(&b->hdr, before);
    t_bus_end(bus, name);
}

T_TEST(process, with_a_heartbeat_from_long_before_all_time_is_silent)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    sb_store_relaxed(&bus->view.processes[bus->member.slot].heartbeat_ns, 1ull << 63);
    T_OK(shmbus_process_stat(bus, bus->member.slot, &stat));
    CU_ASSERT_EQUAL(stat.life, SHMBUS_LIFE_IDLE);
    T_OK(shmbus_heartbeat(bus));
    t_bus_end(bus, name);
}

struct shown {
    uint32_t count, last_delivery;
};

static bool note(void *context, const struct shmbus_msg *msg)
{
    struct shown *shown = context;
    shown->count++;
    shown->last_delivery = msg->delivery_count;
    return true;
}

T_TEST(peek, goes_past_what_was_taken_where_the_hint_lags)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ch = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shown shown = {0, 0};
    for (uint64_t i = 0; i < 3; i++) {
        t_put(ch, i);
    }
    CU_ASSERT_EQUAL(t_get(ch), 0);
    sb_store_release(&ch->view->shared->head, 0); /* as its receiver left it, stopped before R3 */
    CU_ASSERT_EQUAL(shmbus_peek(bus, "tasks", 10, note, &shown), 2);
    CU_ASSERT_EQUAL(shown.count, 2);
    CU_ASSERT_EQUAL(t_get(ch), 1);
    t_bus_end(bus, name);
}

T_TEST(peek, shows_the_delivery_count_that_a_receiver_gets)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = make_bus(name);
    struct shmbus_channel *ch = t_open(bus, "tasks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *dead = t_open(bus, "dead", SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    struct shown shown = {0, 0};
    t_put(ch, 1);
    for (unsigned i = 1; i <= 2; i++) {
        CU_ASSERT_EQUAL(shmbus_peek(bus, "tasks", 1, note, &shown), 1);
        T_OK_FATAL(shmbus_recv(ch, &msg, 0));
        CU_ASSERT_EQUAL(msg.delivery_count, i);
        CU_ASSERT_EQUAL(shown.last_delivery, i);
        T_OK(shmbus_requeue(&msg));
    }
    CU_ASSERT_EQUAL(shmbus_peek(bus, "dead", 1, note, &shown), 1);
    T_OK_FATAL(shmbus_recv(dead, &msg, 0));
    CU_ASSERT_EQUAL(msg.delivery_count, shown.last_delivery);
    T_OK(shmbus_release(&msg));
    t_bus_end(bus, name);
}
