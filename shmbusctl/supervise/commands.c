/* SPDX-License-Identifier: MIT */
/* The supervisor's side of commands over the bus: see commands.h. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "../ctl.h"
#include "commands.h"
#include "memory.h"
#include "sup.h"

enum { AT_ONCE = 16 }; /* then the rest of the loop has its turn */

static int add_queue(struct shmbus_plan *plan, const char *name, enum shmbus_on_full on_full,
                     uint32_t depth, uint64_t bytes, uint32_t producers)
{
    struct shmbus_channel_opts opts = {.struct_bytes = sizeof opts,
                                       .depth = depth,
                                       .on_full = on_full,
                                       .order = SHMBUS_ORDER_PRODUCER,
                                       .message_bytes = bytes,
                                       .producers = producers};
    int r = shmbus_plan_add_channel(plan, name, &opts);

    return r == -EEXIST ? 0 : r;
}

/* In lanes: they take no blocks, so that a bus that is full carries commands still. */
int sup_commands_plan(struct shmbus_plan *plan)
{
    int r = add_queue(plan, SUP_COMMANDS, SHMBUS_FULL_REJECT, SUP_COMMANDS_KEPT, SUP_COMMAND_BYTES,
                      SUP_COMMANDERS);

    return r < 0 ? r
                 : add_queue(plan, SUP_ANSWERS, SHMBUS_FULL_DROP_OLDEST, SUP_ANSWERS_KEPT,
                             SUP_ANSWER_BYTES, 2);
}

/* The row of the asker says that it lives, and is the one that sent this. */
bool sup_asker_lives(const struct sup *s, const struct sup_asker *asker)
{
    struct shmbus_process_stat row = {.struct_bytes = sizeof row};

    return s->bus != NULL && shmbus_process_stat(s->bus, asker->slot, &row) == 0 &&
           row.epoch == asker->epoch && row.life != SHMBUS_LIFE_DEAD;
}

static void on_command(struct sup *s, struct sup_source *source, uint32_t events)
{
    char text[SUP_COMMAND_BYTES + 1];
    struct shmbus_msg info;
    size_t bytes;

    (void)source, (void)events;
    for (int i = 0; i < AT_ONCE && s->commands != NULL; i++) {
        if (shmbus_recv_copy(s->commands, text, sizeof text - 1, &bytes, &info, 0) < 0) {
            return;
        }
        text[bytes] = 0;
        if (info.correlation_id != 0) {
            sup_control_request(s, text,
                                &(const struct sup_asker){.correlation = info.correlation_id,
                                                          .slot = info.sender});
        }
    }
}

/* Without them, or when they are not as needed, commands come over the socket. */
void sup_commands_open(struct sup *s)
{
    unsigned more = SHMBUS_OPEN_EXISTING | SHMBUS_OPEN_QUEUE;
    int fd;

    if (shmbus_channel_open(s->bus, SUP_ANSWERS, SHMBUS_OPEN_SEND | more, NULL, &s->answers) < 0) {
        s->answers = NULL;
        return;
    }
    if (shmbus_channel_size_max(s->answers) < SUP_ANSWER_BYTES ||
        shmbus_channel_open(s->bus, SUP_COMMANDS, SHMBUS_OPEN_RECV | more, NULL, &s->commands) <
            0) {
        s->commands = NULL;
        return;
    }
    fd = shmbus_channel_fd(s->commands);
    if (fd < 0) {
        shmbus_channel_close(s->commands);
        s->commands = NULL;
        return;
    }
    sup_watch(s, &s->command, fd, EPOLLIN, on_command);
}

/* Before the bus is detached. Who waits for an answer sees that this process has left. */
void sup_commands_close(struct sup *s)
{
    if (s->command.fd >= 0) {
        epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->command.fd, NULL);
        s->command.fd = -1; /* the library's to close */
    }
    s->commands = NULL;
    s->answers = NULL;
}

static bool send_part(struct sup *s, uint64_t correlation, unsigned part, unsigned of,
                      const char *data, size_t bytes)
{
    struct shmbus_send_opts opts = SHMBUS_SEND_OPTS_INIT;
    char whole[SUP_ANSWER_BYTES];
    int head = snprintf(whole, SUP_ANSWER_HEAD, "%u %u\n", part, of);

    memcpy(whole + head, data, bytes);
    opts.type = SHMBUS_TYPE_RESPONSE;
    opts.correlation_id = correlation;
    return shmbus_send_with(s->answers, &opts, whole, (size_t)head + bytes, 0) == 0;
}

void sup_commands_taken(struct sup *s, uint64_t correlation)
{
    if (s->answers != NULL) {
        send_part(s, correlation, 0, 0, "", 0);
    }
}

void sup_commands_answer(struct sup *s, uint64_t correlation, const char *text)
{
    const size_t room = SUP_ANSWER_BYTES - SUP_ANSWER_HEAD;
    size_t bytes = strlen(text);
    unsigned of = (unsigned)((bytes + room - 1) / room);

    if (of > SUP_ANSWER_PARTS) {
        text = "{\"too_long\":true}";
        bytes = strlen(text);
        of = 1;
    }
    for (unsigned part = 1; part <= of && s->answers != NULL; part++) {
        size_t now = bytes < room ? bytes : room;

        if (!send_part(s, correlation, part, of, text, now)) {
            return; /* the asker waits until its time is over */
        }
        text += now;
        bytes -= now;
    }
}
