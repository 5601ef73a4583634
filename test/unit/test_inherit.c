/* SPDX-License-Identifier: MIT */
/* What a child finds of its parent's marks, and what it remembers of itself. */
#include <unistd.h>

#include "base/here.h"
#include "base/inherit.h"
#include "bus/bus.h"
#include "fixture.h"

#define MANY 600u

struct marks {
    const uint64_t *of[MANY];
};

static bool all_are(const struct marks *marks, uint64_t value)
{
    bool are = true;
    for (uint32_t i = 0; i < MANY; i++)
        are = are && *marks->of[i] == value + (value == 0 ? 0 : i);
    return are;
}

static int in_a_child(void *argument)
{
    const struct marks *marks = argument;
    const uint64_t *own = NULL;

    if (!all_are(marks, 0))
        return 1;
    for (uint32_t i = 0; i < MANY; i += 2)
        sb_mark_drop(marks->of[i]);
    own = sb_mark_take(5);
    for (uint32_t i = 1; i < MANY; i += 2) {
        if (own == marks->of[i] || *marks->of[i] != 0)
            return 2;
    }
    return *own == 5 ? 0 : 3;
}

T_TEST(inherit, marks_are_zero_in_a_child_and_its_own_are_others)
{
    struct marks marks;
    for (uint32_t i = 0; i < MANY; i++) {
        marks.of[i] = sb_mark_take(1 + i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(marks.of[i]);
    }
    CU_ASSERT_TRUE(all_are(&marks, 1));
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(in_a_child, &marks)), 0);
    CU_ASSERT_TRUE(all_are(&marks, 1));
    for (uint32_t i = 0; i < MANY; i++)
        sb_mark_drop(marks.of[i]);
}

T_TEST(inherit, a_dropped_mark_is_used_again)
{
    const uint64_t *first = sb_mark_take(1);
    const uint64_t *other = sb_mark_take(2);
    sb_mark_drop(first);
    CU_ASSERT_PTR_EQUAL(sb_mark_take(3), first);
    CU_ASSERT_EQUAL(*first, 3);
    CU_ASSERT_EQUAL(*other, 2);
    sb_mark_drop(first);
    sb_mark_drop(other);
    sb_mark_drop(NULL);
}

static int says_who_it_is(void *argument)
{
    struct shmbus *bus = t_attach(argument);
    const struct sb_proc *proc = &bus->view.processes[bus->member.slot];
    bool right = sb_load_relaxed(&proc->pid) == (uint64_t)getpid() &&
                 sb_load_relaxed(&proc->start_time_ticks) == sb_start_time_ticks(getpid());

    shmbus_detach(bus);
    return right ? 0 : 1;
}

/* A hundredth of a second is what the kernel tells starts apart by. */
T_TEST(inherit, a_child_does_not_take_its_parents_start_for_its_own)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    struct shmbus *bus = t_bus_new(plan, name);
    uint64_t ours = sb_start_time_ticks(0);
    uint64_t ticks = 0;
    CU_ASSERT_NOT_EQUAL(ours, 0);
    while (ticks <= ours + 2) {
        pid_t pid = t_fork(says_who_it_is, name);
        ticks = sb_start_time_ticks(pid);
        CU_ASSERT_EQUAL_FATAL(t_wait_exit(pid), 0);
        CU_ASSERT_NOT_EQUAL_FATAL(ticks, 0);
    }
    t_bus_end(bus, name);
}
