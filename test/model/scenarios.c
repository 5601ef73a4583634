/*
 * The scenarios: who does what, in the words of script.c. The comment says what each is for.
 */
#include "scenarios.h"

#include "world.h"

#define QUEUE(shift)                                                                               \
    {                                                                                              \
        .kind = SHMBUS_QUEUE, .depth_shift = (shift)                                               \
    }
#define STREAM                                                                                     \
    {                                                                                              \
        .kind = SHMBUS_STREAM, .ring_bytes = W_STREAM_BYTES                                        \
    }

/* Recovery runs beside the others as soon as somebody died. */
#define RECOVERER                                                                                  \
    {                                                                                              \
        "recoverer", W_NOBODY, "D", .immortal = true                                               \
    }

static const struct w_plan two_senders = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .payload_shared = true,
    .actors = {{"sender-a", 0, "s0 s0"}, {"sender-b", 1, "s0 s0"}},
};

static const struct w_plan send_recv = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {{"sender", 0, "s0 s0"}, {"receiver", 1, "r0 a r0 a"}, RECOVERER},
};

static const struct w_plan two_receivers = {
    .channels = {QUEUE(2)},
    .channel_count = 1,
    .blocks = 4,
    .queued = 3,
    .actors = {{"receiver-a", 0, "r0 a r0 a"}, {"receiver-b", 1, "r0 a"}, RECOVERER},
};

static const struct w_plan depth_one = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {{"sender-a", 0, "s0 s0"}, {"sender-b", 1, "s0"}, {"receiver", 2, "r0 a r0 a"}},
};

static const struct w_plan full_wrap = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .queued = 2,
    .actors = {{"sender", 0, "s0 s0"}, {"receiver-a", 1, "r0 a"}, {"receiver-b", 2, "r0 a"}},
};

static const struct w_plan numbers_wrap = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .numbers_wrap = true,
    .actors = {{"sender", 0, "s0 s0 s0"}, {"receiver", 1, "r0 a r0 a"}, RECOVERER},
};

static const struct w_plan forwarding = {
    .channels = {QUEUE(1), QUEUE(0)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {{"forwarder", 0, "r0 f1 r0 f1"}, {"receiver", 1, "r1 a r0 a"}, RECOVERER},
};

static const struct w_plan two_forwarders = {
    .channels = {QUEUE(1), QUEUE(1)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {{"forwarder-a", 0, "r0 f1"}, {"forwarder-b", 1, "r0 f1 r1 f0"}},
};

static const struct w_plan requeueing = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .queued = 2,
    .actors = {{"giver", 0, "r0 q r0 a"}, {"receiver", 1, "r0 a r0 u"}, RECOVERER},
};

static const struct w_plan dead_letters = {
    .channels = {{.kind = SHMBUS_QUEUE, .depth_shift = 1, .max_deliveries = 1, .dead_letter = 2},
                 QUEUE(1)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {{"worker", 0, "r0 q r0 a"}, {"undertaker", 1, "r1 a r1 q"}, RECOVERER},
};

static const struct w_plan dead_letters_two = {
    .channels = {{.kind = SHMBUS_QUEUE, .depth_shift = 1, .max_deliveries = 2, .dead_letter = 2},
                 QUEUE(1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {{"worker-a", 0, "r0 q r0 q"}, {"worker-b", 1, "r0 q r1 a"}},
};

static const struct w_plan alloc_free = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .hidden = 1,
    .actors = {{"user-a", 0, "x0 x0"}, {"user-b", 1, "x0 x0"}, {"user-c", 2, "x0"}},
};

static const struct w_plan stocks = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .stock_max = 2,
    .queued = 1,
    .actors = {{"user-a", 0, "s0 x0 k"}, {"user-b", 1, "r0 a r0 a k"}, RECOVERER},
};

static const struct w_plan two_recoverers = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .actors = {{"user", 0, "r0 s0 a"},
               {"recover-a", W_NOBODY, "D1"},
               {"recover-b", W_NOBODY + 1, "D1"}},
};

static const struct w_plan slot_reuse = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .incarnation_of = {[1] = 1},
    .actors = {{"user", 0, "r0 s0 a"},
               {"successor", 1, "J r0 s0 a", .immortal = true},
               {"recover-a", W_NOBODY, "D1"},
               {"recover-b", W_NOBODY + 1, "D1", .immortal = true}},
};

