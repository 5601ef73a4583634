/* SPDX-License-Identifier: MIT */
/*
 * The scenarios: who does what, in the words of script.c. The comment says what each is for.
 */
#include "scenarios.h"

#include "world.h"

/* clang-format off */
#define QUEUE(shift) {.kind = SHMBUS_KIND_QUEUE, .depth_shift = (shift)}
#define SHARE(shift, count) {.kind = SHMBUS_KIND_QUEUE, .depth_shift = (shift), .share = (count)}
#define LANES(count, shift) {.kind = SHMBUS_KIND_QUEUE, .depth_shift = (shift), .lanes = (count)}
#define STREAM(bytes) {.kind = SHMBUS_KIND_STREAM, .ring_bytes = (bytes)}
#define ACTOR(name, process, script) {name, process, script, false}
#define IMMORTAL(name, process, script) {name, process, script, true}

/* Recovery runs beside the others as soon as somebody died. */
#define RECOVERER IMMORTAL("recoverer", W_NOBODY, "D")

static const struct w_plan two_senders = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .payload_shared = true,
    .actors = {ACTOR("sender-a", 0, "s0 s0"), ACTOR("sender-b", 1, "s0 s0")},
};

static const struct w_plan send_recv = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {ACTOR("sender", 0, "s0 s0"), ACTOR("receiver", 1, "r0 a r0 a"), RECOVERER},
};

static const struct w_plan two_receivers = {
    .channels = {QUEUE(2)},
    .channel_count = 1,
    .blocks = 4,
    .queued = 3,
    .actors = {ACTOR("receiver-a", 0, "r0 a r0 a"), ACTOR("receiver-b", 1, "r0 a"), RECOVERER},
};

static const struct w_plan depth_one = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {ACTOR("sender-a", 0, "s0 s0"), ACTOR("sender-b", 1, "s0"),
               ACTOR("receiver", 2, "r0 a r0 a")},
};

static const struct w_plan full_wrap = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .queued = 2,
    .actors = {ACTOR("sender", 0, "s0 s0"), ACTOR("receiver-a", 1, "r0 a"),
               ACTOR("receiver-b", 2, "r0 a")},
};

static const struct w_plan numbers_wrap = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .numbers_wrap = true,
    .actors = {ACTOR("sender", 0, "s0 s0 s0"), ACTOR("receiver", 1, "r0 a r0 a"), RECOVERER},
};

static const struct w_plan forwarding = {
    .channels = {QUEUE(1), QUEUE(0)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("forwarder", 0, "r0 f1 r0 f1"), ACTOR("receiver", 1, "r1 a r0 a"), RECOVERER},
};

static const struct w_plan two_forwarders = {
    .channels = {QUEUE(1), QUEUE(1)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("forwarder-a", 0, "r0 f1"), ACTOR("forwarder-b", 1, "r0 f1 r1 f0")},
};

static const struct w_plan requeueing = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("giver", 0, "r0 q r0 a"), ACTOR("receiver", 1, "r0 a r0 u"), RECOVERER},
};

/* What is given back comes in order, whatever that of the blocks: the older message lies in the
 * later one. Back by requeues or by recovery, while somebody receives. */
#define SWAPPED "s0 s0 r0 a s0"
static const struct w_plan returned_two = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .before = SWAPPED,
    .actors = {ACTOR("receiver", 0, "r0 a r0 a"), ACTOR("holder", 1, "r0 r0 q q"), RECOVERER},
};

/* The older one in the earlier block: who looks has gone by it when both come back. Something came
 * back before the receiver was there: so it looks at once, perhaps too early. */
static const struct w_plan returned_behind = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .before = "s0 r0 q r0 a s0 s0",
    .actors = {ACTOR("receiver", 2, "r0 a r0 a"), ACTOR("holder", 1, "r0 r0 c0"), RECOVERER},
};

static const struct w_plan returned_dead = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .before = "s0 r0 q r0 a s0 s0",
    .actors = {IMMORTAL("receiver", 2, "r0 a r0 a"), ACTOR("holder", 1, "r0 r0"),
               IMMORTAL("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

/* One has died with the first one, two more do: the second one comes before it. */
static const struct w_plan yields = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 2,
    .first_is_dead = true,
    .actors = {ACTOR("holder-a", 1, "r0 r0 a a"), ACTOR("holder-b", 2, "r0 r0 a a"),
               IMMORTAL("receiver", 3, "r0 a r0 a"), RECOVERER},
};

static const struct w_plan lane_yields = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 2,
    .first_is_dead = true,
    .actors = {ACTOR("holder-a", 1, "r0 r0 a a"), ACTOR("holder-b", 2, "r0 r0 a a"),
               IMMORTAL("receiver", 3, "r0 a r0 a"), RECOVERER},
};

