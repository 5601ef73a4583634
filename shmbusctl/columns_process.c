/* SPDX-License-Identifier: MIT */
/* The columns of processes. */
#include "columns.h"

enum process_field {
    PROCESS_PID,
    PROCESS_NAME,
    PROCESS_STATE,
    PROCESS_SLOT,
    PROCESS_EPOCH,
    PROCESS_UID,
    PROCESS_PID_NAMESPACE,
    PROCESS_BEAT,
    PROCESS_ATTACHED,
    PROCESS_HELD,
    PROCESS_STOCK,
    PROCESS_PROGRESS,
    PROCESS_HANDLES,
    PROCESS_LEFT,
    PROCESS_WAITS,
};

static void fill_process(FILL_ARGS)
{
    const struct shmbus_process_stat *now = ((const struct process_row *)data)->now;

    (void)options;
    switch ((enum process_field)arg) {
    case PROCESS_PID: /* one of another pid namespace means nobody here */
        CELL("%jd%s", (intmax_t)now->pid, now->same_pid_namespace ? "" : "*");
        break;
    case PROCESS_NAME:
        CELL("%s", now->name);
        break;
    case PROCESS_STATE:
        CELL("%s", shmbus_life_name(now->life));
        cell->style = now->life == SHMBUS_LIFE_ALIVE     ? TABLE_GOOD
                      : now->life == SHMBUS_LIFE_IDLE    ? TABLE_PLAIN
                      : now->life == SHMBUS_LIFE_STALLED ? TABLE_ODD
                                                         : TABLE_BAD;
        break;
    case PROCESS_SLOT:
        column_count(cell, now->slot);
        break;
    case PROCESS_EPOCH:
        column_count(cell, now->epoch);
        break;
    case PROCESS_UID:
        column_count(cell, now->uid);
        break;
    case PROCESS_PID_NAMESPACE:
        column_count(cell, now->pid_namespace);
        break;
    case PROCESS_BEAT:
        column_age(cell, now->heartbeat_age_ns);
        break;
    case PROCESS_ATTACHED:
        column_age(cell, now->attached_age_ns);
        break;
    case PROCESS_HELD:
        column_count(cell, now->held_blocks);
        break;
    case PROCESS_STOCK:
        column_count(cell, now->stock_blocks);
        break;
    case PROCESS_PROGRESS:
        column_count(cell, now->progress);
        break;
    case PROCESS_HANDLES:
        column_count(cell, now->handles);
        break;
    case PROCESS_LEFT:
        column_count(cell, now->handles_left);
        cell->style = now->handles_left ? TABLE_ODD : TABLE_PLAIN;
        break;
    case PROCESS_WAITS:
        CELL("%s", now->waits_in[0] ? now->waits_in : now->waiting_calls != 0 ? "region" : "-");
        break;
    }
}

static void fill_process_counter(FILL_ARGS)
{
    column_counter(cell, ((const struct process_row *)data)->now->counters, arg, options);
}

static void fill_process_rate(FILL_ARGS)
{
    const struct process_row *row = data;

    (void)options;
    column_rate(cell, row->now->counters, row->before ? row->before->counters : NULL, row->seconds,
                arg);
}

#define COUNTER_FILL fill_process_counter
const struct table_column columns_process[] = {
    {"pid", "PID", "process id; with a * in another pid namespace", fill_process, PROCESS_PID,
     true},
    {"name", "NAME", "name given when it attached", fill_process, PROCESS_NAME, false},
    {"state", "STATE",
     "alive, idle (silent), stalled (silent with something in hand) or dead (proved)", fill_process,
     PROCESS_STATE, false},
    {"slot", "SLOT", "slot of the process table", fill_process, PROCESS_SLOT, true},
    {"epoch", "EPOCH", "how often the slot was used before", fill_process, PROCESS_EPOCH, true},
    {"uid", "UID", "user id", fill_process, PROCESS_UID, true},
    {"pidns", "PIDNS", "inode of its pid namespace", fill_process, PROCESS_PID_NAMESPACE, true},
    {"beat", "BEAT", "time since its last heartbeat; - if its clock cannot be compared",
     fill_process, PROCESS_BEAT, true},
    {"attached", "ATTACHED", "time since it attached", fill_process, PROCESS_ATTACHED, true},
    {"held", "HELD", "messages in its hands, received or reserved", fill_process, PROCESS_HELD,
     true},
    {"stock", "STOCK", "free blocks it keeps for its next messages", fill_process, PROCESS_STOCK,
     true},
    {"progress", "PROGRESS", "operations so far", fill_process, PROCESS_PROGRESS, true},
    {"handles", "HANDLES", "channels it has open", fill_process, PROCESS_HANDLES, true},
    {"left", "LEFT", "channels that threads left open when they ended", fill_process, PROCESS_LEFT,
     true},
    {"waits", "WAITS", "channel of a call in which it sleeps", fill_process, PROCESS_WAITS, false},
    SHMBUS_COUNTERS(COUNTER_COLUMN) RATES(fill_process_rate),
    {NULL, NULL, NULL, NULL, 0, false},
};
