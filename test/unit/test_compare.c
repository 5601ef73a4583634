/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <shmbus/shmbus.h>

#include "fixture.h"
#include "harness.h"

static struct shmbus_plan *parse(const char *yaml)
{
    struct shmbus_plan *plan = NULL;

    T_OK_FATAL(shmbus_plan_parse(yaml, strlen(yaml), "plan", &plan));
    return plan;
}

static int attach_with(const char *name, const char *yaml, unsigned flags, struct shmbus **ret_bus)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_plan *plan = parse(yaml);
    int r;

    opts.plan = plan;
    opts.flags = flags;
    r = shmbus_attach(name, &opts, ret_bus);
    shmbus_plan_free(plan);
    return r;
}

struct told {
    int critical, warnings;
    char all[4000];
};

static bool tell(void *context, enum shmbus_severity severity, const char *what, const char *cure)
{
    struct told *told = context;

    told->critical += severity == SHMBUS_SEVERITY_CRITICAL;
    told->warnings += severity == SHMBUS_SEVERITY_WARNING;
    strcat(strcat(told->all, what), "\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(cure, "shmbusctl rm"));
    return true;
}

static const char old_plan[] = "channels:\n  tasks: { depth: 16 }\nregions: { table: 4KiB }\n";

/* What the next release declares: a declared stream must not become a shared queue. */
static const struct {
    const char *yaml, *what; /* NULL: no difference that counts */
} critical[] = {
    {"channels:\n  ticks: { kind: stream }\n", "channel \"ticks\" is not there and would become a "
                                               "queue with order: total, declared: a stream"},
    {"channels:\n  log: { order: producer }\n", "declared: a queue with order: producer"},
    {"channels:\n  tasks: { kind: stream }\n", "channel \"tasks\" is a queue with order: total"},
    {"channels:\n  tasks: { order: producer }\n", "channel \"tasks\" is a queue with order: total"},
    {"channels:\n  tasks: { max_deliveries: 5, dead_letter: tasks.dead }\n",
     "channel \"tasks\" has max_deliveries 0, declared: 5, and more"},
    {"channels:\n  tasks: { on_full: reject }\n",
     "channel \"tasks\" has on_full block, declared: reject"},
    {"channels:\n  more: { max_deliveries: 5, dead_letter: aside }\n", "channel \"more\" has"},
    {"regions: { table: 8KiB }\n", "region \"table\" has 4096 bytes, declared: 8192"},
    {"regions: { other: 64 }\n", "region \"other\" is not there"},
};
static const char *const tolerated[] = {
    "channels:\n  tasks: { depth: 4096 }\n",
    "channels:\n  tasks: { depth: 16, endpoints: 1000 }\n",
    "processes: 500\n",
    "channels:\n  more: { depth: 4096 }\n",
    "channels:\n  tasks: { depth: 16, share: 3 }\n",
};
static const char *const same[] = {
    "bus: any\n",
    "channels:\n  more: {}\n  others: {}\n",
    "channels:\n  tasks: { depth: 16 }\n",
    "channels:\n  tasks: { depth: 9, message_bytes: 1000 }\n",
    "regions: { table: 1KiB }\nprocesses: 3\n",
};
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

T_TEST(compare, a_plan_that_means_something_else_is_refused_at_attach)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *old = NULL, *bus = NULL;

    t_bus_name(name);
    T_OK_FATAL(attach_with(name, old_plan, 0, &old));
    for (size_t i = 0; i < COUNT_OF(critical); i++) {
        T_FAILS(attach_with(name, critical[i].yaml, 0, &bus), -SHMBUS_ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "was made with another plan: "));
        if (strstr(shmbus_detail(), critical[i].what) == NULL) {
            printf("got %s\nnot %s\n", shmbus_detail(), critical[i].what);
            CU_FAIL("another difference");
        }
        T_OK_FATAL(attach_with(name, critical[i].yaml, SHMBUS_ATTACH_ANY_PLAN, &bus));
        shmbus_detach(bus);
    }
    shmbus_detach(old);
    T_OK(shmbus_unlink(name));
}

T_TEST(compare, less_than_declared_is_refused_where_the_same_plan_is_asked_for)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *old = NULL, *bus = NULL;

    t_bus_name(name);
    T_OK_FATAL(attach_with(name, old_plan, 0, &old));
    for (size_t i = 0; i < COUNT_OF(tolerated); i++) {
        T_OK_FATAL(attach_with(name, tolerated[i], 0, &bus));
        shmbus_detach(bus);
        T_FAILS(attach_with(name, tolerated[i], SHMBUS_ATTACH_SAME_PLAN, &bus), -SHMBUS_ERR_CONFIG);
    }
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        T_OK_FATAL(attach_with(name, same[i], SHMBUS_ATTACH_SAME_PLAN, &bus));
        shmbus_detach(bus);
    }
    shmbus_detach(old);
    T_OK(shmbus_unlink(name));
}