/* In a lane the tickets of those in hand go over the end of its cells. */
static const struct w_plan lane_returned = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .before = "l0 s0 r0 a s0 s0",
    .actors = {ACTOR("receiver", 0, "r0 a r0 a"), ACTOR("holder", 1, "r0 r0 c0"), RECOVERER},
};

static const struct w_plan lane_returned_behind = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .before = "l0 s0 r0 q r0 a s0 r0 a s0 s0",
    .actors = {ACTOR("receiver", 2, "r0 a r0 a"), ACTOR("holder", 1, "r0 r0 c0"), RECOVERER},
};

/* Shares: the first message lies in the only own block of channel 0. */
static const struct w_plan share_forward = {
    .channels = {SHARE(1, 1), SHARE(1, 1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("forwarder", 0, "r0 f1 a"), ACTOR("receiver", 1, "r1 a r0 a s0"), RECOVERER},
};

static const struct w_plan share_forward_late = {
    .channels = {SHARE(0, 1), SHARE(0, 1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .before = "s1",
    .actors = {ACTOR("forwarder", 0, "r0 F1"), ACTOR("receiver", 1, "r1 a"), RECOVERER},
};

static const struct w_plan share_forward_full = {
    .channels = {SHARE(0, 1), SHARE(0, 1)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 1,
    .before = "s1",
    .actors = {ACTOR("forwarder", 0, "r0 f1 f1 a"), ACTOR("receiver", 1, "r1 a r1 a"), RECOVERER},
};

/* The copy lies before the message: recovery meets it first. */
static const struct w_plan share_recoverers = {
    .channels = {SHARE(0, 1), SHARE(0, 1)},
    .channel_count = 2,
    .blocks = 2,
    .before = "s1",
    .actors = {ACTOR("forwarder", 0, "r1 f0"), IMMORTAL("receiver", 1, "r0 a x0 r1 a"),
               ACTOR("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan share_alloc = {
    .channels = {SHARE(1, 1), SHARE(1, 1)},
    .channel_count = 2,
    .blocks = 3,
    .stock_max = 1,
    .actors = {ACTOR("user-a", 0, "n0 x0 k"), ACTOR("user-b", 1, "x0 x1"), ACTOR("user-c", 2, "n1"),
               RECOVERER},
};

/* Two sleep for blocks: each is to be woken by a block that is its own. */
static const struct w_plan share_sleep = {
    .channels = {SHARE(1, 1), SHARE(1, 1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .before = "s1",
    .actors = {ACTOR("sender-0", 0, "S0"), IMMORTAL("sender-1", 1, "S1"),
               IMMORTAL("receiver", 2, "r0 a r1 a"), RECOVERER},
};

/* A worker holds a task and waits for a block for its result; another task waits. */
static const struct w_plan share_pipeline = {
    .channels = {SHARE(1, 1), SHARE(1, 1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .before = "s1",
    .actors = {ACTOR("coordinator", 0, "S0"), ACTOR("worker", 1, "R0 S1 a"),
               ACTOR("collector", 2, "R1 a R1 a")},
};

/* A dead letter may not keep the block of its queue's share. */
static const struct w_plan share_letter = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .max_deliveries = 1,
                  .dead_letter = 2,
                  .share = 1},
                 SHARE(0, 1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("worker", 0, "r0 q"), ACTOR("undertaker", 1, "r1 a r0 q r1 a"), RECOVERER},
};

static const struct w_plan share_letter_drop = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .max_deliveries = 1,
                  .dead_letter = 2,
                  .share = 1},
                 {.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .share = 1,
                  .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("worker", 0, "r0 q s0 r0 q"), ACTOR("undertaker", 1, "r1 a"), RECOVERER},
};

static const struct w_plan dead_letters = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(1)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("worker", 0, "r0 q r0 a"), ACTOR("undertaker", 1, "r1 a r1 q"), RECOVERER},
};

static const struct w_plan dead_letter_forward = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("worker", 0, "r0 q r0 a"), ACTOR("undertaker", 1, "r1 f0 r1 a"), RECOVERER},
};

static const struct w_plan old_handles = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .old_handles = true,
    .actors = {ACTOR("sender-a", 0, "s0"), ACTOR("sender-b", 1, "s0"),
               ACTOR("receiver", 2, "r0 a")},
};

static const struct w_plan dead_letters_two = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 1, .max_deliveries = 2,
                  .dead_letter = 2},
                 QUEUE(1)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("worker-a", 0, "r0 q r0 q"), ACTOR("worker-b", 1, "r0 q r1 a")},
};

#define LETTERS(on_full_)                                                                          \
    {.kind = SHMBUS_KIND_QUEUE, .depth_shift = 1, .max_deliveries = 1, .dead_letter = 2},          \
    {                                                                                              \
        .kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .on_full = (on_full_)                         \
    }

