/* SPDX-License-Identifier: MIT */
/* The columns of channels. */
#include "columns.h"

enum channel_field {
    CHANNEL_NAME,
    CHANNEL_KIND,
    CHANNEL_POLICY,
    CHANNEL_ORDER,
    CHANNEL_LANES,
    CHANNEL_DEAD_LETTER,
    CHANNEL_MAX_DELIVERIES,
    CHANNEL_HELD,
    CHANNEL_REDELIVERABLE,
    CHANNEL_DEAD_LETTERS,
    CHANNEL_LETTERS_KEPT,
    CHANNEL_LETTER_AGE,
    CHANNEL_SENDERS,
    CHANNEL_RECEIVERS,
    CHANNEL_TIMEOUTS,
};

static void fill_channel(FILL_ARGS)
{
    const struct shmbus_channel_stat *now = ((const struct channel_row *)data)->now;

    (void)options;
    switch ((enum channel_field)arg) {
    case CHANNEL_NAME:
        CELL("%s", now->name);
        break;
    case CHANNEL_KIND:
        CELL("%s", shmbus_kind_name(now->kind));
        break;
    case CHANNEL_POLICY:
        CELL("%s", shmbus_on_full_name(now->on_full));
        break;
    case CHANNEL_ORDER:
        CELL("%s", snapshot_order(now));
        break;
    case CHANNEL_LANES:
        if (now->lanes)
            CELL("%u/%u", now->lanes_used, now->lanes);
        break;
    case CHANNEL_DEAD_LETTER:
        CELL("%s", now->dead_letter);
        break;
    case CHANNEL_MAX_DELIVERIES:
        if (now->max_deliveries)
            column_count(cell, now->max_deliveries);
        break;
    case CHANNEL_HELD:
        column_count(cell, now->held);
        break;
    case CHANNEL_REDELIVERABLE:
        column_count(cell, now->redeliverable);
        break;
    case CHANNEL_DEAD_LETTERS:
        column_count(cell, now->dead_letters);
        break;
    case CHANNEL_LETTERS_KEPT:
        column_count(cell, now->letters_kept);
        break;
    case CHANNEL_LETTER_AGE:
        if (now->letter_age_ns >= 0)
            column_age(cell, now->letter_age_ns);
        break;
    case CHANNEL_SENDERS:
        column_count(cell, now->senders);
        break;
    case CHANNEL_RECEIVERS:
        column_count(cell, now->receivers);
        break;
    case CHANNEL_TIMEOUTS:
        column_count(cell, now->counters[SHMBUS_COUNT_send_timeouts] +
                               now->counters[SHMBUS_COUNT_recv_timeouts]);
        break;
    }
}

enum level_field { LEVEL_DEPTH, LEVEL_HIGH, LEVEL_CAPACITY, LEVEL_FILL };

/* In messages for a queue, in bytes for a stream. */
static void fill_level(FILL_ARGS)
{
    const struct shmbus_channel_stat *now = ((const struct channel_row *)data)->now;
    uint64_t value = arg == LEVEL_DEPTH  ? now->depth
                     : arg == LEVEL_HIGH ? now->depth_max
                                         : now->capacity;

    if (arg == LEVEL_FILL)
        CELL("%.0f%%", now->capacity ? 100.0 * (double)now->depth / (double)now->capacity : 0.0);
    else if (now->kind == SHMBUS_KIND_STREAM)
        column_size(cell, value, options);
    else
        column_count(cell, value);
    if (arg != LEVEL_CAPACITY && now->capacity && arg != LEVEL_HIGH)
        cell->style = now->depth >= now->capacity                       ? TABLE_BAD
                      : now->depth >= now->capacity - now->capacity / 5 ? TABLE_ODD
                                                                        : TABLE_PLAIN;
}

static void fill_channel_counter(FILL_ARGS)
{
    column_counter(cell, ((const struct channel_row *)data)->now->counters, arg, options);
}

static void fill_channel_rate(FILL_ARGS)
{
    const struct channel_row *row = data;

    (void)options;
    column_rate(cell, row->now->counters, row->before ? row->before->counters : NULL, row->seconds,
                arg);
}

#define COUNTER_FILL fill_channel_counter
const struct table_column columns_channel[] = {
    {"channel", "CHANNEL", "name", fill_channel, CHANNEL_NAME, false},
    {"kind", "KIND", "queue or stream", fill_channel, CHANNEL_KIND, false},
    {"policy", "POLICY", "what a send into a full queue does", fill_channel, CHANNEL_POLICY, false},
    {"order", "ORDER", "of a queue: total, or that of each producer", fill_channel, CHANNEL_ORDER,
     false},
    {"lanes", "LANES", "order producer: lanes used so far, and all", fill_channel, CHANNEL_LANES,
     true},
    {"dead_letter", "DEAD-LETTER-TO", "its dead-letter queue", fill_channel, CHANNEL_DEAD_LETTER,
     false},
    {"max_deliveries", "MAX-DELIV", "deliveries before that", fill_channel, CHANNEL_MAX_DELIVERIES,
     true},
    {"depth", "DEPTH", "waiting now: messages, of a stream bytes", fill_level, LEVEL_DEPTH, true},
    {"high", "HIGH", "high-water mark of depth", fill_level, LEVEL_HIGH, true},
    {"capacity", "CAP", "room", fill_level, LEVEL_CAPACITY, true},
    {"fill", "FILL", "depth in per cent of the room", fill_level, LEVEL_FILL, true},
    {"held", "HELD", "taken and not acknowledged", fill_channel, CHANNEL_HELD, true},
    {"redeliverable", "BACK", "given back, waiting for another delivery", fill_channel,
     CHANNEL_REDELIVERABLE, true},
    {"dead_letters", "DEAD-HERE", "dead letters waiting in this queue", fill_channel,
     CHANNEL_DEAD_LETTERS, true},
    {"letters_kept", "DEAD-KEPT", "its own dead letters, which wait here for room there",
     fill_channel, CHANNEL_LETTERS_KEPT, true},
    {"letter_age", "DEAD-AGE", "since the oldest dead letter here was sent, if it has a stamp",
     fill_channel, CHANNEL_LETTER_AGE, true},
    {"senders", "SENDERS", "handles open for sending", fill_channel, CHANNEL_SENDERS, true},
    {"receivers", "RECEIVERS", "handles open for receiving", fill_channel, CHANNEL_RECEIVERS, true},
    {"timeouts", "TIMEOUTS", "sends and receives that timed out", fill_channel, CHANNEL_TIMEOUTS,
     true},
    SHMBUS_COUNTERS(COUNTER_COLUMN) RATES(fill_channel_rate),
    {NULL, NULL, NULL, NULL, 0, false},
};
