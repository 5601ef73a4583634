/* SPDX-License-Identifier: MIT */
/* shmbusctl list: the buses in a directory. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "json.h"
#include "table.h"
#include "text.h"

enum { OPT_DIR = 256, OPT_JSON, OPT_BYTES, OPT_NO_HEADINGS };

static const struct ctl_option options[] = {
    {OPT_DIR, "dir", "DIR", "look in DIR (" SHMBUS_DIR_DEFAULT ")"},
    {'o', "output", "COLS", "these columns, with commas in between"},
    {OPT_JSON, "json", NULL, "print JSON"},
    {OPT_BYTES, "bytes", NULL, "print sizes in bytes"},
    {OPT_NO_HEADINGS, "no-headings", NULL, "leave out the headings"},
    {0, NULL, NULL, NULL},
};

/* One bus; when it cannot be entered, only its name and why. */
struct list_row {
    char name[512], status[160];
    struct shmbus_bus_stat stat;
    int result; /* of entering it */
};

struct list {
    struct list_row *rows;
    size_t count;
    bool no_memory;
};

enum list_field {
    LIST_NAME,
    LIST_SIZE,
    LIST_ALIVE,
    LIST_IDLE,
    LIST_STALLED,
    LIST_DEAD,
    LIST_CHANNELS,
    LIST_OWNER,
    LIST_MODE,
    LIST_AGE,
    LIST_STATUS,
    LIST_PATH,
    LIST_UUID
};

static int64_t age_ns(const struct shmbus_bus_stat *stat)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return text_since_ns((int64_t)now.tv_sec * 1000000000 + now.tv_nsec, stat->created_realtime_ns);
}

static void put_owner(struct table_cell *cell, uid_t uid)
{
    const struct passwd *user = getpwuid(uid);

    if (user)
        snprintf(cell->text, sizeof(cell->text), "%s", user->pw_name);
    else
        snprintf(cell->text, sizeof(cell->text), "%ju", (uintmax_t)uid);
}

static void fill(struct table_cell *cell, const void *data, int arg,
                 const struct table_options *table_options)
{
    const struct list_row *row = data;
    const struct shmbus_bus_stat *stat = &row->stat;
    char *out = cell->text;
    size_t room = sizeof(cell->text);

    if (arg == LIST_NAME)
        snprintf(out, room, "%s", row->name);
    else if (arg == LIST_STATUS) {
        snprintf(out, room, "%s", row->status);
        cell->style = row->result < 0 ? TABLE_BAD : TABLE_PLAIN;
    }
    if (row->result < 0)
        return;
    if (arg == LIST_SIZE)
        text_size(stat->segment_bytes, table_options->exact_bytes, out, room);
    else if (arg == LIST_ALIVE)
        snprintf(out, room, "%u", stat->processes_alive);
    else if (arg == LIST_IDLE)
        snprintf(out, room, "%u", stat->processes_idle);
    else if (arg == LIST_STALLED)
        snprintf(out, room, "%u", stat->processes_stalled);
    else if (arg == LIST_DEAD)
        snprintf(out, room, "%u", stat->processes_dead);
    else if (arg == LIST_CHANNELS)
        snprintf(out, room, "%u", stat->channels_used);
    else if (arg == LIST_OWNER)
        put_owner(cell, stat->owner_uid);
    else if (arg == LIST_MODE)
        snprintf(out, room, "%04o", (unsigned)stat->mode & 07777);
    else if (arg == LIST_AGE)
        text_age(age_ns(stat), out, room);
    else if (arg == LIST_PATH)
        snprintf(out, room, "%s", stat->path);
    else if (arg == LIST_UUID)
        snprintf(out, room, "%s", stat->uuid);
    if ((arg == LIST_STALLED && stat->processes_stalled) ||
        (arg == LIST_DEAD && stat->processes_dead))
        cell->style = TABLE_ODD;
}

static const struct table_column columns[] = {
    {"name", "NAME", "name of the bus, or its path", fill, LIST_NAME, false},
    {"size", "SIZE", "memory of the segment", fill, LIST_SIZE, true},
    {"alive", "ALIVE", "processes at work", fill, LIST_ALIVE, true},
    {"idle", "IDLE", "silent processes with nothing in hand", fill, LIST_IDLE, true},
    {"stalled", "STALLED", "silent processes with a message, a lock or a call in hand", fill,
     LIST_STALLED, true},
    {"dead", "DEAD", "dead processes nobody cleaned up after yet", fill, LIST_DEAD, true},
    {"channels", "CHANNELS", "channels in use", fill, LIST_CHANNELS, true},
    {"owner", "OWNER", "user", fill, LIST_OWNER, false},
    {"mode", "MODE", "permissions", fill, LIST_MODE, false},
    {"age", "AGE", "time since it was made", fill, LIST_AGE, true},
    {"status", "STATUS", "ok, stopping, or why it cannot be looked at", fill, LIST_STATUS, false},
    {"path", "PATH", "file of the segment", fill, LIST_PATH, false},
    {"uuid", "UUID", "identity of the segment", fill, LIST_UUID, false},
    {NULL, NULL, NULL, NULL, 0, false},
};