static const struct w_plan letters_dropped = {
    .channels = {LETTERS(SHMBUS_FULL_DROP_OLDEST)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("worker", 0, "r0 q r0 q"), ACTOR("undertaker", 1, "r1 a r1 q"), RECOVERER},
};

static const struct w_plan letters_kept = {
    .channels = {LETTERS(SHMBUS_FULL_BLOCK)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("worker", 0, "r0 q r0 q r0"), ACTOR("undertaker", 1, "r1 a r1 q"), RECOVERER},
};

static const struct w_plan letters_of_two = {
    .channels = {LETTERS(SHMBUS_FULL_DROP_OLDEST)},
    .channel_count = 2,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("worker-a", 0, "r0 q r0"), ACTOR("worker-b", 1, "r0 q r0"), RECOVERER},
};

static const struct w_plan letters_of_the_dead = {
    .channels = {LETTERS(SHMBUS_FULL_BLOCK)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 2,
    .first_is_dead = true,
    .actors = {ACTOR("worker-a", 1, "r0 r0"), ACTOR("worker-b", 2, "r0 q"), RECOVERER},
};

static const struct w_plan alloc_free = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .hidden = 1,
    .actors = {ACTOR("user-a", 0, "x0 x0"), ACTOR("user-b", 1, "x0 x0"), ACTOR("user-c", 2, "x0")},
};

static const struct w_plan stocks = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .stock_max = 2,
    .queued = 1,
    .actors = {ACTOR("user-a", 0, "s0 x0 k"), ACTOR("user-b", 1, "r0 a r0 a k"), RECOVERER},
};

static const struct w_plan two_recoverers = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("user", 0, "r0 s0 a"),
               ACTOR("recover-a", W_NOBODY, "D1"),
               ACTOR("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan two_dead = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 3,
    .queued = 2,
    .actors = {ACTOR("user", 0, "r0 s0 a"), ACTOR("other", 1, "r0 a"),
               ACTOR("recover-a", W_NOBODY, "D1"), ACTOR("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan sweep_two = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .sweepers_from = 1,
    .actors = {ACTOR("user", 0, "r0 a"), ACTOR("watch-a", 1, "P2"), ACTOR("watch-b", 2, "P2")},
};

/* The one who looks for the dead may be dead itself when somebody comes. */
static const struct w_plan sweep_newcomer = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .sweepers_from = 2,
    .actors = {IMMORTAL("newcomer", 0, "P0 r0 a"), ACTOR("user", 1, "r0 a"),
               ACTOR("watch", 2, "P1")},
};

static const struct w_plan sweep_three = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .sweepers_from = 1,
    .actors = {ACTOR("user", 0, "r0 a"), ACTOR("watch-a", 1, "P1"), ACTOR("watch-b", 2, "P1"),
               ACTOR("watch-c", 3, "P1")},
};

static const struct w_plan recover_sleep = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("user", 0, "r0 a"), IMMORTAL("receiver", 1, "R0 a"),
               ACTOR("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan slot_reuse = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .incarnation_of = {[1] = 1},
    .actors = {ACTOR("user", 0, "r0 s0 a"),
               IMMORTAL("successor", 1, "J r0 s0 a"),
               ACTOR("recover-a", W_NOBODY, "D1"),
               IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

/* A user, its successor in the slot, which headers name alike in the narrow program, and two
 * recoverers, one of which may be late. */
#define SAME_NAME(user, successor)                                                                 \
    .incarnation_of = {[1] = 1}, .same_name = true,                                                \
    .actors = {ACTOR("user", 0, user), IMMORTAL("successor", 1, successor),                        \
               ACTOR("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")}

static const struct w_plan same_name_again = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    SAME_NAME("r0 a", "J r0 H a"),
};

static const struct w_plan same_name_dead_letter = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .before = "r0 q",
    SAME_NAME("r1 a", "J r1 H a"),
};

static const struct w_plan same_name_forward = {
    .channels = {QUEUE(0), QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    SAME_NAME("r0 f1", "J r0 f1 r1 H a"),
};

static const struct w_plan lane_same_name = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    SAME_NAME("r0 a", "J r0 H a"),
};

static const struct w_plan lane_same_name_dead_letter = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .lanes = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .before = "r0 q",
    SAME_NAME("r1 a", "J r1 H a"),
};

static const struct w_plan sleep_recv = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {ACTOR("receiver", 0, "R0 a"), ACTOR("sender", 1, "s0"), RECOVERER},
};

static const struct w_plan sleep_recv_two = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 3,
    .actors = {ACTOR("receiver-a", 0, "R0 a"), ACTOR("receiver-b", 1, "R0 a"),
               ACTOR("sender", 2, "s0 s0")},
};

