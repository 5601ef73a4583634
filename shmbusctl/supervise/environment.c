/* SPDX-License-Identifier: MIT */
/* The environment of a worker, made afresh for each start: what was taken out of FILE is gone. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "sockets.h"
#include "sup.h"

/* Those of the supervisor are about the supervisor. */
static bool is_own(const char *pair)
{
    static const char *const own[] = {
        "NOTIFY_SOCKET=",   "WATCHDOG_USEC=",  "WATCHDOG_PID=",        "LISTEN_FDS=",
        "LISTEN_PID=",      "LISTEN_FDNAMES=", "SERVER_STARTER_PORT=", "SERVER_STARTER_GENERATION=",
        "SHMBUS_SUPERVISE_"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncmp(pair, own[i], strlen(own[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* @owned_pair is NAME=VALUE; the last one of a name counts. */
static void set(char ***list, char *owned_pair)
{
    size_t name = strcspn(owned_pair, "=") + 1;

    for (size_t i = 0; *list != NULL && (*list)[i] != NULL; i++) {
        if (strncmp((*list)[i], owned_pair, name) == 0) {
            free((*list)[i]);
            (*list)[i] = owned_pair;
            return;
        }
    }
    sup_list_add(list, owned_pair);
}

static void set_all(char ***list, char *const *pairs)
{
    for (size_t i = 0; pairs != NULL && pairs[i] != NULL; i++) {
        if (strchr(pairs[i], '=') != NULL) {
            set(list, sup_strdup(pairs[i]));
        }
    }
}

/* SHMBUS_SOCKET_ and the name in capitals, what no variable can have as _. */
static char *socket_variable(const char *name, size_t fd)
{
    char *pair = sup_printf("SHMBUS_SOCKET_%s=%zu", name, fd);

    for (char *c = pair; *c != '='; c++) {
        *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
    }
    return pair;
}

/* The three conventions: Server::Starter's, systemd's, and plain variables. */
static void set_sockets(char ***list, const struct sup_worker *w)
{
    char *ports = sup_strdup(""), *names = sup_strdup("");
    size_t count = 0;

    for (char **name = w->spec->sockets; name != NULL && *name != NULL; name++, count++) {
        const struct sup_socket_spec *socket = sup_spec_socket(w->file, *name);
        const char *address = socket->address;
        char *more;

        if (address[0] == ':') {
            address++; /* all addresses: Server::Starter has the port alone */
        }
        more = sup_printf("%s%s%s=%zu", ports, count > 0 ? ";" : "", address, count + 3);
        free(ports);
        ports = more;
        more = sup_printf("%s%s%s", names, count > 0 ? ":" : "", *name);
        free(names);
        names = more;
        set(list, socket_variable(*name, count + 3));
    }
    if (count > 0) {
        set(list, sup_printf("SERVER_STARTER_PORT=%s", ports));
        set(list, sup_printf("LISTEN_FDS=%zu", count));
        set(list, sup_printf("LISTEN_FDNAMES=%s", names));
        set(list, sup_strdup("LISTEN_PID=0123456789")); /* sup_spawn() writes the number there */
    }
    free(ports);
    free(names);
}

char **sup_environment(const struct sup_worker *w)
{
    char **list = NULL, path[PATH_MAX];

    for (char **pair = environ; *pair != NULL; pair++) {
        if (!is_own(*pair)) {
            sup_list_add(&list, sup_strdup(*pair));
        }
    }
    set_all(&list, w->file->environment);
    set_all(&list, w->spec->environment);
    set(&list, sup_printf("SHMBUS_BUS=%s", w->file->bus));
    set(&list, sup_printf("SHMBUS_PROGRAM=%s", w->program->name));
    set(&list, sup_printf("SHMBUS_INSTANCE=%u", w->index));
    set(&list, sup_printf("SHMBUS_GENERATION=%u", w->generation));
    set(&list, sup_printf("SHMBUS_WORKER=%d.%ju", getpid(), (uintmax_t)w->serial));
    set(&list, sup_printf("SERVER_STARTER_GENERATION=%u", w->generation));
    if (w->notify.fd >= 0) {
        sup_notify_path(w, path, sizeof path);
        set(&list, sup_printf("NOTIFY_SOCKET=%s", path));
    }
    if (w->spec->watchdog.after_ns > 0) {
        set(&list, sup_printf("WATCHDOG_USEC=%jd", (intmax_t)(w->spec->watchdog.after_ns / 1000)));
    }
    set_sockets(&list, w);
    return list;
}
