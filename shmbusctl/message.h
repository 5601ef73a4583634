/* SPDX-License-Identifier: MIT */
/* Messages on their way in from stdin and out to stdout. */
#ifndef SHMBUSCTL_MESSAGE_H
#define SHMBUSCTL_MESSAGE_H

#include <shmbus/shmbus.h>

enum message_style { MESSAGE_TEXT = 0, MESSAGE_RAW, MESSAGE_HEX, MESSAGE_JSON };

struct message_format {
    enum message_style style;
    bool headers;
    bool escape; /* stdout is a terminal: control characters as \xNN */
};

/* Writes one message to stdout and does not flush. False: it could not be written. */
bool message_write(const struct message_format *format, const char *channel,
                   const struct shmbus_msg *msg);

/* Input cut into messages by a delimiter byte, or not at all. */
struct message_source {
    int fd;
    int delimiter;      /* '\n', 0, or -1: all of it is one message */
    size_t limit_bytes; /* longer ones are refused */
    unsigned char *buffer;
    size_t start, end, room;
    uint64_t number; /* of the message returned last, from 1 */
    bool at_end;
};

void message_source_init(struct message_source *source, int fd, int delimiter, size_t limit_bytes);
/* 1: *ret_data, valid until the next call; 0: no more; -EMSGSIZE, -EINTR (signal), -errno. */
int message_source_next(struct message_source *source, unsigned char **ret_data, size_t *ret_bytes);
void message_source_free(struct message_source *source);

#endif
