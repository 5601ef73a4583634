/* SPDX-License-Identifier: MIT */
/* Listening sockets: bound once, inherited by every generation. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../ctl.h"
#include "memory.h"
#include "sockets.h"
#include "sup.h"

struct place {
    struct sockaddr_storage address;
    socklen_t bytes;
};

static int type_of(const struct sup_socket_spec *socket)
{
    return socket->net == SUP_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static bool unix_place(const char *path, struct place *ret)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&ret->address;

    if (strlen(path) >= sizeof address->sun_path) {
        return false;
    }
    *ret = (struct place){.bytes = sizeof *address};
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

/* "8080", ":8080", "127.0.0.1:8080", "[::1]:8080"; numbers only: a name may mean something else
 * tomorrow, and looking it up may take long. */
static bool ip_place(const char *text, struct place *ret)
{
    const char *colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
    struct sockaddr_in *four = (struct sockaddr_in *)&ret->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->address;
    char host[64] = "", *end;
    unsigned long number = strtoul(port, &end, 10);

    if (port[0] == 0 || *end != 0 || strspn(port, "0123456789") == 0 || number > 65535 ||
        (colon != NULL && (size_t)(colon - text) >= sizeof host)) {
        return false;
    }
    if (colon != NULL) {
        memcpy(host, text, (size_t)(colon - text));
    }
    memset(ret, 0, sizeof *ret);
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = 0;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)number);
        ret->bytes = sizeof *six;
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)number);
    ret->bytes = sizeof *four;
    if (host[0] == 0) {
        return true;
    }
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &four->sin_addr) == 1;
}

static bool place_of(const struct sup_socket_spec *socket, struct place *ret)
{
    return socket->net == SUP_UNIX ? unix_place(socket->address, ret)
                                   : ip_place(socket->address, ret);
}

int sup_socket_check(const struct sup_spec *spec, const struct sup_socket_spec *socket)
{
    struct place place;
    struct stat file;

    if (!place_of(socket, &place)) {
        return ctl_fail(CTL_USAGE, "%s: socket \"%s\": `%s: %s`: %s", spec->path, socket->name,
                        sup_net_names[socket->net], socket->address,
                        socket->net == SUP_UNIX ? "the path is longer than 107 characters"
                                                : "expected PORT or IP:PORT, in numbers");
    }
    if (socket->net == SUP_UNIX && lstat(socket->address, &file) == 0 && !S_ISSOCK(file.st_mode)) {
        return ctl_fail(CTL_USAGE,
                        "%s: socket \"%s\": %s is there and is no socket; it is not "
                        "touched, name another path",
                        spec->path, socket->name, socket->address);
    }
    return CTL_DONE;
}

/* -------------------------------------------------------------------------------------- binding */

static bool same(const struct sup_socket_spec *a, const struct sup_socket_spec *b)
{
    return a->net == b->net && strcmp(a->address, b->address) == 0;
}

static struct sup_listener *find(const struct sup *s, const struct sup_socket_spec *socket)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (same(&s->listeners[i].spec, socket)) {
            return &s->listeners[i];
        }
    }
    return NULL;
}

static struct sup_listener *add(struct sup *s, const struct sup_socket_spec *socket, int fd)
{
    struct sup_listener *l;

    s->listeners = sup_realloc(s->listeners, s->listener_count + 1, sizeof *l);
    l = &s->listeners[s->listener_count++];
    *l = (struct sup_listener){.spec = *socket, .fd = fd};
    l->spec.name = sup_strdup(socket->name);
    l->spec.address = sup_strdup(socket->address);
    return l;
}

/* A socket file that nobody answers at is left over from somebody killed. */
static bool nobody_answers(const struct place *place, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 &&
                   connect(fd, (const struct sockaddr *)&place->address, place->bytes) < 0 &&
                   errno == ECONNREFUSED;

    close(fd);
    return refused;
}

static int say_failure(const struct sup_spec *spec, const struct sup_socket_spec *socket)
{
    const char *cure = errno == EADDRINUSE ? "; another process has it: `ss -lntup` shows which"
                       : errno == EACCES   ? "; this user may not"
                                           : "";

    return ctl_fail(errno == EADDRINUSE ? CTL_IN_USE : CTL_FAILED,
                    "%s: socket \"%s\": cannot listen at %s: %s%s", spec->path, socket->name,
                    socket->address, strerror(errno), cure);
}

static int bind_unix(int fd, const struct sup_socket_spec *socket, const struct place *place)
{
    struct stat file;
    mode_t before;
    int r;

    if (lstat(socket->address, &file) == 0) {
        if (!S_ISSOCK(file.st_mode)) {
            errno = EEXIST;
            return -1;
        }
        if (!nobody_answers(place, type_of(socket))) {
            errno = EADDRINUSE;
            return -1;
        }
        unlink(socket->address);
    }
    before = umask(0777 & ~socket->mode); /* never open wider, not even for a moment */
    r = bind(fd, (const struct sockaddr *)&place->address, place->bytes);
    umask(before);
    return r;
}

static int open_one(struct sup *s, const struct sup_spec *spec,
                    const struct sup_socket_spec *socket_spec)
{
    struct place place;
    int one = 1, fd, r;

    if (!place_of(socket_spec, &place)) {
        return CTL_USAGE;
    }
    fd = socket(place.address.ss_family, type_of(socket_spec) | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return say_failure(spec, socket_spec);
    }
    if (socket_spec->net == SUP_UNIX) {
        r = bind_unix(fd, socket_spec, &place);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (place.address.ss_family == AF_INET6) {
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        }
        r = bind(fd, (const struct sockaddr *)&place.address, place.bytes);
    }
    if (r < 0 || (socket_spec->net != SUP_UDP && listen(fd, (int)socket_spec->backlog) < 0)) {
        int code = say_failure(spec, socket_spec);

        close(fd);
        return code;
    }
    add(s, socket_spec, fd)->made_path = socket_spec->net == SUP_UNIX;
    return CTL_DONE;
}