static const struct w_plan sleep_send = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 3,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "S0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan sleep_block = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "S0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan sleep_requeue = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("receiver", 0, "R0 a"), ACTOR("giver", 1, "r0 q"), RECOVERER},
};

static const struct w_plan sleep_forward = {
    .channels = {QUEUE(0), QUEUE(0)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("receiver", 0, "R1 a"), ACTOR("forwarder", 1, "R0 F1"),
               ACTOR("sender", 2, "s1")},
};

static const struct w_plan drop_oldest = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 1,
    .blocks = 3,
    .queued = 1,
    .actors = {ACTOR("sender-a", 0, "s0"), ACTOR("sender-b", 1, "s0"),
               ACTOR("receiver", 2, "r0 a")},
};

static const struct w_plan batch_and_reserve = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 4,
    .payload_shared = true,
    .actors = {ACTOR("sender-a", 0, "b0"), ACTOR("sender-b", 1, "n0"),
               ACTOR("receiver", 2, "r0 r0 a a")},
};

static const struct w_plan two_rings = {
    .channels = {QUEUE(0), QUEUE(0)},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("sender-0", 0, "s0"), ACTOR("receiver", 1, "r0 a"),
               ACTOR("sender-1", 2, "s1")},
};

static const struct w_plan same_block = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .actors = {ACTOR("sender", 0, "s0 s0"), ACTOR("receiver-a", 1, "r0 a"),
               ACTOR("receiver-b", 2, "r0 a")},
};

static const struct w_plan held_two = {
    .channels = {QUEUE(1)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 2,
    .actors = {ACTOR("holder", 0, "r0 r0 a a"), ACTOR("receiver", 1, "r0 a r0 a"), RECOVERER},
};

static const struct w_plan late_recoverer = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .first_is_dead = true,
    .actors = {IMMORTAL("peer", 1, "r0 a s0 r0 a s0"),
               IMMORTAL("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan sleep_dead_letter = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("undertaker", 0, "R1 a"), ACTOR("worker", 1, "r0 q"), RECOVERER},
};

static const struct w_plan stream_pair = {
    .channels = {STREAM(256)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o t1 t3 t2"), ACTOR("receiver", 1, "i e a e a"), RECOVERER},
};

static const struct w_plan stream_small = {
    .channels = {STREAM(64)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o t3 t2 t1"), ACTOR("receiver", 1, "i e a e a"), RECOVERER},
};

static const struct w_plan stream_exact = {
    .channels = {STREAM(64)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o t2 t2 t1"), ACTOR("receiver", 1, "i e a")},
};

static const struct w_plan stream_stamped = {
    .channels = {STREAM(128)},
    .channel_count = 1,
    .timestamps = true,
    .actors = {ACTOR("sender", 0, "o t2 t4"), ACTOR("receiver", 1, "i e e z a")},
};

static const struct w_plan stream_batch = {
    .channels = {STREAM(128)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o B t1"), ACTOR("receiver", 1, "i e e a e z a"), RECOVERER},
};

static const struct w_plan stream_release_batch = {
    .channels = {STREAM(128)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o B t1"), ACTOR("receiver", 1, "i e e A e A"), RECOVERER},
};

static const struct w_plan stream_new_sender = {
    .channels = {STREAM(128)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o t3 t1"), IMMORTAL("successor", 1, "o t2 t1"),
               IMMORTAL("receiver", 2, "i e a e a"), RECOVERER},
};

static const struct w_plan stream_new_receiver = {
    .channels = {STREAM(128)},
    .channel_count = 1,
    .actors = {IMMORTAL("sender", 0, "o t3 t1"), ACTOR("receiver", 1, "i e e a a"),
               ACTOR("successor", 2, "i e a e a"), RECOVERER},
};

static const struct w_plan stream_sleep = {
    .channels = {STREAM(64)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o T3 T3"), ACTOR("receiver", 1, "i E a E a"), RECOVERER},
};

#define BELL .channels = {QUEUE(0)}, .channel_count = 1, .blocks = 1

static const struct w_plan event_mode = {
    BELL,
    .actors = {IMMORTAL("waker", 0, "g g g"), ACTOR("sleeper", 1, "W1 W2 W3")},
};

static const struct w_plan event_first = {
    BELL,
    .actors = {IMMORTAL("waker", 0, "g"), ACTOR("sleeper-a", 1, "W1"), ACTOR("sleeper-b", 2, "W1")},
};

static const struct w_plan event_two = {
    BELL,
    .actors = {IMMORTAL("waker", 0, "g g"), ACTOR("sleeper-a", 1, "W1 W2"),
               ACTOR("sleeper-b", 2, "W1 W2")},
};

static const struct w_plan event_take_back = {
    BELL,
    .actors = {IMMORTAL("waker", 0, "g g"), IMMORTAL("looker", 1, "h h"),
               ACTOR("sleeper", 2, "W1 W2")},
};

static const struct w_plan region_writers = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .region = true,
    .actors = {ACTOR("writer-a", 0, "w"), ACTOR("writer-b", 1, "w"), RECOVERER},
};

static const struct w_plan region_reader = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .region = true,
    .actors = {ACTOR("writer", 0, "w w"), ACTOR("reader", 1, "v v"), RECOVERER},
};

/* Lanes. What is queued at the beginning lies in a lane that the first producer takes over. */
static const struct w_plan lane_pair = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "l0 s0 s0"), ACTOR("receiver", 1, "r0 a r0 a"),
               ACTOR("other", 2, "r0 a")},
};

static const struct w_plan lane_held = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 2,
    .actors = {ACTOR("sender", 0, "l0 s0 s0"), ACTOR("holder", 1, "r0 r0 a a"),
               ACTOR("receiver", 2, "r0 a r0 a")},
};

static const struct w_plan lane_skip = {
    .channels = {LANES(1, 2)},
    .channel_count = 1,
    .queued = 4,
    .actors = {IMMORTAL("holder", 0, "r0 a r0"), ACTOR("receiver", 1, "r0 a r0 a r0 a r0 a"),
               ACTOR("sender", 2, "l0 s0 s0")},
};

static const struct w_plan lane_late = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "l0 s0 s0"), ACTOR("receiver", 1, "r0 a r0 a"),
               ACTOR("late", 2, "p0 r0 a r0 a")},
};

