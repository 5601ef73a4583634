/* SPDX-License-Identifier: MIT */
/* shmbusctl status, rollout, logs: what a supervisor knows. One file: all three print one
 * answer. */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "json.h"
#include "supervise/client.h"
#include "table.h"
#include "text.h"

#define ANSWER_NS 10000000000

enum { OPT_JSON = 256, OPT_NO_HEADINGS, OPT_FOLLOW };

static const struct ctl_option options[] = {
    {OPT_JSON, "json", NULL, "print JSON"},
    {OPT_NO_HEADINGS, "no-headings", NULL, "leave out the line with the headings"},
    {0, NULL, NULL, NULL},
};

static const struct ctl_option logs_options[] = {
    {OPT_FOLLOW, "follow", NULL, "go on with those to come, until a signal"},
    {OPT_JSON, "json", NULL, "one JSON object per line"},
    {0, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------------------- the JSON's fields */

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) && value != NULL
               ? json_object_get_string(value)
               : "";
}

static int64_t number_of(struct json_object *o, const char *key, int64_t otherwise)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : otherwise;
}

static struct json_object *part_of(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(o, key, &value);
    return value;
}

static size_t length_of(struct json_object *array)
{
    return array != NULL ? json_object_array_length(array) : 0;
}

/* --------------------------------------------------------------------------------------- tables */

struct row {
    struct json_object *program;
    struct json_object *worker; /* or an empty place; NULL for a program without either */
};

enum {
    PROGRAM,
    GENERATION,
    INSTANCE,
    PID,
    STATE,
    SINCE,
    RESTARTS,
    MEMORY,
    MESSAGES,
    HELD,
    WHY,
    ROLLOUT,
    SLOTS,
    LAST
};

static void fill_number(struct table_cell *cell, struct json_object *o, const char *key)
{
    int64_t value = number_of(o, key, -1);

    if (value >= 0) {
        snprintf(cell->text, sizeof cell->text, "%jd", (intmax_t)value);
    }
}

static void fill_state(struct table_cell *cell, const struct row *row)
{
    const char *state =
        row->worker != NULL ? text_of(row->worker, "state") : text_of(row->program, "state");

    int64_t left_ns = row->worker != NULL ? number_of(row->worker, "left_ns", -1) : -1;
    char left[TEXT_NUMBER_BYTES];

    text_age(left_ns, left, sizeof left);
    snprintf(cell->text, sizeof cell->text, "%s%s%s", state, left_ns >= 0 ? " " : "",
             left_ns >= 0 ? left : "");
    cell->style = strcmp(state, "ready") == 0      ? TABLE_GOOD
                  : strcmp(state, "given-up") == 0 ? TABLE_BAD
                                                   : TABLE_ODD;
}

/* "crash:2 reload:8" */
static void fill_restarts(struct table_cell *cell, struct json_object *program)
{
    struct json_object *restarts = part_of(program, "restarts");
    struct json_object_iterator at, end;
    size_t used = 0;

    if (restarts == NULL) {
        return;
    }
    at = json_object_iter_begin(restarts);
    end = json_object_iter_end(restarts);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        if (used < sizeof cell->text) {
            used += (size_t)snprintf(cell->text + used, sizeof cell->text - used, "%s%s:%s",
                                     used > 0 ? " " : "", json_object_iter_peek_name(&at),
                                     json_object_get_string(json_object_iter_peek_value(&at)));
        }
    }
}

static void fill_rollout(struct table_cell *cell, struct json_object *program)
{
    struct json_object *rollout = part_of(program, "rollout");
    bool active = number_of(rollout, "active", 0) != 0;
    int64_t number = number_of(rollout, "number", 0),
            back = number_of(rollout, "last_rolled_back", 0);
    const char *word = active && number_of(rollout, "rolling_back", 0) != 0 ? "rolling back"
                       : active                                             ? "running"
                       : number_of(rollout, "asked", 0) > number            ? "waiting"
                       : number == 0                                        ? "none yet"
                       : back == number                                     ? "rolled back"
                                                                            : "done";

    snprintf(cell->text, sizeof cell->text, "%s", word);
}

