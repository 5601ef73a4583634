/* SPDX-License-Identifier: MIT */
/*
 * A program of 0.1: compiled against the header of that release, run with the library of today. It
 * uses every struct with the size that it had then, with something else behind it, and makes one
 * round of everything. Never to be changed after the release.
 */
#include <shmbus/shmbus.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef void (*any_function)(void);
/* clang-format off */
#define F(name) {#name, (any_function)(name)},
static const struct {
    const char *name;
    any_function function;
} functions[] = {
    F(shmbus_version)
#ifdef FUNCTIONS /* a file made from the list of symbols of the release */
#include FUNCTIONS
#endif
};
/* clang-format on */

static int failures;

static void check(int good, const char *what, int line)
{
    if (!good) {
        printf("program of 0.1: line %d: %s (%s)\n", line, what, shmbus_detail());
        failures++;
    }
}
#define OK(call) check((call) == 0, #call, __LINE__)
#define IS(a, b) check((a) == (b), #a " is " #b, __LINE__)

/* A struct of 0.1 and what lies behind it, which is not the library's. */
enum { BEHIND = 64, BEHIND_BYTE = 0xa5 };
#define GUARDED(type)                                                                              \
    struct {                                                                                       \
        struct type s;                                                                             \
        unsigned char behind[BEHIND];                                                              \
    }
#define GUARD(g)                                                                                   \
    do {                                                                                           \
        memset(&(g), BEHIND_BYTE, sizeof(g));                                                      \
        memset(&(g).s, 0, sizeof((g).s));                                                          \
        (g).s.struct_bytes = sizeof((g).s);                                                        \
    } while (0)
#define IS_WHOLE(g) check(is_whole((g).behind) && (g).s.struct_bytes == sizeof((g).s), #g, __LINE__)

static int is_whole(const unsigned char *behind)
{
    size_t i;

    for (i = 0; i < BEHIND; i++) {
        if (behind[i] != BEHIND_BYTE)
            return 0;
    }
    return 1;
}

static GUARDED(shmbus_plan_opts) whole;
static GUARDED(shmbus_channel_opts) channel;
static GUARDED(shmbus_region_opts) region;
static GUARDED(shmbus_block_opts) blocks;
static GUARDED(shmbus_create_opts) create;
static GUARDED(shmbus_attach_opts) attach;
static GUARDED(shmbus_open_opts) opened;
static GUARDED(shmbus_send_opts) sent;
static GUARDED(shmbus_bus_stat) bus_stat;
static GUARDED(shmbus_channel_stat) channel_stat;
static GUARDED(shmbus_process_stat) process_stat;
static GUARDED(shmbus_block_stat) block_stat;
static GUARDED(shmbus_region_stat) region_stat;
static GUARDED(shmbus_check_opts) check_opts;
static GUARDED(shmbus_signals_opts) signals_opts;
static GUARDED(shmbus_drain_stat) drain_stat;

static char bus_name[SHMBUS_NAME_BYTES];
static struct shmbus *bus;

static struct shmbus_plan *make_plan(void)
{
    struct shmbus_plan *plan = NULL;
    const char *name = NULL;

