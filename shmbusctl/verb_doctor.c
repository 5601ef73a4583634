/* SPDX-License-Identifier: MIT */
/* shmbusctl doctor: what is wrong, and the cure of it. Exit codes as monitoring systems want. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "doctor.h"
#include "json.h"
#include "table.h"
#include "text.h"

enum {
    OPT_JSON = 256,
    OPT_DIR,
    OPT_FULL,
    OPT_USED,
    OPT_DEAD_LETTERS,
    EXIT_OK = 0,
    EXIT_WARNING = 1,
    EXIT_CRITICAL = 2,
    EXIT_UNKNOWN = 3
};

static const struct ctl_option options[] = {
    {OPT_DIR, "dir", "DIR", "without NAME: the buses in DIR (" SHMBUS_DIR_DEFAULT ")"},
    {OPT_FULL, "full", "PERCENT", "warn of channels that are full to PERCENT (90), or never"},
    {OPT_USED, "used", "PERCENT",
     "warn when PERCENT (100) of the places for processes, handles, producers and spare queues are "
     "taken, or never"},
    {OPT_DEAD_LETTERS, "dead-letters", "N", "warn when N dead letters wait (1), or never"},
    {OPT_JSON, "json", NULL, "print JSON"},
    {0, NULL, NULL, NULL},
};

void doctor_add(struct doctor *doctor, enum doctor_level level, const char *subject,
                const char *cure, const char *format, ...)
{
    struct doctor_finding *findings =
        reallocarray(doctor->findings, doctor->count + 1, sizeof(*findings));
    struct doctor_finding *finding;
    char what[1024], clean[1024];
    va_list list;

    if (!findings) {
        doctor->no_memory = true;
        return;
    }
    doctor->findings = findings;
    finding = &findings[doctor->count++];
    va_start(list, format);
    vsnprintf(what, sizeof(what), format, list);
    va_end(list);
    text_clean(what, clean, sizeof(clean)); /* names out of segments are in it */
    *finding = (struct doctor_finding){level, strdup(subject), strdup(clean), strdup(cure)};
    if (!finding->subject || !finding->what || !finding->cure)
        doctor->no_memory = true;
}

void doctor_free(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        free(doctor->findings[i].subject);
        free(doctor->findings[i].what);
        free(doctor->findings[i].cure);
    }
    free(doctor->findings);
}

/* ------------------------------------------------------------------------------------- checks */

struct bus_context {
    struct doctor *doctor;
    const char *name;
};

static bool each_finding(void *context, enum shmbus_severity severity, const char *what,
                         const char *cure)
{
    const struct bus_context *bus = context;
    enum doctor_level level = severity == SHMBUS_SEVERITY_CRITICAL  ? DOCTOR_CRITICAL
                              : severity == SHMBUS_SEVERITY_WARNING ? DOCTOR_WARNING
                                                                    : DOCTOR_NOTE;

    doctor_add(bus->doctor, level, bus->name, cure ? cure : "", "%s", what);
    return true;
}

/* Whether some queue has it for its dead letters: it is empty as long as all goes well. */
static bool sets_aside(struct shmbus *bus, const char *letters)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof(stat)};
    int result = 0;

    for (uint32_t i = 0; result != -ENOENT; i++) {
        result = shmbus_channel_stat(bus, i, &stat);
        if (result == 0 && strcmp(stat.dead_letter, letters) == 0)
            return true;
        if (result < 0 && result != -ENODATA)
            return false;
    }
    return false;
}

#define COMPARE                                                                                    \
    "it may see another /dev/shm (a container, a unit): compare the uuid of shmbusctl stats "      \
    "on both sides"

/* The usual sign of two buses of one name: the other side looks at the other one. */
static int check_sides(struct doctor *doctor, const char *name, struct shmbus *bus)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof(stat)};
    int result = 0;

    for (uint32_t i = 0; result != -ENOENT; i++) {
        result = shmbus_channel_stat(bus, i, &stat);
        if (result < 0 && result != -ENODATA && result != -ENOENT)
            return result;
        if (result == 0 && stat.depth && !stat.dead_letters && !stat.receivers &&
            !stat.counters[SHMBUS_COUNT_received] && !stat.counters[SHMBUS_COUNT_recv_timeouts])
            doctor_add(doctor, DOCTOR_NOTE, name, "start one; if it runs, " COMPARE,
                       "messages wait in %s, and no receiver has ever opened it", stat.name);
        if (result == 0 && stat.receivers && !stat.senders && !stat.counters[SHMBUS_COUNT_sent] &&
            !stat.counters[SHMBUS_COUNT_received] && !stat.dead_letters &&
            !sets_aside(bus, stat.name))
            doctor_add(doctor, DOCTOR_NOTE, name,
                       "none needed if nothing is to be sent yet; if a sender runs, " COMPARE,
                       "a receiver waits at %s, and nobody has ever sent to it", stat.name);
    }
    return 0;
}