static void forget_last(struct sup *s, bool remove_path)
{
    struct sup_listener *l = &s->listeners[--s->listener_count];

    close(l->fd);
    if (l->made_path && remove_path) {
        unlink(l->spec.address);
    }
    if (l->held && remove_path) {
        sup_up_release(l->spec.name);
    }
    free(l->spec.name);
    free(l->spec.address);
}

int sup_sockets_open(struct sup *s, const struct sup_spec *spec)
{
    size_t before = s->listener_count;
    int code = CTL_DONE;

    for (size_t i = 0; i < spec->socket_count && code == CTL_DONE; i++) {
        if (find(s, &spec->sockets[i]) == NULL) {
            code = open_one(s, spec, &spec->sockets[i]);
        }
    }
    while (code != CTL_DONE && s->listener_count > before) {
        forget_last(s, true);
    }
    for (size_t i = 0; i < s->listener_count; i++) {
        struct sup_listener *l = &s->listeners[i];

        if (!l->held) {
            l->held = true;
            sup_up_hold(l->spec.name, l->fd);
        }
    }
    return code;
}

/* Whether a slot, or what FILE says now, may still start workers with it. */
static bool is_used(const struct sup *s, const struct sup_listener *l)
{
    for (size_t i = 0; i < s->file->socket_count; i++) {
        if (same(&s->file->sockets[i], &l->spec)) {
            return true;
        }
    }
    for (size_t i = 0; i < s->program_count; i++) {
        const struct sup_program *p = s->programs[i];

        for (uint32_t k = 0; k < p->slot_count; k++) {
            const struct sup_spec *file = p->slots[k].file;

            for (size_t n = 0; file != NULL && n < file->socket_count; n++) {
                if (same(&file->sockets[n], &l->spec)) {
                    return true;
                }
            }
        }
    }
    return false;
}

void sup_sockets_drop_unused(struct sup *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        if (!is_used(s, &s->listeners[i])) {
            struct sup_listener swapped = s->listeners[i];

            s->listeners[i--] = s->listeners[s->listener_count - 1];
            s->listeners[s->listener_count - 1] = swapped;
            forget_last(s, true);
        }
    }
}

void sup_sockets_close(struct sup *s, bool remove_paths)
{
    while (s->listener_count > 0) {
        forget_last(s, remove_paths);
    }
    free(s->listeners);
}

size_t sup_sockets_of(const struct sup_worker *w, int fds[SUP_SOCKETS_MAX])
{
    size_t count = 0;

    for (char **name = w->spec->sockets; name != NULL && *name != NULL; name++) {
        const struct sup_socket_spec *socket = sup_spec_socket(w->file, *name);
        const struct sup_listener *l = find(w->program->s, socket);

        if (l != NULL && count < SUP_SOCKETS_MAX) {
            fds[count++] = l->fd;
        }
    }
    return count;
}

/* --------------------------------------------------------------- from those who have them still */

static bool listens_at(int fd, const struct sup_socket_spec *socket, const struct place *place)
{
    struct sockaddr_storage at = {0};
    socklen_t bytes = sizeof at, type_bytes = sizeof(int);
    struct stat file;
    int type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) < 0 || type != type_of(socket) ||
        getsockname(fd, (struct sockaddr *)&at, &bytes) < 0 ||
        at.ss_family != place->address.ss_family) {
        return false;
    }
    if (at.ss_family == AF_UNIX) { /* one without its path can be reached by nobody */
        return strcmp(((const struct sockaddr_un *)&at)->sun_path, socket->address) == 0 &&
               lstat(socket->address, &file) == 0 && S_ISSOCK(file.st_mode);
    }
    if (at.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&at,
                                 *b = (const struct sockaddr_in *)&place->address;

        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    return memcmp(&at, &place->address, sizeof(struct sockaddr_in6)) == 0;
}

bool sup_sockets_offer(struct sup *s, int fd)
{
    for (size_t i = 0; i < s->file->socket_count; i++) {
        const struct sup_socket_spec *socket = &s->file->sockets[i];
        struct place place;

        if (find(s, socket) == NULL && place_of(socket, &place) && listens_at(fd, socket, &place)) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            add(s, socket, fd)->made_path = socket->net == SUP_UNIX;
            return true;
        }
    }
    return false;
}

void sup_sockets_rescue(struct sup *s, int pidfd, size_t count)
{
    for (size_t i = 0; i < count && s->listener_count < s->file->socket_count; i++) {
        int fd = pidfd_getfd(pidfd, (int)i + 3, 0);

        if (fd >= 0 && !sup_sockets_offer(s, fd)) {
            close(fd);
        }
    }
}

void sup_sockets_inherit(struct sup *s, const char *fds_text)
{
    long count = fds_text != NULL ? strtol(fds_text, NULL, 10) : 0;

    for (long fd = 3; fd < 3 + count && fd < 1024; fd++) {
        if (sup_sockets_offer(s, (int)fd)) {
            s->listeners[s->listener_count - 1].held = true;
        } else {
            fcntl((int)fd, F_SETFD, FD_CLOEXEC);
        }
    }
}