static const struct w_plan sleep_recv = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {{"receiver", 0, "R0 a"}, {"sender", 1, "s0"}, RECOVERER},
};

static const struct w_plan sleep_recv_two = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {{"receiver-a", 0, "R0 a"}, {"receiver-b", 1, "R0 a"}, {"sender", 2, "s0 s0"}},
};

static const struct w_plan sleep_send = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 3,
    .queued = 1,
    .actors = {{"sender", 0, "S0"}, {"receiver", 1, "r0 a"}, RECOVERER},
};

static const struct w_plan sleep_block = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {{"sender", 0, "S0"}, {"receiver", 1, "r0 a"}, RECOVERER},
};

static const struct w_plan sleep_requeue = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {{"receiver", 0, "R0 a"}, {"giver", 1, "r0 q"}, RECOVERER},
};

static const struct w_plan sleep_forward = {
    .channels = {QUEUE(0), QUEUE(0)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {{"receiver", 0, "R1 a"}, {"forwarder", 1, "R0 F1"}, {"sender", 2, "s1"}},
};

static const struct w_plan drop_oldest = {
    .channels = {{.kind = SHMBUS_QUEUE, .depth_shift = 0, .on_full = SHMBUS_DROP_OLDEST}},
    .channel_count = 1,
    .blocks = 3,
    .queued = 1,
    .actors = {{"sender-a", 0, "s0"}, {"sender-b", 1, "s0"}, {"receiver", 2, "r0 a"}},
};

static const struct w_plan batch_and_reserve = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .payload_shared = true,
    .actors = {{"sender-a", 0, "b0"}, {"sender-b", 1, "n0"}, {"receiver", 2, "r0 r0 a a"}},
};

#define P2C1                                                                                       \
    {                                                                                              \
        2, 1, 0                                                                                    \
    }
#define SCENARIO(plan, what, ...)                                                                  \
    {                                                                                              \
#plan, what, w_setup, &(plan), __VA_ARGS__                                                 \
    }

const struct x_scenario t_scenarios[] = {
    SCENARIO(two_senders, "two senders, depth 2", {2, 1, 0}, {2, 1, 0}, {3, 2, 0}),
    SCENARIO(send_recv, "sender, receiver, recovery beside them", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(two_receivers, "two receivers of three messages", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(depth_one, "depth 1: two senders, a receiver", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(full_wrap, "full ring: sender, two receivers", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(numbers_wrap, "laps and generations wrap", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(forwarding, "forward into a full queue", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(two_forwarders, "forward there and back", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(requeueing, "requeue, undo, orphans", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(dead_letters, "dead letters, their receiver dies", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(dead_letters_two, "dead letter after two deliveries", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(alloc_free, "three users of two blocks, a lost hint", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(stocks, "stocks: refill, free into, flush", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(two_recoverers, "two recoverers, one of them killed", {2, 2, 0}, {1, 2, 0}, {0, 0, 0}),
    SCENARIO(slot_reuse, "slot taken again beside two recoverers", {2, 2, 0}, {1, 2, 0}, {0, 0, 0}),
    SCENARIO(sleep_recv, "receiver sleeps, sender wakes", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(sleep_recv_two, "two receivers sleep", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(sleep_send, "sender sleeps on a full ring", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(sleep_block, "sender sleeps for a block", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(sleep_requeue, "receiver sleeps, message is given back", {2, 1, 0}, {2, 1, 0},
             {0, 0, 0}),
    SCENARIO(sleep_forward, "sleepers on both sides of a forward", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(drop_oldest, "full ring drops the oldest", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
    SCENARIO(batch_and_reserve, "batch beside commit in place", {2, 1, 0}, {2, 1, 0}, {0, 0, 0}),
};

const unsigned t_scenario_count = sizeof t_scenarios / sizeof t_scenarios[0];