static const struct w_plan lane_depth_one = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .numbers_wrap = true,
    .actors = {ACTOR("sender", 0, "l0 s0 s0 s0"), ACTOR("receiver", 1, "r0 a r0 a"),
               ACTOR("other", 2, "r0 a"), RECOVERER},
};

static const struct w_plan lane_requeue = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 2,
    .actors = {ACTOR("giver", 0, "r0 q r0 a"), ACTOR("receiver", 1, "r0 a r0 u"), RECOVERER},
};

static const struct w_plan lane_close = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 2,
    .actors = {ACTOR("leaver", 0, "l0 r0 s0 c0"), ACTOR("successor", 1, "l0 s0 r0 a"), RECOVERER},
};

static const struct w_plan lane_drop = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 1, .lanes = 1,
                  .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 1,
    .queued = 2,
    .actors = {ACTOR("sender", 0, "l0 s0 s0 s0"), ACTOR("receiver-a", 1, "r0 a r0 a"),
               ACTOR("receiver-b", 2, "r0 a")},
};

/* A full lane: the oldest message in the first cell, and the next one is free. */
static const struct w_plan lane_drop_gap = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 2, .lanes = 1,
                  .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 1,
    .before = "l0 s0 s0 s0 s0 r0 a r0 r0 z r0 z s0 s0 s0 a",
    .actors = {ACTOR("sender", 0, "s0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan lane_taken_over = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 2,
    .actors = {ACTOR("sender", 0, "l0 s0 s0"), IMMORTAL("successor", 1, "l0 s0"),
               ACTOR("receiver", 2, "r0 r0 a a"), RECOVERER},
};

static const struct w_plan lane_recover = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("receiver", 0, "r0 a"), ACTOR("recover-a", W_NOBODY, "D1"),
               ACTOR("recover-b", W_NOBODY + 1, "D1"), IMMORTAL("sleeper", 1, "R0 a")},
};

static const struct w_plan lane_slot_reuse = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .incarnation_of = {[1] = 1},
    .actors = {ACTOR("user", 0, "l0 r0 a s0"), IMMORTAL("successor", 1, "J l0 r0 a s0"),
               ACTOR("recover-a", W_NOBODY, "D1"), IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan lane_late_recoverer = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .first_is_dead = true,
    .actors = {IMMORTAL("peer", 1, "l0 r0 a s0 r0 a"), IMMORTAL("recover-a", W_NOBODY, "D1"),
               IMMORTAL("recover-b", W_NOBODY + 1, "D1")},
};

static const struct w_plan lane_letters_dropped = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .lanes = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 {.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("worker", 0, "r0 q r0"), ACTOR("sender", 1, "l0 s0"),
               ACTOR("undertaker", 2, "r1 q"), RECOVERER},
};

static const struct w_plan lane_letters_sleep = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .lanes = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 {.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .on_full = SHMBUS_FULL_DROP_OLDEST}},
    .channel_count = 2,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "l0 S0"), ACTOR("worker", 1, "r0 q"), RECOVERER},
};

static const struct w_plan lane_dead_letters = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 1, .lanes = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(1)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 2,
    .actors = {ACTOR("worker", 0, "r0 q r0 a"), ACTOR("undertaker", 1, "r1 a r1 q"), RECOVERER},
};

