/* SPDX-License-Identifier: MIT */
/* What only the machine can say about FILE: users, directories, commands, CPUs, addresses. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ctl.h"
#include "../text.h"
#include "http.h"
#include "memory.h"
#include "sockets.h"
#include "spec.h"

#define fail_in(spec, p, ...)                                                                      \
    ctl_fail(CTL_USAGE, "%s:%zu: program \"%s\": %s", (spec)->path, (p)->line, (p)->name,          \
             sentence(__VA_ARGS__))

static const char *sentence(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *sentence(const char *format, ...)
{
    static char text[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return text;
}

static bool runs(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0;
}

/* As execvpe() will look for it, from the directory of the program. */
static bool command_is_there(const char *command, const char *directory)
{
    const char *path = getenv("PATH");
    bool found = false;
    char *copy, *left, *dir;

    if (strchr(command, '/') != NULL) {
        char *from = command[0] == '/' || directory == NULL
                         ? sup_strdup(command)
                         : sup_printf("%s/%s", directory, command);

        found = runs(from);
        free(from);
        return found;
    }
    copy = left = sup_strdup(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
    while (!found && (dir = strsep(&left, ":")) != NULL) {
        char *file = sup_printf("%s/%s", dir[0] != 0 ? dir : ".", command);

        found = runs(file);
        free(file);
    }
    free(copy);
    return found;
}

static int check_user(const struct sup_spec *spec, struct sup_program_spec *p)
{
    struct passwd *user;
    struct group *group;

    p->uid = geteuid();
    p->gid = getegid();
    if (p->user != NULL) {
        user = getpwnam(p->user);
        if (user == NULL) {
            return fail_in(spec, p, "there is no user \"%s\"", p->user);
        }
        p->uid = user->pw_uid;
        p->gid = user->pw_gid;
        p->has_user = true;
    }
    if (p->group != NULL) {
        group = getgrnam(p->group);
        if (group == NULL) {
            return fail_in(spec, p, "there is no group \"%s\"", p->group);
        }
        p->gid = group->gr_gid;
        p->has_user = true;
    }
    if (p->has_user && geteuid() != 0 && (p->uid != geteuid() || p->gid != getegid())) {
        return fail_in(spec, p, "only root can run it as another user or group");
    }
    return CTL_DONE;
}

/* "0-3,6": numbers and ranges. */
static bool parse_cpus(const char *text, cpu_set_t *ret_set)
{
    CPU_ZERO(ret_set);
    while (*text != 0) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;

        if (end == text) {
            return false;
        }
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text) {
                return false;
            }
        }
        if (last < first || last >= CPU_SETSIZE || (*end != 0 && *end != ',') ||
            (*end == ',' && end[1] == 0)) {
            return false;
        }
        for (; first <= last; first++) {
            CPU_SET(first, ret_set);
        }
        text = *end == ',' ? end + 1 : end;
    }
    return CPU_COUNT(ret_set) > 0;
}

/* One for each CPU that the workers may use: a container or taskset may have left a few of many. */
static void count_cpus(struct sup_program_spec *p, const cpu_set_t *usable)
{
    p->count = (uint32_t)CPU_COUNT(usable);
    if (p->count > SUP_COUNT_MAX) {
        p->count = SUP_COUNT_MAX;
    }
    if (p->max_unavailable > p->count) { /* FILE cannot know how many there are here */
        p->max_unavailable = p->count;
    }
}

static int check_cpus(const struct sup_spec *spec, struct sup_program_spec *p)
{
    cpu_set_t usable;

    if (sched_getaffinity(0, sizeof usable, &usable) < 0) {
        CPU_ZERO(&usable); /* there are more CPUs than the set has room for */
        for (long i = sysconf(_SC_NPROCESSORS_ONLN); i-- > 0;) {
            CPU_SET((size_t)i, &usable);
        }
    }
    if (p->cpus != NULL) {
        if (!parse_cpus(p->cpus, &p->cpu_set)) {
            return fail_in(spec, p, "`cpus: %s`: write it like \"0-3,6\"", p->cpus);
        }
        p->has_cpus = true;
        CPU_AND(&usable, &usable, &p->cpu_set);
        if (CPU_COUNT(&usable) == 0) {
            return fail_in(spec, p, "`cpus: %s`: this process may use none of them", p->cpus);
        }
    }
    if (p->per_cpu) {
        count_cpus(p, &usable);
    }
    return CTL_DONE;
}