static void fill_slots(struct table_cell *cell, struct json_object *program)
{
    struct json_object *rollout = part_of(program, "rollout");

    if (number_of(rollout, "active", 0) != 0) {
        snprintf(cell->text, sizeof cell->text, "%jd of %jd",
                 (intmax_t)number_of(rollout, "slots_done", 0),
                 (intmax_t)number_of(rollout, "slots", 0));
    }
}

static void fill_worker(struct table_cell *cell, struct json_object *worker, int what,
                        const struct table_options *options_)
{
    static const char *const keys[] = {[GENERATION] = "generation",
                                       [INSTANCE] = "instance",
                                       [PID] = "pid",
                                       [MESSAGES] = "messages",
                                       [HELD] = "held"};

    if (worker == NULL) {
        return;
    }
    switch (what) {
    case SINCE:
        if (number_of(worker, "age_ns", -1) >= 0) {
            text_age(number_of(worker, "age_ns", 0), cell->text, sizeof cell->text);
        }
        break;
    case MEMORY:
        if (number_of(worker, "memory_bytes", -1) < 0) {
            break;
        }
        text_size((uint64_t)number_of(worker, "memory_bytes", 0), options_->exact_bytes, cell->text,
                  sizeof cell->text);
        break;
    case WHY:
        snprintf(cell->text, sizeof cell->text, "%s", text_of(worker, "reason"));
        break;
    default:
        fill_number(cell, worker, keys[what]);
    }
}

static void fill(struct table_cell *cell, const void *data, int what,
                 const struct table_options *options_)
{
    const struct row *row = data;

    switch (what) {
    case PROGRAM:
        snprintf(cell->text, sizeof cell->text, "%s", text_of(row->program, "name"));
        break;
    case STATE:
        fill_state(cell, row);
        break;
    case RESTARTS:
        fill_restarts(cell, row->program);
        break;
    case ROLLOUT:
        fill_rollout(cell, row->program);
        break;
    case SLOTS:
        fill_slots(cell, row->program);
        break;
    case LAST:
        snprintf(cell->text, sizeof cell->text, "%s", text_of(row->program, "last_exit"));
        break;
    default:
        fill_worker(cell, row->worker, what, options_);
    }
}

static const struct table_column columns[] = {
    {"program", "PROGRAM", "name in FILE", fill, PROGRAM, false},
    {"generation", "GEN", "generation", fill, GENERATION, true},
    {"instance", "NO", "number of the worker", fill, INSTANCE, true},
    {"pid", "PID", "process", fill, PID, true},
    {"state", "STATE", "starting, ready or stopping; of a place or program without worker: why",
     fill, STATE, false},
    {"since", "SINCE", "age of the worker", fill, SINCE, true},
    {"why", "WHY", "why it was started", fill, WHY, false},
    {"restarts", "RESTARTS", "starts of the program by reason, the first ones left out", fill,
     RESTARTS, false},
    {"memory", "MEMORY", "private memory (RssAnon)", fill, MEMORY, true},
    {"messages", "MESSAGES", "received, from the bus", fill, MESSAGES, true},
    {"held", "HELD", "messages in its hands, from the bus", fill, HELD, true},
    {"rollout", "ROLLOUT", "how the last change of generation went", fill, ROLLOUT, false},
    {"slots", "SLOTS", "replaced so far", fill, SLOTS, false},
    {"last", "LAST END", "how the last worker ended", fill, LAST, false},
    {NULL, NULL, NULL, NULL, 0, false}};