static const struct w_plan lane_sleep = {
    .channels = {LANES(2, 0)},
    .channel_count = 1,
    .actors = {ACTOR("receiver", 0, "R0 a R0 a"), ACTOR("sender-a", 1, "l0 s0"),
               ACTOR("sender-b", 2, "l0 s0")},
};

static const struct w_plan lane_sleep_two = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .actors = {ACTOR("receiver-a", 0, "R0 a"), ACTOR("receiver-b", 1, "R0 a"),
               ACTOR("sender", 2, "l0 b0")},
};

static const struct w_plan lane_sleep_send = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "l0 S0 n0"), ACTOR("receiver", 1, "r0 a r0 a"), RECOVERER},
};

static const struct w_plan lane_sleep_requeue = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("receiver", 0, "R0 a"), ACTOR("giver", 1, "r0 q"), RECOVERER},
};

static const struct w_plan lane_sleep_dead = {
    .channels = {{.kind = SHMBUS_KIND_QUEUE, .depth_shift = 0, .lanes = 1, .max_deliveries = 1,
                  .dead_letter = 2},
                 QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("undertaker", 0, "R1 a"), ACTOR("worker", 1, "r0 q"), RECOVERER},
};

static const struct w_plan lane_reserve = {
    .channels = {LANES(1, 1)},
    .channel_count = 1,
    .queued = 1,
    .payload_shared = true,
    .actors = {ACTOR("sender", 0, "l0 n0 x0 n0"), ACTOR("receiver", 1, "r0 r0 a a"), RECOVERER},
};

static const struct w_plan tiny_lane = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "l0 s0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_lane_receivers = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("receiver-a", 0, "r0 a"), ACTOR("receiver-b", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_lane_full = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "l0 s0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_lane_requeue = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .queued = 1,
    .actors = {ACTOR("giver", 0, "r0 q"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_lane_sleep = {
    .channels = {LANES(1, 0)},
    .channel_count = 1,
    .actors = {ACTOR("receiver", 0, "R0 a"), ACTOR("sender", 1, "l0 s0"), RECOVERER},
};

/* Small enough for three switches and two kills. */
static const struct w_plan tiny_senders = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .actors = {ACTOR("sender-a", 0, "s0"), ACTOR("sender-b", 1, "s0"), RECOVERER},
};

static const struct w_plan tiny_send_recv = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .actors = {ACTOR("sender", 0, "s0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_receivers = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("receiver-a", 0, "r0 a"), ACTOR("receiver-b", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_wrap = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 2,
    .queued = 1,
    .actors = {ACTOR("sender", 0, "s0"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_alloc = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .actors = {ACTOR("user-a", 0, "x0"), ACTOR("user-b", 1, "x0"), RECOVERER},
};

static const struct w_plan tiny_hints = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .missed = true,
    .actors = {ACTOR("user-a", 0, "x0"), ACTOR("user-b", 1, "x0"), RECOVERER},
};

static const struct w_plan tiny_stale = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .missed = true,
    .stale_hint = true,
    .actors = {ACTOR("holder", 0, "y"), ACTOR("user", 1, "x0"), RECOVERER},
};

static const struct w_plan tiny_forward = {
    .channels = {QUEUE(0), QUEUE(0)},
    .channel_count = 2,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("forwarder", 0, "r0 f1"), ACTOR("receiver", 1, "r1 a"), RECOVERER},
};

static const struct w_plan tiny_requeue = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .queued = 1,
    .actors = {ACTOR("giver", 0, "r0 q"), ACTOR("receiver", 1, "r0 a"), RECOVERER},
};

static const struct w_plan tiny_sleep = {
    .channels = {QUEUE(0)},
    .channel_count = 1,
    .blocks = 1,
    .actors = {ACTOR("receiver", 0, "R0 a"), ACTOR("sender", 1, "s0"), RECOVERER},
};

static const struct w_plan tiny_stream = {
    .channels = {STREAM(64)},
    .channel_count = 1,
    .actors = {ACTOR("sender", 0, "o t3"), ACTOR("receiver", 1, "i e a"), RECOVERER},
};

#define NONE {0, 0, 0}
#define P2C1 {2, 1, 0}
#define P1C1 {1, 1, 0}
#define P3C1 {3, 1, 0}
#define BIG P2C1, P1C1, NONE   /* in a full run, in a quick one, and then */
#define SMALL P2C1, P1C1, NONE
#define TINY P2C1, P2C1, P3C1
#define TWO_KILLS {1, 2, 0}, {0, 2, 0}, NONE
#define SCENARIO(plan, what, bounds) {#plan, what, w_setup, &(plan), bounds}