    GUARD(whole);
    GUARD(channel);
    GUARD(region);
    GUARD(blocks);
    OK(shmbus_plan_new(1 << 20, &plan));
    whole.s.processes = 5;
    OK(shmbus_plan_set(plan, &whole.s));
    OK(shmbus_plan_get(plan, &whole.s));
    IS(whole.s.processes, 5u);
    IS(whole.s.mode, 0600u);
    OK(shmbus_plan_clear_blocks(plan));
    blocks.s.size_bytes = 256;
    blocks.s.count = 64;
    OK(shmbus_plan_add_blocks(plan, &blocks.s));
    OK(shmbus_plan_get_blocks(plan, 0, &blocks.s));
    IS(blocks.s.count, 64u);
    region.s.bytes = 64;
    OK(shmbus_plan_add_region(plan, "area", &region.s));
    OK(shmbus_plan_get_region(plan, 0, &name, &region.s));
    IS(region.s.bytes, 64u);
    OK(shmbus_plan_add_channel(plan, "dead", NULL));
    channel.s.depth = 16;
    channel.s.max_deliveries = 5;
    channel.s.dead_letter = "dead";
    channel.s.timestamps = SHMBUS_SWITCH_ON;
    OK(shmbus_plan_add_channel(plan, "queue", &channel.s));
    GUARD(channel);
    channel.s.kind = SHMBUS_KIND_STREAM;
    OK(shmbus_plan_add_channel(plan, "stream", &channel.s));
    GUARD(channel);
    channel.s.order = SHMBUS_ORDER_PRODUCER;
    OK(shmbus_plan_add_channel(plan, "lanes", &channel.s));
    channel.s.depth = 32;
    OK(shmbus_plan_set_channel(plan, "lanes", &channel.s));
    OK(shmbus_plan_get_channel(plan, 3, &name, &channel.s));
    IS(channel.s.depth, 32u);
    IS(strcmp(name, "lanes"), 0);
    OK(shmbus_plan_check(plan, NULL));
    GUARD(block_stat);
    OK(shmbus_plan_block_stat(plan, 0, &block_stat.s));
    IS(block_stat.s.size_bytes, 256u);
    IS_WHOLE(whole);
    IS_WHOLE(channel);
    IS_WHOLE(region);
    IS_WHOLE(blocks);
    IS_WHOLE(block_stat);
    return plan;
}

static bool no_finding(void *context, enum shmbus_severity severity, const char *what,
                       const char *cure)
{
    printf("program of 0.1: %s: %s; %s\n", (const char *)context, what, cure);
    failures += severity > SHMBUS_SEVERITY_NOTE;
    return true;
}

static void join(void)
{
    struct shmbus_plan *plan = make_plan();

    snprintf(bus_name, sizeof(bus_name), "abi-0.1-%ld", (long)getpid());
    GUARD(create);
    OK(shmbus_create(bus_name, plan, &create.s));
    GUARD(attach);
    attach.s.flags = SHMBUS_ATTACH_EXISTING;
    attach.s.process_name = "of-0.1";
    attach.s.plan = plan;
    attach.s.spin_ns = SHMBUS_SPIN_NONE;
    OK(shmbus_attach(bus_name, &attach.s, &bus));
    IS(shmbus_plan_compare(bus, plan, no_finding, bus_name), 0);
    IS_WHOLE(create);
    IS_WHOLE(attach);
    shmbus_plan_free(plan);
}

static struct shmbus_channel *open_channel(const char *name, unsigned flags)
{
    struct shmbus_channel *ch = NULL;

    GUARD(opened);
    OK(shmbus_channel_open(bus, name, flags, &opened.s, &ch));
    IS_WHOLE(opened);
    IS(shmbus_channel_bus(ch), bus);
    IS(strcmp(shmbus_channel_name(ch), name), 0);
    IS(shmbus_channel_size_max(ch) > 0, 1);
    return ch;
}