static const char default_columns[] = "name,size,alive,idle,stalled,dead,channels,owner,age,status";

static void look_at(struct list_row *row)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus;

    row->stat.struct_bytes = sizeof(row->stat);
    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    row->result = shmbus_attach(row->name, &opts, &bus);
    if (row->result == 0) {
        row->result = shmbus_bus_stat(bus, &row->stat);
        shmbus_detach(bus);
    }
    snprintf(row->status, sizeof(row->status), "%s",
             row->result < 0           ? shmbus_strerror(row->result)
             : row->stat.shutting_down ? "stopping"
                                       : "ok");
}

static bool each_bus(void *context, const char *name)
{
    struct list *list = context;
    struct list_row *rows = reallocarray(list->rows, list->count + 1, sizeof(*rows)), *row;

    if (!rows) {
        list->no_memory = true;
        return false;
    }
    list->rows = rows;
    row = memset(&rows[list->count], 0, sizeof(*rows));
    snprintf(row->name, sizeof(row->name), "%s", name);
    look_at(row);
    if (row->result != -ENOENT) /* removed since the directory was read */
        list->count++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct list_row *)a)->name, ((const struct list_row *)b)->name);
}

static bool print_json(const struct list *list)
{
    struct json_object *object = json_document(), *rows = json_object_new_array();

    json_add(object, "buses", rows);
    for (size_t i = 0; i < list->count; i++) {
        const struct list_row *row = &list->rows[i];
        struct json_object *item = json_object_new_object();

        json_add_text(item, "name", row->name);
        json_add_text(item, "status", row->status);
        if (row->result == 0) {
            json_add_text(item, "path", row->stat.path);
            json_add_text(item, "uuid", row->stat.uuid);
            json_add_count(item, "segment_bytes", row->stat.segment_bytes);
            json_add_count(item, "processes_alive", row->stat.processes_alive);
            json_add_count(item, "processes_idle", row->stat.processes_idle);
            json_add_count(item, "processes_stalled", row->stat.processes_stalled);
            json_add_count(item, "processes_dead", row->stat.processes_dead);
            json_add_count(item, "channels_used", row->stat.channels_used);
            json_add_count(item, "owner_uid", row->stat.owner_uid);
            json_add_signed(item, "created_realtime_ns", row->stat.created_realtime_ns);
        }
        json_object_array_add(rows, item);
    }
    return json_print(object, true);
}

static bool print_table(const struct list *list, const char *names,
                        const struct table_options *table_options)
{
    struct table table;
    bool good = table_init(&table, columns, names, table_options);

    for (size_t i = 0; i < list->count && good; i++)
        good = table_add(&table, &list->rows[i]);
    if (names == default_columns)
        table_fit(&table, "channels,owner,age,size,idle");
    if (good && list->count)
        table_print(&table, stdout);
    table_free(&table);
    return good;
}

static int run(struct ctl_args *args)
{
    struct table_options table_options = {.colour = table_colour_wanted(),
                                          .width = table_width_of_output()};
    struct list list = {NULL, 0, false};
    const char *dir = NULL, *value, *output = NULL;
    bool json = false, good;
    int id, result;

    while ((id = ctl_args_next(args, &value)) > 0) {
        if (id == OPT_DIR)
            dir = value;
        else if (id == 'o')
            output = value;
        else if (id == OPT_JSON)
            json = true;
        else if (id == OPT_BYTES)
            table_options.exact_bytes = true;
        else
            table_options.no_headings = true;
    }
    if (id < 0)
        return args->exit_code;
    result = shmbus_list(dir, each_bus, &list);
    if (result < 0 || list.no_memory) {
        free(list.rows);
        return ctl_fail_bus(result < 0 ? result : -ENOMEM, dir ? dir : SHMBUS_DIR_DEFAULT);
    }
    if (list.count)
        qsort(list.rows, list.count, sizeof(*list.rows), by_name);
    else if (!json)
        ctl_note("no bus in %s", dir ? dir : SHMBUS_DIR_DEFAULT);
    good = json ? print_json(&list)
                : print_table(&list, output ? output : default_columns, &table_options);
    free(list.rows);
    return good ? CTL_DONE : output ? CTL_USAGE : CTL_FAILED;
}

static void more_help(FILE *out)
{
    table_help(out, "Columns", columns);
}

const struct ctl_verb verb_list = {
    .name = "list",
    .operands = "",
    .summary = "Show the buses, and who is at work on them",
    .text = NULL,
    .examples = "shmbusctl list\n"
                "shmbusctl list --dir=/mnt/bus -o name,size,owner --no-headings\n",
    .options = options,
    .operands_min = 0,
    .operands_max = 0,
    .run = run,
    .more_help = more_help,
};