static bool add_program(struct table *table, struct json_object *program, bool one_row)
{
    static const char *const parts[] = {"workers", "empty"};
    size_t rows = 0;
    bool good = true;

    for (size_t k = 0; k < 2 && !one_row; k++) {
        struct json_object *part = part_of(program, parts[k]);

        for (size_t i = 0; i < length_of(part) && good; i++, rows++) {
            good =
                table_add(table, &(const struct row){program, json_object_array_get_idx(part, i)});
        }
    }
    return rows > 0 ? good : table_add(table, &(const struct row){program, NULL});
}

static bool is_chosen(const struct ctl_args *args, int first, const char *name)
{
    for (int i = first; i < args->operand_count; i++) {
        if (strcmp(args->operands[i], name) == 0) {
            return true;
        }
    }
    return args->operand_count <= first;
}

/* Leaves the programs that were asked for. */
static void keep_chosen(const struct ctl_args *args, int first, struct json_object *answer)
{
    struct json_object *all = part_of(answer, "programs"), *kept = json_object_new_array();

    for (size_t i = 0; i < length_of(all); i++) {
        struct json_object *program = json_object_array_get_idx(all, i);

        if (is_chosen(args, first, text_of(program, "name"))) {
            json_object_array_add(kept, json_object_get(program));
        }
    }
    json_object_object_add(answer, "programs", kept);
}

static int check_names(const struct ctl_args *args, int first, struct json_object *programs)
{
    for (int i = first; i < args->operand_count; i++) {
        bool found = false;

        for (size_t k = 0; k < length_of(programs); k++) {
            found = found || strcmp(args->operands[i],
                                    text_of(json_object_array_get_idx(programs, k), "name")) == 0;
        }
        if (!found) {
            return ctl_fail(CTL_NOT_FOUND, "there is no program \"%s\"", args->operands[i]);
        }
    }
    return CTL_DONE;
}

static int print_table(struct json_object *answer, const char *list, bool one_row, bool no_headings)
{
    struct table_options look = {.no_headings = no_headings,
                                 .colour = table_colour_wanted(),
                                 .width = table_width_of_output()};
    struct json_object *programs = part_of(answer, "programs");
    struct table table;
    bool good = table_init(&table, columns, list, &look);

    for (size_t i = 0; i < length_of(programs) && good; i++) {
        good = add_program(&table, json_object_array_get_idx(programs, i), one_row);
    }
    if (good) {
        table_fit(&table, "last,slots,messages,memory,restarts,why,held,generation");
        table_print(&table, stdout);
    }
    table_free(&table);
    return good ? CTL_DONE : CTL_FAILED;
}

static int show(struct ctl_args *args, int bus, const char *list, bool one_row)
{
    bool json = false, no_headings = false;
    struct json_object *answer;
    const char *value;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        json = json || id == OPT_JSON;
        no_headings = no_headings || id == OPT_NO_HEADINGS;
    }
    if (id < 0) {
        return args->exit_code;
    }
    if (bus == 1 && strcmp(args->operands[0], "status") != 0) {
        return ctl_fail(CTL_USAGE, "`%s` is not `status`", args->operands[0]);
    }
    code = sup_client_ask(args->operands[bus], sup_client_request("status"), ANSWER_NS, &answer);
    if (code != CTL_DONE) {
        return code;
    }
    code = check_names(args, bus + 1, part_of(answer, "programs"));
    if (code == CTL_DONE) {
        keep_chosen(args, bus + 1, answer);
    }
    if (code == CTL_DONE && json) {
        return json_print(answer, false) ? CTL_DONE : CTL_FAILED;
    }
    if (code == CTL_DONE) {
        code = print_table(answer, list, one_row, no_headings);
    }
    json_object_put(answer);
    return code;
}

static int run_status(struct ctl_args *args)
{
    return show(args, 0,
                "program,generation,instance,pid,state,since,why,restarts,memory,messages,"
                "held",
                false);
}

static int run_rollout(struct ctl_args *args)
{
    return show(args, 1, "program,state,rollout,slots,last", true);
}

