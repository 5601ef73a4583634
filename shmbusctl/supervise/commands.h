/* SPDX-License-Identifier: MIT */
/*
 * Commands over the bus: how the two sides speak. doc/decisions has why it is so.
 *
 * A request is a message in the queue SUP_COMMANDS: a line of JSON, as on the control socket, with
 * a random correlation id, and `epoch` of the asker's place in the process table. It is taken and
 * acknowledged in one: a supervisor that dies while it obeys does not obey once more.
 *
 * An answer lies in the queue SUP_ANSWERS, in parts, each with the correlation id and a line
 * "PART OF" in front; "0 0" says that the request was taken. Nobody ever receives from there: the
 * asker looks (shmbus_peek()) for what is its own, and the oldest fall out. So whoever dies
 * meanwhile holds nothing, and leaves nothing but what falls out.
 */
#ifndef SHMBUSCTL_SUPERVISE_COMMANDS_H
#define SHMBUSCTL_SUPERVISE_COMMANDS_H

#define SUP_COMMANDS "supervisor.commands"
#define SUP_ANSWERS "supervisor.answers"

enum {
    SUP_COMMAND_BYTES = 2048,
    SUP_COMMANDS_KEPT = 8,
    SUP_COMMANDERS = 16, /* at once */
    SUP_ANSWER_BYTES = 4096,
    SUP_ANSWER_HEAD = 16,
    SUP_ANSWERS_KEPT = 64,
    SUP_ANSWER_PARTS = 48 /* at most: others need room, too */
};

#endif