/* Messages lie in arrays of the program: each must be where 0.1 has it. */
static void move_messages(const char *name, int carries_id)
{
    struct shmbus_channel *tx = open_channel(name, SHMBUS_OPEN_SEND);
    struct shmbus_channel *rx = open_channel(name, SHMBUS_OPEN_RECV);
    struct shmbus_msg msgs[3];
    struct iovec items[2];
    uint64_t counters[SHMBUS_COUNTERS_MAX];
    char buffer[8];
    size_t bytes = 0;

    GUARD(sent);
    sent.s.type = SHMBUS_TYPE_USER + 1;
    sent.s.correlation_id = carries_id ? 77 : 0;
    items[0].iov_base = items[1].iov_base = (void *)"ab";
    items[0].iov_len = items[1].iov_len = 2;
    OK(shmbus_send_with(tx, &sent.s, "first", 5, 0));
    IS_WHOLE(sent);
    IS(shmbus_send_batch(tx, items, 2, 0), 2);
    IS(shmbus_recv_batch(rx, msgs, 3, 0), 3);
    IS(msgs[0].size_bytes, 5u);
    IS(msgs[0].type, SHMBUS_TYPE_USER + 1);
    IS(msgs[0].correlation_id, carries_id ? 77u : 0u);
    IS(msgs[1].size_bytes, 2u);
    IS(memcmp(msgs[2].data, "ab", 2), 0);
    IS(msgs[2].sequence > msgs[1].sequence, 1);
    IS(msgs[2].delivery_count, 1u);
    IS(msgs[2].channel, rx);
    OK(shmbus_release_batch(msgs, 3));
    OK(shmbus_reserve(tx, 3, &msgs[0], 0));
    memcpy(msgs[0].data, "res", 3);
    msgs[0].type = SHMBUS_TYPE_STOP;
    OK(shmbus_commit(&msgs[0], 0));
    OK(shmbus_reserve(tx, 3, &msgs[0], 0));
    OK(shmbus_abort(&msgs[0]));
    OK(shmbus_recv_copy(rx, buffer, sizeof(buffer), &bytes, &msgs[0], 0));
    IS(bytes, 3u);
    IS(msgs[0].type, SHMBUS_TYPE_STOP);
    OK(shmbus_send(tx, "x", 1, SHMBUS_WAIT_FOREVER));
    IS(shmbus_channel_fd(rx) > 2, 1);
    OK(shmbus_recv(rx, &msgs[0], SHMBUS_WAIT_FOREVER));
    OK(shmbus_release(&msgs[0]));
    IS(shmbus_recv(rx, &msgs[0], 0), -11 /* EAGAIN */);
    IS(shmbus_channel_counters(tx, counters, SHMBUS_COUNTERS_MAX) >= SHMBUS_COUNTER_COUNT, 1);
    IS(counters[SHMBUS_COUNT_sent], 5u);
    shmbus_channel_close(tx);
    shmbus_channel_close(rx);
}

static bool count_one(void *context, const struct shmbus_msg *msg)
{
    ++*(int *)context;
    return msg->size_bytes == 2;
}