const struct x_scenario t_scenarios[] = {
    SCENARIO(tiny_senders, "a sender each, depth 1", TINY),
    SCENARIO(tiny_send_recv, "sender and receiver, depth 1", TINY),
    SCENARIO(tiny_receivers, "two receivers, one message", TINY),
    SCENARIO(tiny_wrap, "sender and receiver, ring full", TINY),
    SCENARIO(tiny_alloc, "two users of one block", TINY),
    SCENARIO(tiny_hints, "the same, without a look for lost hints", TINY),
    SCENARIO(tiny_stale, "a block is freed whose hint bit is set", TINY),
    SCENARIO(tiny_forward, "forward and receive", TINY),
    SCENARIO(tiny_requeue, "give back and receive", TINY),
    SCENARIO(tiny_sleep, "receiver sleeps, sender wakes", TINY),
    SCENARIO(tiny_stream, "stream: one message with padding", TINY),
    SCENARIO(tiny_lane, "a lane taken for the first time, depth 1", TINY),
    SCENARIO(tiny_lane_receivers, "two receivers of a lane", TINY),
    SCENARIO(tiny_lane_full, "a full lane taken over, sender and receiver", TINY),
    SCENARIO(tiny_lane_requeue, "lane: give back and receive", TINY),
    SCENARIO(tiny_lane_sleep, "receiver sleeps, a first lane wakes", TINY),
    SCENARIO(two_senders, "two senders, depth 2", SMALL),
    SCENARIO(send_recv, "sender, receiver, recovery beside them", BIG),
    SCENARIO(two_receivers, "two receivers of three messages", BIG),
    SCENARIO(depth_one, "depth 1: two senders, a receiver", BIG),
    SCENARIO(full_wrap, "full ring: sender, two receivers", BIG),
    SCENARIO(numbers_wrap, "laps and generations wrap", BIG),
    SCENARIO(old_handles, "handles not used for half of all laps", SMALL),
    SCENARIO(forwarding, "forward into a full queue", BIG),
    SCENARIO(two_forwarders, "forward there and back", SMALL),
    SCENARIO(share_forward, "a block of a share is forwarded as a copy", BIG),
    SCENARIO(share_forward_late, "the same, the copy waits for a block", SMALL),
    SCENARIO(share_forward_full, "the same, the copy finds no place", SMALL),
    SCENARIO(share_recoverers, "the same with two recoverers", TWO_KILLS),
    SCENARIO(share_alloc, "three users of a common block and two shares", BIG),
    SCENARIO(share_sleep, "two sleep for blocks of two shares", SMALL),
    SCENARIO(share_pipeline, "task and result, one block each", SMALL),
    SCENARIO(share_letter, "a dead letter leaves the block of a share", SMALL),
    SCENARIO(share_letter_drop, "the same, in place of an older one", SMALL),
    SCENARIO(requeueing, "requeue, undo, orphans", BIG),
    SCENARIO(returned_two, "two given back, the older one first", SMALL),
    SCENARIO(returned_behind, "the same, in blocks that were looked at already", SMALL),
    SCENARIO(returned_dead, "the same by two recoverers", SMALL),
    SCENARIO(yields, "three die with a message, another one waits", TWO_KILLS),
    SCENARIO(dead_letters, "dead letters, their receiver dies", BIG),
    SCENARIO(dead_letter_forward, "a dead letter is forwarded back", SMALL),
    SCENARIO(dead_letters_two, "dead letter after two deliveries", SMALL),
    SCENARIO(letters_dropped, "dead letters, the oldest gives way", SMALL),
    SCENARIO(letters_kept, "dead letters without a place stay where they are", SMALL),
    SCENARIO(letters_of_two, "two set aside into one place", SMALL),
    SCENARIO(letters_of_the_dead, "a dead holder's last delivery is moved", SMALL),
    SCENARIO(alloc_free, "three users of two blocks, a lost hint", BIG),
    SCENARIO(stocks, "stocks: refill, free into, flush", BIG),
    SCENARIO(two_recoverers, "two recoverers, one of them killed", TWO_KILLS),
    SCENARIO(two_dead, "two users die, two recoverers", TWO_KILLS),
    SCENARIO(sweep_two, "what looks for the dead dies itself, or stands still", TWO_KILLS),
    SCENARIO(sweep_three, "the same with a deputy more", TWO_KILLS),
    SCENARIO(sweep_newcomer, "somebody comes, perhaps where nobody looks any more", TWO_KILLS),
    SCENARIO(recover_sleep, "receiver sleeps, recoverer is killed", TWO_KILLS),
    SCENARIO(slot_reuse, "slot taken again beside two recoverers", TWO_KILLS),
    SCENARIO(same_name_again, "late recoverer, message and name come again", SMALL),
    SCENARIO(same_name_dead_letter, "the same with a dead letter", SMALL),
    SCENARIO(same_name_forward, "the same beside forwards", SMALL),
    SCENARIO(sleep_recv, "receiver sleeps, sender wakes", SMALL),
    SCENARIO(sleep_recv_two, "two receivers sleep", BIG),
    SCENARIO(sleep_send, "sender sleeps on a full ring", SMALL),
    SCENARIO(sleep_block, "sender sleeps for a block", SMALL),
    SCENARIO(sleep_requeue, "receiver sleeps, message is given back", SMALL),
    SCENARIO(sleep_forward, "sleepers on both sides of a forward", BIG),
    SCENARIO(drop_oldest, "full ring drops the oldest", BIG),
    SCENARIO(batch_and_reserve, "batch beside commit in place", BIG),
    SCENARIO(two_rings, "a block goes on to another ring", SMALL),
    SCENARIO(same_block, "one block over and over", SMALL),
    SCENARIO(held_two, "two messages in hand", SMALL),
    SCENARIO(late_recoverer, "recoverer that is late, block used again", BIG),
    SCENARIO(sleep_dead_letter, "receiver of dead letters sleeps", SMALL),
    SCENARIO(stream_pair, "stream: three messages around the end", BIG),
    SCENARIO(stream_small, "stream: full, with padding", SMALL),
    SCENARIO(stream_exact, "stream: full to the last byte", SMALL),
    SCENARIO(stream_stamped, "stream: time stamps, two held", SMALL),
    SCENARIO(stream_batch, "stream: batch, release out of order", BIG),
    SCENARIO(stream_release_batch, "stream: batches released by one store", BIG),
    SCENARIO(stream_new_sender, "stream: sender dies, another takes over", BIG),
    SCENARIO(stream_new_receiver, "stream: receiver dies, another takes over", BIG),
    SCENARIO(stream_sleep, "stream: both ends sleep", BIG),
    SCENARIO(lane_pair, "lane: sender, two receivers", SMALL),
    SCENARIO(lane_held, "lane: a held cell is passed over", SMALL),
    SCENARIO(lane_skip, "lane: passed over beside messages, depth 4", SMALL),
    SCENARIO(lane_late, "lane: a receiver opens late", SMALL),
    SCENARIO(lane_depth_one, "lane: depth 1, laps wrap", SMALL),
    SCENARIO(lane_requeue, "lane: requeue, undo, orphans", SMALL),
    SCENARIO(lane_returned, "lane: two given back, the older one first", SMALL),
    SCENARIO(lane_returned_behind, "lane: the same, in cells looked at already", SMALL),
    SCENARIO(lane_yields, "lane: three die with a message, another one waits", TWO_KILLS),
    SCENARIO(lane_close, "lane: closed with messages in hand, reopened", SMALL),
    SCENARIO(lane_drop, "lane: the oldest is dropped beside receivers", SMALL),
    SCENARIO(lane_drop_gap, "lane: the same with a free cell behind the oldest", SMALL),
    SCENARIO(lane_taken_over, "lane: sender dies, another takes over", SMALL),
    SCENARIO(lane_recover, "lane: receiver dies, recoverer dies, one sleeps", TWO_KILLS),
    SCENARIO(lane_slot_reuse, "lane: slot taken again beside two recoverers", TWO_KILLS),
    SCENARIO(lane_late_recoverer, "lane: recoverer that is late, cell used again", SMALL),
    SCENARIO(lane_same_name, "lane: late recoverer, message and name come again", SMALL),
    SCENARIO(lane_same_name_dead_letter, "lane: the same with a dead letter", SMALL),
    SCENARIO(lane_letters_dropped, "lane: a dead letter gives way to a message", SMALL),
    SCENARIO(lane_letters_sleep, "lane: its producer sleeps until a letter gives way", SMALL),
    SCENARIO(lane_dead_letters, "lane: dead letters, their receiver dies", SMALL),
    SCENARIO(lane_sleep, "receiver sleeps over two lanes never used before", SMALL),
    SCENARIO(lane_sleep_two, "two receivers sleep, a batch wakes", SMALL),
    SCENARIO(lane_sleep_send, "sender sleeps on a full lane", SMALL),
    SCENARIO(lane_sleep_requeue, "receiver sleeps, a lane's message is given back", SMALL),
    SCENARIO(lane_sleep_dead, "receiver of a lane's dead letters sleeps", SMALL),
    SCENARIO(lane_reserve, "lane: commits and an abort in place", SMALL),
    SCENARIO(event_mode, "event: one sleeper, fences taken on and back", BIG),
    SCENARIO(event_first, "event: two sleepers, the first of all", BIG),
    SCENARIO(event_two, "event: two sleepers", BIG),
    SCENARIO(event_take_back, "event: a second waker takes fences back", BIG),
    SCENARIO(region_writers, "region: two writers, one is killed", BIG),
    SCENARIO(region_reader, "region: writer and reader", BIG),
};

const unsigned t_scenario_count = sizeof t_scenarios / sizeof t_scenarios[0];
