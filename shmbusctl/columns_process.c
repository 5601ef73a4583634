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
        CELL("%s", snapshot_life(now->life));
        cell->style = now->life == SHMBUS_ALIVE     ? TABLE_GOOD
                      : now->life == SHMBUS_STALLED ? TABLE_ODD
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

const struct table_column columns_process[] = {
    {"pid", "PID", "process id; with a * in another pid namespace", true, fill_process,
     PROCESS_PID},
    {"name", "NAME", "name given when it attached", false, fill_process, PROCESS_NAME},
    {"state", "STATE", "alive, stalled (silent) or dead (proved)", false, fill_process,
     PROCESS_STATE},
    {"slot", "SLOT", "slot of the process table", true, fill_process, PROCESS_SLOT},
    {"epoch", "EPOCH", "how often the slot was used before", true, fill_process, PROCESS_EPOCH},
    {"uid", "UID", "user id", true, fill_process, PROCESS_UID},
    {"pidns", "PIDNS", "inode of its pid namespace", true, fill_process, PROCESS_PID_NAMESPACE},
    {"beat", "BEAT", "time since its last heartbeat", true, fill_process, PROCESS_BEAT},
    {"attached", "ATTACHED", "time since it attached", true, fill_process, PROCESS_ATTACHED},
    {"held", "HELD", "messages in its hands, received or reserved", true, fill_process,
     PROCESS_HELD},
    {"stock", "STOCK", "free blocks it keeps for its next messages", true, fill_process,
     PROCESS_STOCK},
    {"progress", "PROGRESS", "operations so far", true, fill_process, PROCESS_PROGRESS},
    COUNTERS(fill_process_counter),
    RATES(fill_process_rate),
    {NULL, NULL, NULL, false, NULL, 0},
};