static void give_back(void)
{
    struct shmbus_channel *queue = open_channel("queue", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_channel *other = open_channel("spare", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
    struct shmbus_msg msg;
    int seen = 0;

    OK(shmbus_send(queue, "go", 2, 0));
    IS(shmbus_peek(bus, "queue", 10, count_one, &seen), 1);
    IS(seen, 1);
    OK(shmbus_recv(queue, &msg, 0));
    IS(msg.time_ns > 0, 1);
    OK(shmbus_give_back(&msg));
    OK(shmbus_recv(queue, &msg, 0));
    IS(msg.delivery_count, 1u);
    OK(shmbus_requeue(&msg));
    OK(shmbus_recv(queue, &msg, 0));
    IS(msg.delivery_count, 2u);
    OK(shmbus_forward(&msg, other, 0));
    OK(shmbus_recv(other, &msg, 0));
    OK(shmbus_release(&msg));
    shmbus_channel_close(queue);
    shmbus_channel_close(other);
}

static void use_region(void)
{
    struct shmbus_region *area = NULL;
    char text[4] = "";

    OK(shmbus_region_open(bus, "area", &area));
    IS(shmbus_region_bytes(area), 64u);
    OK(shmbus_region_write(area, 60, "abc", 4, 0));
    OK(shmbus_region_read(area, 60, text, 4, 0));
    IS(strcmp(text, "abc"), 0);
    shmbus_region_close(area);
}

static bool find_bus(void *context, const char *name)
{
    *(int *)context += strcmp(name, bus_name) == 0;
    return true;
}

static void look(void)
{
    int found = 0;

    GUARD(bus_stat);
    GUARD(channel_stat);
    GUARD(process_stat);
    GUARD(block_stat);
    GUARD(region_stat);
    OK(shmbus_bus_stat(bus, &bus_stat.s));
    OK(shmbus_channel_stat(bus, 1, &channel_stat.s));
    OK(shmbus_process_stat(bus, (uint32_t)shmbus_slot(bus), &process_stat.s));
    OK(shmbus_block_stat(bus, 0, &block_stat.s));
    OK(shmbus_region_stat(bus, 0, &region_stat.s));
    IS(strcmp(bus_stat.s.name, bus_name), 0);
    IS(bus_stat.s.processes_max, 5u);
    IS(bus_stat.s.regions, 1u);
    IS(strcmp(channel_stat.s.name, "queue"), 0);
    IS(channel_stat.s.kind, SHMBUS_KIND_QUEUE);
    IS(channel_stat.s.max_deliveries, 5u);
    IS(channel_stat.s.counters[SHMBUS_COUNT_redelivered], 1u);
    IS(channel_stat.s.order, SHMBUS_ORDER_TOTAL);
    IS(strcmp(process_stat.s.name, "of-0.1"), 0);
    IS(process_stat.s.life, SHMBUS_LIFE_ALIVE);
    IS(process_stat.s.pid, getpid());
    IS(block_stat.s.count, 64u);
    IS(region_stat.s.bytes, 64u);
    IS(region_stat.s.writes, 1u);
    IS_WHOLE(bus_stat);
    IS_WHOLE(channel_stat);
    IS_WHOLE(process_stat);
    IS_WHOLE(block_stat);
    IS_WHOLE(region_stat);
    IS(shmbus_check(bus, no_finding, bus_name), 0);
    GUARD(check_opts);
    check_opts.s.dead_letters = SHMBUS_CHECK_NEVER;
    IS(shmbus_check_with(bus, &check_opts.s, no_finding, bus_name), 0);
    IS_WHOLE(check_opts);
    IS(shmbus_list(NULL, find_bus, &found) >= 1, 1);
    IS(found, 1);
}

static void stop(void)
{
    struct shmbus_stop *root = NULL;

    GUARD(signals_opts);
    GUARD(drain_stat);
    OK(shmbus_stop_new(bus, NULL, &root));
    signals_opts.s.limit_ns = 1000000000;
    OK(shmbus_stop_signals(root, &signals_opts.s));
    IS(shmbus_stop_asked(root), false);
    OK(shmbus_stop_drain(root, 1000000000, &drain_stat.s));
    IS(shmbus_stop_asked(root), true);
    IS(drain_stat.s.left, 0u);
    IS(drain_stat.s.asked_ns > 0, 1);
    shmbus_stop_free(root);
    IS_WHOLE(signals_opts);
    IS_WHOLE(drain_stat);
}

static void ask_names(void)
{
    IS(strcmp(shmbus_kind_name(SHMBUS_KIND_STREAM), "stream"), 0);
    IS(strcmp(shmbus_on_full_name(SHMBUS_FULL_DROP_OLDEST), "drop_oldest"), 0);
    IS(strcmp(shmbus_order_name(SHMBUS_ORDER_PRODUCER), "producer"), 0);
    IS(strcmp(shmbus_life_name(SHMBUS_LIFE_STALLED), "stalled"), 0);
    IS(strcmp(shmbus_severity_name(SHMBUS_SEVERITY_CRITICAL), "critical"), 0);
    IS(strcmp(shmbus_type_name(SHMBUS_TYPE_STOP), "stop"), 0);
    IS(strcmp(shmbus_counter_name(SHMBUS_COUNT_sent), "sent"), 0);
    IS(strcmp(shmbus_strerrorname(-SHMBUS_ERR_STALE), "SHMBUS_ERR_STALE"), 0);
    IS(shmbus_error_is_retryable(-SHMBUS_ERR_PEER_DEAD), true);
    IS(shmbus_error_is_fatal(-SHMBUS_ERR_SHUTDOWN), true);
}

int main(void)
{
    size_t i;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        check(functions[i].function != NULL, functions[i].name, __LINE__);
    join();
    if (failures == 0) {
        move_messages("queue", 1);
        move_messages("lanes", 1);
        move_messages("stream", 0);
        give_back();
        use_region();
        look();
        stop();
        ask_names();
        OK(shmbus_heartbeat(bus));
        IS(shmbus_reclaim(bus), 0);
        OK(shmbus_shutdown(bus, true));
        shmbus_interrupt(bus);
        shmbus_interrupt_clear(bus);
    }
    shmbus_detach(bus);
    OK(shmbus_unlink_if_unused(bus_name));
    printf("%zu calls, %d failures\n", sizeof(functions) / sizeof(functions[0]), failures);
    return failures != 0;
}
