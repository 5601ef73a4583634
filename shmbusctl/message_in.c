/* SPDX-License-Identifier: MIT */
/* Messages on their way in: a file or stdin, cut at a delimiter. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "message.h"

#define FIRST_ROOM 65536

void message_source_init(struct message_source *source, int fd, int delimiter, size_t limit_bytes)
{
    memset(source, 0, sizeof(*source));
    source->fd = fd;
    source->delimiter = delimiter;
    source->limit_bytes = limit_bytes;
}

void message_source_free(struct message_source *source)
{
    free(source->buffer);
    source->buffer = NULL;
}

/* Room for at least one more byte behind end. */
static int make_room(struct message_source *source)
{
    size_t used = source->end - source->start, room = source->room;
    unsigned char *grown;

    if (source->end < source->room)
        return 0;
    if (source->start) {
        memmove(source->buffer, source->buffer + source->start, used);
        source->start = 0;
        source->end = used;
        return 0;
    }
    room = room ? 2 * room : FIRST_ROOM;
    grown = realloc(source->buffer, room);
    if (!grown)
        return -ENOMEM;
    source->buffer = grown;
    source->room = room;
    return 0;
}

/* More bytes; the wait is the only place where a signal ends it. */
static int fill(struct message_source *source)
{
    int result = make_room(source);
    ssize_t got;

    if (result == 0)
        result = ctl_signals_wait(source->fd, -1);
    if (result < 0)
        return result;
    got = read(source->fd, source->buffer + source->end, source->room - source->end);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    source->at_end = got == 0;
    source->end += (size_t)got;
    return 0;
}

/* Hands out the bytes from start up to @stop and skips @skip behind them. */
static int hand_out(struct message_source *source, size_t stop, size_t skip,
                    unsigned char **ret_data, size_t *ret_bytes)
{
    size_t bytes = stop - source->start;

    source->number++;
    if (bytes > source->limit_bytes)
        return -EMSGSIZE;
    *ret_data = source->buffer + source->start;
    *ret_bytes = bytes;
    source->start = stop + skip;
    return 1;
}

int message_source_next(struct message_source *source, unsigned char **ret_data, size_t *ret_bytes)
{
    size_t looked = 0; /* bytes behind start that are known to hold no delimiter */

    for (;;) {
        const unsigned char *found = NULL;
        size_t used = source->end - source->start;
        int result;

        if (source->delimiter >= 0 && used > looked) /* not before there is a buffer */
            found =
                memchr(source->buffer + source->start + looked, source->delimiter, used - looked);
        if (found)
            return hand_out(source, (size_t)(found - source->buffer), 1, ret_data, ret_bytes);
        looked = used;
        if (source->at_end) {
            /* An unfinished last line counts; so does an empty input that is one message. */
            bool one = used || (source->delimiter < 0 && source->number == 0);

            return one ? hand_out(source, source->end, 0, ret_data, ret_bytes) : 0;
        }
        if (used > source->limit_bytes) {
            source->number++;
            return -EMSGSIZE;
        }
        result = fill(source);
        if (result < 0)
            return result;
    }
}
