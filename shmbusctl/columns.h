/* SPDX-License-Identifier: MIT */
/* What the column tables have in common. */
#ifndef SHMBUSCTL_COLUMNS_H
#define SHMBUSCTL_COLUMNS_H

#include "snapshot.h"
#include "text.h"

#define FILL_ARGS                                                                                  \
    struct table_cell *cell, const void *data, int arg, const struct table_options *options
#define CELL(...) snprintf(cell->text, sizeof(cell->text), __VA_ARGS__)

void column_count(struct table_cell *cell, uint64_t value);
void column_size(struct table_cell *cell, uint64_t bytes, const struct table_options *options);
void column_age(struct table_cell *cell, int64_t ns);
void column_counter(struct table_cell *cell, const uint64_t *counters, int counter,
                    const struct table_options *options);
/* @before may be NULL: an empty cell. */
void column_rate(struct table_cell *cell, const uint64_t *now, const uint64_t *before,
                 double seconds, int counter);

/* Every counter of the library has a column under its name, with its text: one without a heading
 * here does not compile. COUNTER_FILL fills it. */
#define HEADING_sent "SENT"
#define HEADING_sent_bytes "BYTES"
#define HEADING_received "RECV"
#define HEADING_received_bytes "RECV-BYTES"
#define HEADING_acknowledged "ACKED"
#define HEADING_redelivered "REDELIV"
#define HEADING_requeued "REQUEUED"
#define HEADING_forwarded "FORWARD"
#define HEADING_dead_lettered "DEADLET"
#define HEADING_dropped "DROPPED"
#define HEADING_rejected "REJECTED"
#define HEADING_send_timeouts "SEND-TMO"
#define HEADING_recv_timeouts "RECV-TMO"
#define HEADING_sleeps "SLEEPS"
#define HEADING_wakes "WAKES"
#define HEADING_errors "ERRORS"

/* clang-format off */
#define COUNTER_COLUMN(name, unit, text)                                                           \
    { #name, HEADING_##name, text, COUNTER_FILL, SHMBUS_COUNT_##name, true },

#define RATES(fill)                                                                                \
    { "sent/s", "SENT/s", "messages sent per second", fill, SHMBUS_COUNT_sent, true },             \
    { "received/s", "RECV/s", "messages taken per second", fill, SHMBUS_COUNT_received, true },    \
    { "bytes/s", "BYTES/s", "payload sent per second", fill, SHMBUS_COUNT_sent_bytes, true }
/* clang-format on */

#endif