T_TEST(compare, who_makes_the_bus_has_his_plan)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = NULL;

    t_bus_name(name);
    for (size_t i = 0; i < COUNT_OF(critical); i++) {
        T_OK_FATAL(attach_with(name, critical[i].yaml, SHMBUS_ATTACH_SAME_PLAN, &bus));
        shmbus_detach(bus);
        T_OK_FATAL(attach_with(name, critical[i].yaml, SHMBUS_ATTACH_SAME_PLAN, &bus));
        shmbus_detach(bus);
        T_OK(shmbus_unlink(name));
    }
}

T_TEST(compare, every_difference_is_told_by_its_severity)
{
    static const char declared[] =
        "processes: 500\n"
        "channels:\n"
        "  tasks: { depth: 4096, max_deliveries: 5, dead_letter: aside }\n"
        "  ticks: { kind: stream }\n"
        "regions: { table: 1MiB, other: 64 }\n";
    struct shmbus_attach_opts observe = SHMBUS_ATTACH_OPTS_INIT;
    struct told told = {0, 0, ""};
    struct shmbus *old = NULL, *looker = NULL;
    struct shmbus_plan *plan = parse(declared);
    char name[SHMBUS_NAME_BYTES];

    t_bus_name(name);
    T_OK_FATAL(attach_with(name, old_plan, 0, &old));
    CU_ASSERT_EQUAL(shmbus_plan_compare(old, plan, tell, &told), 9);
    CU_ASSERT_EQUAL(told.critical, 6);
    CU_ASSERT_EQUAL(told.warnings, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.all, "channel \"tasks\" has depth 16, declared: 4096\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(told.all, "channel \"tasks\" has no dead_letter, declared: dead_letter aside\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(told.all, "there is room for 64 processes, declared: 500\n"));
    observe.flags = SHMBUS_ATTACH_OBSERVE;
    T_OK_FATAL(shmbus_attach(name, &observe, &looker));
    CU_ASSERT_EQUAL(shmbus_plan_compare(looker, plan, NULL, NULL), 9);
    plan->processes = 5000;
    T_FAILS(shmbus_plan_compare(looker, plan, NULL, NULL), -SHMBUS_ERR_CONFIG);
    T_FAILS(shmbus_plan_compare(looker, NULL, NULL, NULL), -EINVAL);
    T_FAILS(shmbus_plan_compare(NULL, plan, NULL, NULL), -EINVAL);
    shmbus_plan_free(plan);
    shmbus_detach(looker);
    shmbus_detach(old);
    T_OK(shmbus_unlink(name));
}

T_TEST(compare, open_can_name_the_kind_it_wants)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = NULL;
    char name[SHMBUS_NAME_BYTES];

    t_bus_name(name);
    T_OK_FATAL(attach_with(
        name, "channels:\n  ticks: { kind: stream }\n  log: { order: producer }\n", 0, &bus));
    T_FAILS(shmbus_channel_open(bus, "ticks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_QUEUE, NULL, &ch),
            -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_channel_open(bus, "log", SHMBUS_OPEN_SEND | SHMBUS_OPEN_STREAM, NULL, &ch),
            -SHMBUS_ERR_KIND);
    T_FAILS(shmbus_channel_open(bus, "tocks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_STREAM, NULL, &ch),
            -ENOENT);
    T_FAILS(shmbus_channel_open(
                bus, "ticks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_STREAM | SHMBUS_OPEN_QUEUE, NULL, &ch),
            -EINVAL);
    T_OK_FATAL(shmbus_channel_open(bus, "ticks", SHMBUS_OPEN_SEND | SHMBUS_OPEN_STREAM, NULL, &ch));
    shmbus_channel_close(ch);
    T_OK_FATAL(shmbus_channel_open(bus, "log", SHMBUS_OPEN_SEND | SHMBUS_OPEN_QUEUE, NULL, &ch));
    shmbus_channel_close(ch);
    T_OK_FATAL(shmbus_channel_open(bus, "any", SHMBUS_OPEN_SEND | SHMBUS_OPEN_QUEUE, NULL, &ch));
    shmbus_channel_close(ch);
    shmbus_detach(bus);
    T_OK(shmbus_unlink(name));
}
