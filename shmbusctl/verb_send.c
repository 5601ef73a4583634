/* SPDX-License-Identifier: MIT */
/* shmbusctl send: messages from the command line, a file or stdin. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "message.h"
#include "show.h"
#include "text.h"

enum { OPT_WHOLE_STDIN = 256, OPT_COUNT, OPT_TIMEOUT, OPT_HEX, OPT_CREATE, OPT_ANY_OWNER, OPT_ID };

static const struct ctl_option options[] = {
    {'f', "file", "FILE", "send the content of FILE as one message"},
    {'0', "null", NULL, "messages on stdin end in a zero byte, not in a newline"},
    {OPT_WHOLE_STDIN, "whole-stdin", NULL, "all of stdin is one message"},
    {OPT_HEX, "hex", NULL, "the data is in hexadecimal"},
    {'t', "type", "TYPE", "data, control, request, ... or 0 to 255 (data)"},
    {OPT_ID, "correlation", "N", "correlation id"},
    {'n', "count", "N", "send the message N times"},
    {OPT_TIMEOUT, "timeout", "DUR", "wait for room at most that long (forever)"},
    {OPT_CREATE, "create", NULL, "make the channel if it does not exist"},
    {OPT_ANY_OWNER, "any-owner", NULL, "accept a bus that another user made"},
    {0, NULL, NULL, NULL},
};

struct request {
    const char *file, *data; /* either, or neither: stdin */
    int delimiter;
    bool whole, hex, create, any_owner;
    unsigned type;
    uint64_t correlation_id, count;
    int64_t timeout_ns;
    uint64_t sent;
};

static bool set_type(const char *value, unsigned *ret_type)
{
    const char *names[9] = {NULL}, *near, *name;
    uint64_t number;

    if (text_parse_count(value, &number) && number <= 255) {
        *ret_type = (unsigned)number;
        return true;
    }
    for (unsigned i = 0; i <= SHMBUS_TYPE_STOP; i++) {
        name = shmbus_type_name(i);
        names[i] = name ? name : "";
        if (strcmp(names[i], value) == 0) {
            *ret_type = i;
            return true;
        }
    }
    near = ctl_nearest(value, names);
    if (near)
        ctl_note("--type: unknown type `%s`; did you mean `%s`?", value, near);
    else
        ctl_note("--type: unknown type `%s`; use a name like data or control, or 0 to 255", value);
    return false;
}

static bool take_option(struct request *request, int id, const char *value)
{
    switch (id) {
    case 'f':
        request->file = value;
        return true;
    case '0':
        request->delimiter = 0;
        return true;
    case OPT_WHOLE_STDIN:
        request->whole = true;
        return true;
    case OPT_HEX:
        request->hex = true;
        return true;
    case 't':
        return set_type(value, &request->type);
    case OPT_ID:
        return ctl_arg_count("--correlation", value, 0, UINT64_MAX, &request->correlation_id);
    case 'n':
        return ctl_arg_count("--count", value, 1, UINT64_MAX, &request->count);
    case OPT_TIMEOUT:
        return ctl_arg_duration("--timeout", value, true, &request->timeout_ns);
    case OPT_CREATE:
        request->create = true;
        return true;
    default:
        request->any_owner = true;
        return true;
    }
}