/* A file of the time zone database, or a rule like CET-1CEST,M3.5.0,M10.5.0/3. What is neither,
 * the C library takes for UTC without a word. */
static bool is_zone(const char *zone)
{
    const char *base = getenv("TZDIR");
    size_t letters = strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    char *path = sup_printf("%s/%s", base != NULL ? base : "/usr/share/zoneinfo", zone);
    struct stat file;
    bool there = strstr(zone, "..") == NULL && stat(path, &file) == 0 && S_ISREG(file.st_mode);

    free(path);
    return there || strcmp(zone, "UTC") == 0 ||
           (letters >= 3 && zone[letters] != 0 && strchr("+-0123456789", zone[letters]) != NULL);
}

static int check_program(const struct sup_spec *spec, struct sup_program_spec *p)
{
    struct sup_url url;
    struct stat directory;
    const char *why;
    int code;

    if (p->directory != NULL && (stat(p->directory, &directory) < 0 ||
                                 !S_ISDIR(directory.st_mode) || access(p->directory, X_OK) < 0)) {
        return fail_in(spec, p, "`directory: %s` is no directory that can be entered",
                       p->directory);
    }
    if (!command_is_there(p->command[0], p->directory)) {
        return fail_in(spec, p, "there is no command \"%s\" that can be run", p->command[0]);
    }
    if (p->ready.command != NULL && !command_is_there(p->ready.command[0], p->directory)) {
        return fail_in(spec, p, "there is no command \"%s\" that can be run, for `ready`",
                       p->ready.command[0]);
    }
    if (p->recycle.timezone != NULL && !is_zone(p->recycle.timezone)) {
        return fail_in(spec, p, "there is no time zone \"%s\" on this machine (package tzdata)",
                       p->recycle.timezone);
    }
    if (p->clean.directory != NULL && lstat(p->clean.directory, &directory) == 0 &&
        !S_ISDIR(directory.st_mode)) {
        return fail_in(spec, p, "`clean`: %s is no directory%s", p->clean.directory,
                       S_ISLNK(directory.st_mode) ? " but a link, which is not followed" : "");
    }
    why = p->ready.url != NULL ? sup_url_parse(p->ready.url, &url) : NULL;
    if (why != NULL) {
        return fail_in(spec, p, "`url: %s`: %s", p->ready.url, why);
    }
    code = check_user(spec, p);
    return code != CTL_DONE ? code : check_cpus(spec, p);
}

int sup_spec_check(struct sup_spec *spec)
{
    int code = CTL_DONE;

    for (size_t i = 0; i < spec->socket_count && code == CTL_DONE; i++) {
        code = sup_socket_check(spec, &spec->sockets[i]);
    }
    for (size_t i = 0; i < spec->program_count && code == CTL_DONE; i++) {
        code = check_program(spec, &spec->programs[i]);
    }
    if (code == CTL_DONE && spec->plan != NULL) {
        struct shmbus_plan *plan;
        int r = shmbus_plan_load(spec->plan, &plan);

        if (r < 0) {
            return ctl_fail_bus(r, spec->plan);
        }
        shmbus_plan_free(plan);
    }
    if (code == CTL_DONE && spec->alert_command != NULL &&
        !command_is_there(spec->alert_command[0], NULL)) {
        code = ctl_fail(CTL_USAGE, "%s: there is no command \"%s\" that can be run, for `alert`",
                        spec->path, spec->alert_command[0]);
    }
    return code;
}
