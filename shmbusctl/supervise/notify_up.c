/* SPDX-License-Identifier: MIT */
/* sd_notify upwards, to systemd or to another supervisor: one datagram, no library. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "memory.h"
#include "sup.h"

/* @with: a descriptor to go with it, or -1. */
static void send_up(const char *text, int with)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = ""};
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_name = &address, .msg_iov = &part, .msg_iovlen = 1};
    int fd;

    if (path == NULL || strlen(path) >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (path[0] == '@') {
        address.sun_path[0] = 0;
    }
    message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (with >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &with, sizeof with);
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(fd);
    }
}

void sup_up_say(struct sup *s, const char *text)
{
    char message[512];

    (void)s;
    snprintf(message, sizeof message, "%s", text);
    if (strcmp(text, "RELOADING=1") == 0) {
        snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%jd",
                 (intmax_t)(sup_now_ns() / 1000));
    }
    send_up(message, -1);
}

/* systemd keeps it, if FileDescriptorStoreMax= lets it, and gives it to the next supervisor. */
void sup_up_hold(const char *name, int fd)
{
    char message[128];

    snprintf(message, sizeof message, "FDSTORE=1\nFDNAME=%s", name);
    send_up(message, fd);
}

void sup_up_release(const char *name)
{
    char message[128];

    snprintf(message, sizeof message, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    send_up(message, -1);
}

void sup_up_init(struct sup *s)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (usec != NULL && (pid == NULL || strtol(pid, NULL, 10) == getpid())) {
        s->watchdog_ns = strtoll(usec, NULL, 10) * 1000 / 2;
    }
}

static bool all_settled(const struct sup *s)
{
    for (size_t i = 0; i < s->program_count; i++) {
        const struct sup_program *p = s->programs[i];

        if (p->rollout.active || p->reloads_asked > p->rollout.number || !sup_program_settled(p)) {
            return false;
        }
    }
    return true;
}

static void say_status(struct sup *s)
{
    uint32_t ready = 0, wanted = 0;
    char *text;

    for (size_t i = 0; i < s->program_count; i++) {
        ready += sup_program_ready_count(s->programs[i]);
        wanted += s->programs[i]->wanted ? s->programs[i]->target : 0;
    }
    text = sup_printf("STATUS=%u of %u workers ready", ready, wanted);
    if (s->said_status == NULL || strcmp(s->said_status, text) != 0) {
        sup_up_say(s, text);
        free(s->said_status);
        s->said_status = text;
    } else {
        free(text);
    }
}

void sup_up_step(struct sup *s)
{
    if (s->stopping) {
        return;
    }
    if (all_settled(s)) {
        if (!s->said_ready) {
            s->said_ready = true;
            sup_up_say(s, "READY=1");
            sup_event_of(s, NULL, "up", false, "all programs have started");
        }
    }
    say_status(s);
    if (s->watchdog_ns > 0) {
        if (s->now_ns >= s->watchdog_next_ns) {
            sup_up_say(s, "WATCHDOG=1");
            s->watchdog_next_ns = s->now_ns + s->watchdog_ns;
        }
        sup_due(s, s->watchdog_next_ns);
    }
}