/* A bus that cannot be entered is a finding as well. */
static void add_failure(struct doctor *doctor, const char *name, int result)
{
    int code = ctl_exit_of(result);
    bool broken = code == CTL_LAYOUT;
    const char *cure = broken                   ? "if nobody uses it any more: shmbusctl rm --force"
                       : code == CTL_NOT_FOUND  ? "shmbusctl list shows what is there"
                       : code == CTL_PERMISSION ? "run doctor as the owner of the bus or as root"
                                                : "";

    doctor_add(doctor, broken ? DOCTOR_CRITICAL : DOCTOR_UNKNOWN, name, cure, "%s",
               ctl_detail(result));
}

static bool check_bus(void *context, const char *name)
{
    struct doctor *doctor = context;
    struct bus_context bus_context = {doctor, name};
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof(stat)};
    struct shmbus *bus;
    int result;

    opts.flags = SHMBUS_ATTACH_OBSERVE | SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_ANY_OWNER;
    result = shmbus_attach(name, &opts, &bus);
    if (result < 0) {
        add_failure(doctor, name, result);
        return true;
    }
    doctor->buses++;
    result = shmbus_bus_stat(bus, &stat);
    if (result == 0) {
        doctor_logind(doctor, name, &stat);
        doctor_others(doctor, name, &stat);
        result = check_sides(doctor, name, bus);
    }
    if (result == 0) {
        result = shmbus_check_with(bus, &doctor->limits, each_finding, &bus_context);
    }
    if (result < 0)
        add_failure(doctor, name, result);
    shmbus_detach(bus);
    return !doctor->no_memory;
}

/* ------------------------------------------------------------------------------------- report */

static const char *level_name(enum doctor_level level)
{
    switch (level) {
    case DOCTOR_NOTE:
        return shmbus_severity_name(SHMBUS_SEVERITY_NOTE);
    case DOCTOR_WARNING:
        return shmbus_severity_name(SHMBUS_SEVERITY_WARNING);
    case DOCTOR_CRITICAL:
        return shmbus_severity_name(SHMBUS_SEVERITY_CRITICAL);
    default:
        return "unknown";
    }
}

static unsigned count_level(const struct doctor *doctor, enum doctor_level level)
{
    unsigned count = 0;

    for (size_t i = 0; i < doctor->count; i++)
        count += doctor->findings[i].level == level;
    return count;
}

static int verdict(const struct doctor *doctor)
{
    if (count_level(doctor, DOCTOR_CRITICAL))
        return EXIT_CRITICAL;
    if (count_level(doctor, DOCTOR_WARNING))
        return EXIT_WARNING;
    return count_level(doctor, DOCTOR_UNKNOWN) ? EXIT_UNKNOWN : EXIT_OK;
}

static void print_text(const struct doctor *doctor)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    static const char *const colours[] = {"", "\033[33m", "\033[33m", "\033[31m"};
    bool colour = table_colour_wanted();

    unsigned warnings = count_level(doctor, DOCTOR_WARNING);

    printf("%s: %u critical, %u warning%s, %u unknown; %u bus%s checked\n", names[verdict(doctor)],
           count_level(doctor, DOCTOR_CRITICAL), warnings, ctl_plural(warnings, "s"),
           count_level(doctor, DOCTOR_UNKNOWN), doctor->buses, ctl_plural(doctor->buses, "es"));
    for (int level = DOCTOR_CRITICAL; level >= DOCTOR_NOTE; level--)
        for (size_t i = 0; i < doctor->count; i++) {
            const struct doctor_finding *finding = &doctor->findings[i];

            if ((int)finding->level != level)
                continue;
            printf("%s%-8s%s  %s: %s\n", colour ? colours[level] : "", level_name(finding->level),
                   colour && colours[level][0] ? "\033[0m" : "", finding->subject, finding->what);
            if (finding->cure[0])
                printf("          cure: %s\n", finding->cure);
        }
}

