/* SPDX-License-Identifier: MIT */
/*
 * NOTIFY_SOCKET of the workers, one for each: who sends is known without asking for a pid, which a
 * short-lived sender (systemd-notify) may not have any more when its message is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../text.h"
#include "memory.h"
#include "sup.h"

enum { MESSAGE_BYTES = 4096, FDS_MAX = 253 };

void sup_notify_path(const struct sup_worker *w, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/notify.%ju", w->program->s->dir, (uintmax_t)w->serial);
}

static void take_line(struct sup_worker *w, const char *line)
{
    struct sup *s = w->program->s;
    char clean[256];

    if (strcmp(line, "READY=1") == 0) {
        w->said_ready = true;
    } else if (strncmp(line, "STATUS=", 7) == 0) {
        text_clean(line + 7, clean, sizeof clean);
        free(w->status);
        w->status = sup_strdup(clean);
    } else if (strcmp(line, "WATCHDOG=1") == 0) {
        w->beat.told_ns = sup_now_ns();
    } else if (strncmp(line, "ERRNO=", 6) == 0) { /* shown, no failure: the exit code decides */
        text_clean(line + 6, clean, sizeof clean);
        sup_event(s, w, "errno", false, "%s pid %d says ERRNO=%s (%s)", w->program->name, w->pid,
                  clean, strerror(atoi(clean)));
    }
}

/* BARRIER=1 brings a pipe whose end its sender waits for: all descriptors are closed at once. */
static void close_received(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            for (size_t i = 0; i < count; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                close(fd);
            }
        }
    }
}

static bool sender_may(const struct sup_worker *w, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;

            memcpy(&sender, CMSG_DATA(c), sizeof sender);
            return sender.uid == 0 || sender.uid == geteuid() ||
                   (w->spec->has_user && sender.uid == w->spec->uid);
        }
    }
    return false;
}

static void on_message(struct sup *s, struct sup_source *source, uint32_t events)
{
    struct sup_worker *w =
        (struct sup_worker *)((char *)source - offsetof(struct sup_worker, notify));
    char text[MESSAGE_BYTES + 1], *left = text, *line;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = MESSAGE_BYTES};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t bytes = recvmsg(source->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    (void)s;
    (void)events;
    if (bytes < 0) {
        return;
    }
    close_received(&message);
    if (!sender_may(w, &message)) {
        return;
    }
    text[bytes] = 0;
    while ((line = strsep(&left, "\n")) != NULL) {
        take_line(w, line);
    }
}

void sup_notify_open(struct sup_worker *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

    sup_notify_path(w, address.sun_path, sizeof address.sun_path);
    unlink(address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return;
    }
    chmod(address.sun_path, 0666); /* its user may be another; who sends is looked at */
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    sup_watch(w->program->s, &w->notify, fd, EPOLLIN, on_message);
}

void sup_notify_close(struct sup_worker *w)
{
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];

    if (w->notify.fd < 0) {
        return;
    }
    sup_notify_path(w, path, sizeof path);
    unlink(path);
    sup_unwatch(w->program->s, &w->notify);
}
