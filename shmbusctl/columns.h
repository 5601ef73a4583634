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

/* clang-format off */
#define COUNTER(name, heading, text, fill)                                                         \
    { #name, heading, text, fill, SHMBUS_COUNT_##name, true }
/* Both tables have every counter under the library's name. */
#define COUNTERS(fill)                                                                             \
    COUNTER(sent, "SENT", "messages committed", fill),                                             \
    COUNTER(sent_bytes, "BYTES", "payload committed", fill),                                       \
    COUNTER(received, "RECV", "messages taken, redeliveries included", fill),                      \
    COUNTER(received_bytes, "RECV-BYTES", "payload taken", fill),                                  \
    COUNTER(acknowledged, "ACKED", "messages released", fill),                                     \
    COUNTER(redelivered, "REDELIV", "messages taken again", fill),                                 \
    COUNTER(requeued, "REQUEUED", "messages given back by their holder", fill),                    \
    COUNTER(forwarded, "FORWARD", "messages sent on to another queue", fill),                      \
    COUNTER(dead_lettered, "DEADLET", "messages set aside after max_deliveries", fill),            \
    COUNTER(dropped, "DROPPED", "messages thrown away by drop_oldest", fill),                      \
    COUNTER(rejected, "REJECTED", "sends refused because it was full", fill),                      \
    COUNTER(send_timeouts, "SEND-TMO", "sends that timed out", fill),                              \
    COUNTER(recv_timeouts, "RECV-TMO", "receives that timed out", fill),                           \
    COUNTER(sleeps, "SLEEPS", "calls that went to sleep", fill),                                   \
    COUNTER(wakes, "WAKES", "calls that woke a sleeper", fill),                                    \
    COUNTER(errors, "ERRORS", "calls that met damage, or held too many messages", fill)
#define COUNTERS_HERE 16
_Static_assert(COUNTERS_HERE == SHMBUS_COUNTER_COUNT, "every counter has its column");

#define RATES(fill)                                                                                \
    { "sent/s", "SENT/s", "messages sent per second", fill, SHMBUS_COUNT_sent, true },             \
    { "received/s", "RECV/s", "messages taken per second", fill, SHMBUS_COUNT_received, true },    \
    { "bytes/s", "BYTES/s", "payload sent per second", fill, SHMBUS_COUNT_sent_bytes, true }
/* clang-format on */

#endif