static bool print_json(const struct doctor *doctor)
{
    static const char *const names[] = {"ok", "warning", "critical", "unknown"};
    struct json_object *object = json_document(), *list = json_object_new_array();

    json_add_text(object, "status", names[verdict(doctor)]);
    json_add_count(object, "buses", doctor->buses);
    json_add(object, "findings", list);
    for (size_t i = 0; i < doctor->count; i++) {
        struct json_object *item = json_object_new_object();

        json_add_text(item, "severity", level_name(doctor->findings[i].level));
        json_add_text(item, "subject", doctor->findings[i].subject);
        json_add_text(item, "what", doctor->findings[i].what);
        json_add_text(item, "cure", doctor->findings[i].cure);
        json_object_array_add(list, item);
    }
    return json_print(object, true);
}

static int check_all(struct doctor *doctor, char **names, int count, const char *dir)
{
    char bus_dir[512];

    if (count == 0) {
        int result;

        doctor_directory(doctor, dir ? dir : SHMBUS_DIR_DEFAULT);
        result = shmbus_list(dir, check_bus, doctor);
        return result < 0 ? ctl_fail_bus(result, dir ? dir : SHMBUS_DIR_DEFAULT) : CTL_DONE;
    }
    for (int i = 0; i < count; i++) {
        ctl_bus_dir(names[i], bus_dir, sizeof(bus_dir));
        if (i == 0)
            doctor_directory(doctor, bus_dir);
        check_bus(doctor, names[i]);
    }
    return CTL_DONE;
}

/* A limit of a finding: a number up to @max, or never. */
static bool take_limit(const char *option, const char *value, uint64_t max, uint32_t *ret_limit)
{
    uint64_t count;

    if (strcmp(value, "never") == 0) {
        *ret_limit = SHMBUS_CHECK_NEVER;
        return true;
    }
    if (!ctl_arg_count(option, value, 1, max, &count))
        return false;
    *ret_limit = (uint32_t)count;
    return true;
}

static bool take_option(struct doctor *doctor, int id, const char *value)
{
    switch (id) {
    case OPT_FULL:
        return take_limit("--full", value, 100, &doctor->limits.full_percent);
    case OPT_USED:
        return take_limit("--used", value, 100, &doctor->limits.used_percent);
    case OPT_DEAD_LETTERS:
        return take_limit("--dead-letters", value, UINT32_MAX - 1, &doctor->limits.dead_letters);
    default:
        return true;
    }
}

static int run(struct ctl_args *args)
{
    struct doctor doctor = {.limits = SHMBUS_CHECK_OPTS_INIT};
    const char *dir = NULL, *value;
    bool json = false;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        json = json || id == OPT_JSON;
        dir = id == OPT_DIR ? value : dir;
        if (!take_option(&doctor, id, value))
            return EXIT_UNKNOWN;
    }
    if (id < 0)
        return args->exit_code == CTL_DONE ? EXIT_OK : EXIT_UNKNOWN;
    if (dir && args->operand_count)
        return ctl_fail(EXIT_UNKNOWN, "--dir is for all buses of a directory; leave out NAME");
    code = check_all(&doctor, args->operands, args->operand_count, dir);
    if (code != CTL_DONE || doctor.no_memory) {
        code = code != CTL_DONE ? EXIT_UNKNOWN : ctl_fail(EXIT_UNKNOWN, "out of memory");
    } else {
        code = verdict(&doctor);
        if (!json)
            print_text(&doctor);
        else if (!print_json(&doctor))
            code = EXIT_UNKNOWN;
        if (ctl_flush() != CTL_DONE) {
            ctl_output_lost();
            code = EXIT_UNKNOWN;
        }
    }
    doctor_free(&doctor);
    return code;
}

const struct ctl_verb verb_doctor = {
    .name = "doctor",
    .operands = "[NAME...]",
    .summary = "Look for what is wrong, and name the cure",
    .text = "Checks the buses (without NAME: all of the directory), the file system they are in "
            "and the machine. Changes nothing.\n"
            "Exit codes: 0 healthy, 1 warning, 2 critical, 3 unknown (could not be checked, or "
            "wrong usage).",
    .examples = "shmbusctl doctor\n"
                "shmbusctl doctor demo --json\n"
                "shmbusctl doctor demo --full=70 --used=80 --dead-letters=100\n",
    .options = options,
    .operands_min = 0,
    .operands_max = -1,
    .run = run,
};