/* Of a program that was removed the events are still there. */
static int check_events(const struct ctl_args *args, struct json_object *events)
{
    for (int i = 1; i < args->operand_count; i++) {
        bool found = false;

        for (size_t k = 0; k < length_of(events) && !found; k++) {
            found = strcmp(args->operands[i],
                           text_of(json_object_array_get_idx(events, k), "program")) == 0;
        }
        if (!found) {
            return ctl_fail(CTL_NOT_FOUND, "none of the last events is of a program \"%s\"",
                            args->operands[i]);
        }
    }
    return CTL_DONE;
}

static void print_events(const struct ctl_args *args, struct json_object *events, bool json)
{
    for (size_t i = 0; i < length_of(events); i++) {
        struct json_object *e = json_object_array_get_idx(events, i);

        if (!is_chosen(args, 1, text_of(e, "program"))) {
            continue;
        }
        if (json) {
            printf("%s\n", json_object_to_json_string_ext(e, JSON_C_TO_STRING_PLAIN));
        } else {
            printf("%s %-9s %s\n", text_of(e, "time"), text_of(e, "event"), text_of(e, "text"));
        }
    }
}

/* Of those since @next, or all that there are; with @wait, as soon as there is one. */
static int ask_logs(const struct ctl_args *args, int64_t *next, bool wait,
                    struct json_object **ret_answer)
{
    struct json_object *request = sup_client_request("logs");
    int code;

    json_add_signed(request, "since", *next);
    json_add_bool(request, "wait", wait);
    code = sup_client_ask(args->operands[0], request, wait ? -1 : ANSWER_NS, ret_answer);
    if (code == CTL_DONE) {
        *next = number_of(*ret_answer, "next", *next);
    }
    return code;
}

static int follow(const struct ctl_args *args, int64_t next, bool json)
{
    struct json_object *answer;
    int code = fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;

    while (code == CTL_DONE) {
        code = ask_logs(args, &next, true, &answer);
        if (code == CTL_DONE) {
            print_events(args, part_of(answer, "events"), json);
            json_object_put(answer);
            code = fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
        }
    }
    return code;
}

static int run_logs(struct ctl_args *args)
{
    bool json = false, follows = false;
    struct json_object *answer;
    const char *value;
    int64_t next = 0;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        json = json || id == OPT_JSON;
        follows = follows || id == OPT_FOLLOW;
    }
    if (id < 0) {
        return args->exit_code;
    }
    code = ask_logs(args, &next, false, &answer);
    if (code != CTL_DONE) {
        return code;
    }
    code = follows ? CTL_DONE : check_events(args, part_of(answer, "events"));
    if (code == CTL_DONE) {
        print_events(args, part_of(answer, "events"), json);
    }
    json_object_put(answer);
    return code == CTL_DONE && follows ? follow(args, next, json) : code;
}

const struct ctl_verb verb_status = {
    .name = "status",
    .operands = "BUS [PROGRAM...]",
    .summary = "Show the programs of a supervisor and their workers",
    .text = "One line per worker, sorted by generation and number; during a change both "
            "generations.",
    .examples = "shmbusctl status demo\n"
                "shmbusctl status demo worker --json\n",
    .options = options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run_status,
};

const struct ctl_verb verb_rollout = {
    .name = "rollout",
    .operands = "status BUS [PROGRAM...]",
    .summary = "Show how the last change of generation goes or went",
    .text = NULL,
    .examples = "shmbusctl rollout status demo\n",
    .options = options,
    .operands_min = 2,
    .operands_max = -1,
    .run = run_rollout,
};

const struct ctl_verb verb_logs = {
    .name = "logs",
    .operands = "BUS [PROGRAM...]",
    .summary = "Print the last events of a supervisor",
    .text = "The last 512. The log itself has all of them.",
    .examples = "shmbusctl logs demo\n"
                "shmbusctl logs demo worker --follow --json\n",
    .options = logs_options,
    .operands_min = 1,
    .operands_max = -1,
    .run = run_logs,
};
