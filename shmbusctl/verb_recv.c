/* SPDX-License-Identifier: MIT */
/* shmbusctl recv: takes messages; each is acknowledged when its output has been written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "message.h"
#include "show.h"

enum { OPT_TIMEOUT = 256, OPT_HEX, OPT_RAW, OPT_JSON, OPT_HEADERS, OPT_CREATE, OPT_ANY_OWNER };

static const struct ctl_option options[] = {
    {'n', "count", "N", "take N messages (1)"},
    {'f', "follow", NULL, "take messages until interrupted"},
    {OPT_TIMEOUT, "timeout", "DUR", "wait for each at most that long (forever)"},
    {OPT_RAW, "raw", NULL, "print the bytes as they are, without a newline"},
    {OPT_HEX, "hex", NULL, "print in hexadecimal"},
    {OPT_JSON, "json", NULL, "print one JSON object per message"},
    {OPT_HEADERS, "headers", NULL, "print a line with the header in front of each"},
    {OPT_CREATE, "create", NULL, "make the channel if it does not exist"},
    {OPT_ANY_OWNER, "any-owner", NULL, "accept a bus that another user made"},
    {0, NULL, NULL, NULL},
};

struct request {
    struct message_format format;
    uint64_t count;
    int64_t timeout_ns;
    bool follow, create, any_owner;
    unsigned styles; /* how many were asked for */
};

static bool take_option(struct request *request, int id, const char *value)
{
    switch (id) {
    case 'n':
        return ctl_arg_count("--count", value, 1, UINT64_MAX, &request->count);
    case 'f':
        request->follow = true;
        break;
    case OPT_TIMEOUT:
        return ctl_arg_duration("--timeout", value, true, &request->timeout_ns);
    case OPT_RAW:
    case OPT_HEX:
    case OPT_JSON:
        request->format.style = id == OPT_RAW   ? MESSAGE_RAW
                                : id == OPT_HEX ? MESSAGE_HEX
                                                : MESSAGE_JSON;
        request->styles++;
        break;
    case OPT_HEADERS:
        request->format.headers = true;
        break;
    case OPT_CREATE:
        request->create = true;
        break;
    default:
        request->any_owner = true;
        break;
    }
    return true;
}

static bool settle(struct request *request)
{
    if (request->styles > 1) {
        ctl_note("--raw, --hex and --json exclude each other");
        return false;
    }
    if (request->follow && request->count) {
        ctl_note("--follow and --count exclude each other");
        return false;
    }
    if (!request->count)
        request->count = request->follow ? UINT64_MAX : 1;
    return true;
}

static int fail_write(const struct shmbus_msg *msg)
{
    int error = errno;

    ctl_output_lost(); /* what is still in the buffer must not come out after all */
    if (error == EPIPE)
        return ctl_output_end();
    return ctl_fail(CTL_FAILED,
                    "cannot write to standard output: %s; message %ju was not acknowledged",
                    strerror(error), (uintmax_t)msg->sequence);
}

/* Written, all of it handed to the kernel, and from a follower's pipe to its reader, then
 * acknowledged: who dies in between, or has nobody to write to, leaves the message to the next. */
static int pass_on(const struct request *request, const char *channel, struct shmbus_msg *msg)
{
    int result;

    errno = 0;
    if (!message_write(&request->format, channel, msg) || fflush(stdout) != 0)
        return fail_write(msg);
    if (request->follow && !ctl_output_taken())
        return ctl_output_gone() ? ctl_output_end() : CTL_SIGNALLED;
    result = shmbus_release(msg);
    return result < 0 ? ctl_fail_bus(result, channel) : CTL_DONE;
}

static int fail_recv(const struct request *request, int result, const char *channel, uint64_t taken)
{
    bool left = result == -SHMBUS_ERR_PEER_DEAD || result == -SHMBUS_ERR_PEER_CLOSED;

    if (result == -EINTR && ctl_output_gone())
        return ctl_output_end();
    if (request->follow && result == -SHMBUS_ERR_SHUTDOWN)
        return CTL_DONE;
    if (request->follow && left) { /* another sender may come */
        ctl_note("%s: %s", channel, shmbus_strerror(result));
        return CTL_DONE;
    }
    if (taken && request->count > 1 && result != -EINTR)
        ctl_note("%ju of %ju messages were received", (uintmax_t)taken, (uintmax_t)request->count);
    return ctl_fail_bus(result, channel);
}

static int receive(const struct request *request, struct shmbus_channel *ch)
{
    const char *channel = shmbus_channel_name(ch);

    for (uint64_t taken = 0; taken < request->count;) {
        struct shmbus_msg msg;
        int result = ctl_output_gone() ? -EINTR : shmbus_recv(ch, &msg, request->timeout_ns), code;

        if (result < 0) {
            code = fail_recv(request, result, channel, taken);
            if (code != CTL_DONE || result == -SHMBUS_ERR_SHUTDOWN)
                return code;
            continue;
        }
        code = pass_on(request, channel, &msg);
        if (code != CTL_DONE)
            return code;
        taken++;
        if (ctl_signals_caught() && taken < request->count)
            return CTL_SIGNALLED;
    }
    return CTL_DONE;
}

static int run(struct ctl_args *args)
{
    struct request request = {.timeout_ns = SHMBUS_WAIT_FOREVER,
                              .format = {.escape = isatty(STDOUT_FILENO)}};
    struct shmbus *bus;
    struct shmbus_channel *ch;
    const char *value;
    int id, result, code;

    while ((id = ctl_args_next(args, &value)) > 0)
        if (!take_option(&request, id, value))
            return CTL_USAGE;
    if (id < 0)
        return args->exit_code;
    if (!settle(&request))
        return CTL_USAGE;
    ctl_signals_catch();
    code = ctl_attach(args->operands[0], request.any_owner, &bus);
    if (code != CTL_DONE)
        return code;
    ctl_signals_bus(bus);
    ctl_output_watch(bus, request.follow);
    result = shmbus_channel_open(bus, args->operands[1],
                                 SHMBUS_OPEN_RECV | (request.create ? 0 : SHMBUS_OPEN_EXISTING),
                                 NULL, &ch);
    if (result < 0) {
        code = show_open_failure(bus, args->operands[1], result, "; --create makes a new one");
    } else {
        code = receive(&request, ch);
        shmbus_channel_close(ch);
    }
    ctl_signals_bus(NULL);
    ctl_output_unwatch();
    shmbus_detach(bus);
    return code;
}

const struct ctl_verb verb_recv = {
    .name = "recv",
    .operands = "NAME CHANNEL",
    .summary = "Take messages and print them",
    .text =
        "A message is acknowledged when its output has been written; with --follow into a pipe, "
        "when the reader has taken it. If that fails, or if shmbusctl is killed first, it is "
        "delivered again. Ends when nobody reads the pipe any more.",
    .examples = "shmbusctl recv demo tasks\n"
                "shmbusctl recv demo tasks --count=10 --timeout=2s\n"
                "shmbusctl recv demo tasks --follow --headers\n"
                "shmbusctl recv demo tasks --raw > photo.jpg\n",
    .options = options,
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