static bool settle(struct request *request)
{
    bool from_stdin = !request->data && !request->file;

    if (request->data && request->file) {
        ctl_note("both DATA and --file given; send one of them");
        return false;
    }
    if (!from_stdin && (request->whole || request->delimiter != '\n')) {
        ctl_note("--null and --whole-stdin are about stdin; leave out %s",
                 request->data ? "DATA" : "--file");
        return false;
    }
    if (from_stdin && !request->whole && request->count != 1) {
        ctl_note("--count repeats one message; with stdin it needs --whole-stdin");
        return false;
    }
    if (request->whole && request->delimiter != '\n') {
        ctl_note("--null and --whole-stdin exclude each other");
        return false;
    }
    if (request->whole || request->file)
        request->delimiter = -1;
    return true;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* @begin_ns: of the call. A wait that ends without a block is a time-out like any other. */
static int fail_send(const struct request *request, int result, const char *channel,
                     int64_t begin_ns)
{
    int code = ctl_fail_bus(result, channel);

    if (code == CTL_WOULD_BLOCK && request->timeout_ns > 0 &&
        now_ns() - begin_ns >= request->timeout_ns)
        code = CTL_TIMED_OUT;

    if (request->sent && code != CTL_SIGNALLED)
        ctl_note("%ju messages were sent before that", (uintmax_t)request->sent);
    return code;
}

/* One payload, as often as asked for; decoded in place. */
static int send_message(struct request *request, struct shmbus_channel *ch, unsigned char *data,
                        size_t size_bytes, uint64_t number)
{
    const struct shmbus_send_opts opts = {.struct_bytes = sizeof(opts),
                                          .type = request->type,
                                          .correlation_id = request->correlation_id};
    size_t bad;
    int result;

    if (request->hex) {
        long decoded = text_from_hex((char *)data, size_bytes, data, &bad);

        if (decoded < 0)
            return ctl_fail(CTL_USAGE, "message %ju: not hexadecimal at character %zu",
                            (uintmax_t)number, bad + 1);
        size_bytes = (size_t)decoded;
    }
    for (uint64_t i = 0; i < request->count; i++) {
        int64_t begin_ns = now_ns();

        result = shmbus_send_with(ch, &opts, data, size_bytes, request->timeout_ns);
        if (result < 0)
            return fail_send(request, result, shmbus_channel_name(ch), begin_ns);
        request->sent++;
    }
    return CTL_DONE;
}

static int send_data(struct request *request, struct shmbus_channel *ch)
{
    unsigned char *copy = (unsigned char *)strdup(request->data);
    int code;

    if (!copy)
        return ctl_fail(CTL_FAILED, "out of memory");
    code = send_message(request, ch, copy, strlen(request->data), 1);
    free(copy);
    return code;
}

static int send_input(struct request *request, struct shmbus_channel *ch, int fd)
{
    struct message_source source;
    size_t limit = shmbus_channel_size_max(ch), bytes;
    unsigned char *data;
    int result, code = CTL_DONE;

    /* Two digits and a blank for each byte. */
    message_source_init(&source, fd, request->delimiter, request->hex ? 3 * limit + 1 : limit);
    while (code == CTL_DONE && (result = message_source_next(&source, &data, &bytes)) != 0) {
        if (result > 0)
            code = send_message(request, ch, data, bytes, source.number);
        else if (result == -EINTR)
            code = CTL_SIGNALLED;
        else if (result == -EMSGSIZE)
            code = ctl_fail(CTL_FAILED,
                            "message %ju is longer than the largest possible, %zu "
                            "bytes; %ju messages were sent",
                            (uintmax_t)source.number, limit, (uintmax_t)request->sent);
        else
            code = ctl_fail(CTL_FAILED, "cannot read %s: %s",
                            request->file ? request->file : "standard input", strerror(-result));
    }
    message_source_free(&source);
    return code;
}

static int send_all(struct request *request, struct shmbus_channel *ch)
{
    int fd = STDIN_FILENO, code;

    if (request->data)
        return send_data(request, ch);
    if (request->file) {
        fd = open(request->file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return ctl_fail(ctl_exit_of(-errno), "cannot open %s: %s", request->file,
                            strerror(errno));
    }
    code = send_input(request, ch, fd);
    if (request->file)
        close(fd);
    return code;
}

static int run(struct ctl_args *args)
{
    struct request request = {.delimiter = '\n', .count = 1, .timeout_ns = SHMBUS_WAIT_FOREVER};
    struct shmbus *bus;
    struct shmbus_channel *ch;
    const char *value;
    int id, result, code;

    while ((id = ctl_args_next(args, &value)) > 0)
        if (!take_option(&request, id, value))
            return CTL_USAGE;
    if (id < 0)
        return args->exit_code;
    request.data = args->operand_count > 2 ? args->operands[2] : NULL;
    if (!settle(&request))
        return CTL_USAGE;
    ctl_signals_catch();
    code = ctl_attach(args->operands[0], request.any_owner, &bus);
    if (code != CTL_DONE)
        return code;
    ctl_signals_bus(bus);
    result = shmbus_channel_open(bus, args->operands[1],
                                 SHMBUS_OPEN_SEND | (request.create ? 0 : SHMBUS_OPEN_EXISTING),
                                 NULL, &ch);
    if (result < 0) {
        code = show_open_failure(bus, args->operands[1], result, "; --create makes a new one");
    } else {
        code = send_all(&request, ch);
        shmbus_channel_close(ch);
    }
    ctl_signals_bus(NULL);
    shmbus_detach(bus);
    return code;
}

const struct ctl_verb verb_send = {
    .name = "send",
    .operands = "NAME CHANNEL [DATA]",
    .summary = "Send messages: DATA, a file, or each line of stdin",
    .text = "Every message is committed on its own; after a failure those before it stay sent. "
            "Options go before `--` when DATA starts with `-`.",
    .examples = "shmbusctl send demo tasks 'hello'\n"
                "seq 100 | shmbusctl send demo tasks --timeout=5s\n"
                "shmbusctl send demo tasks --file=photo.jpg\n"
                "shmbusctl send demo tasks --hex 'de ad be ef' --type=control\n"
                "shmbusctl send demo tasks -- -1\n",
    .options = options,
    .operands_min = 2,
    .operands_max = 3,
    .run = run,
};
