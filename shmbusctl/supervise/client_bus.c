/* SPDX-License-Identifier: MIT */
/* The asker's side of commands over the bus: see commands.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../ctl.h"
#include "../json.h"
#include "client.h"
#include "commands.h"
#include "memory.h"
#include "sup.h"

#define LOOK_NS INT64_C(1000000) /* twice as long each time */
#define LOOK_MAX_NS INT64_C(32000000)
#define ASK_AGAIN_NS (5 * SUP_SECOND)

struct asking {
    struct shmbus *bus;
    struct shmbus_channel *commands;
    uint32_t index; /* of the commands' channel */
    uint64_t correlation, epoch;
    bool taken;
    uint32_t slot; /* of the supervisor, once it has taken the request */
    uint64_t slot_epoch;
    unsigned of, have;
    char *parts[SUP_ANSWER_PARTS];
};

static void end(struct asking *a)
{
    for (size_t i = 0; i < SUP_ANSWER_PARTS; i++) {
        free(a->parts[i]);
    }
    shmbus_detach(a->bus);
}

/* Whether a supervisor listens there. */
static bool is_heard(struct asking *a)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};

    return shmbus_channel_stat(a->bus, a->index, &stat) == 0 && stat.receivers > 0;
}

static bool find_channel(struct asking *a)
{
    struct shmbus_channel_stat stat = {.struct_bytes = sizeof stat};
    int r;

    for (a->index = 0; (r = shmbus_channel_stat(a->bus, a->index, &stat)) != -ENOENT; a->index++) {
        if (r == 0 && strcmp(stat.name, SUP_COMMANDS) == 0) {
            return stat.receivers > 0;
        }
        if (r < 0 && r != -ENODATA) {
            return false;
        }
    }
    return false;
}

/* Never waits, and makes nothing: what the bus cannot do now the socket does. */
static bool begin(struct asking *a, const char *name)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus_process_stat own = {.struct_bytes = sizeof own};
    int slot;

    opts.flags = SHMBUS_ATTACH_EXISTING | SHMBUS_ATTACH_NO_WATCHER |
                 (geteuid() == 0 ? SHMBUS_ATTACH_ANY_OWNER : 0);
    opts.process_name = "shmbusctl";
    if (shmbus_attach(name, &opts, &a->bus) < 0) {
        return false;
    }
    slot = shmbus_slot(a->bus);
    if (slot < 0 || !find_channel(a) || shmbus_process_stat(a->bus, (uint32_t)slot, &own) < 0 ||
        shmbus_channel_open(a->bus, SUP_COMMANDS,
                            SHMBUS_OPEN_SEND | SHMBUS_OPEN_EXISTING | SHMBUS_OPEN_QUEUE, NULL,
                            &a->commands) < 0) {
        return false;
    }
    a->epoch = own.epoch;
    while (a->correlation == 0) {
        if (getrandom(&a->correlation, sizeof a->correlation, 0) < 0) {
            return false;
        }
    }
    return true;
}

static bool send_request(struct asking *a, struct json_object *request)
{
    struct shmbus_send_opts opts = SHMBUS_SEND_OPTS_INIT;
    const char *text;

    opts.type = SHMBUS_TYPE_REQUEST;
    opts.correlation_id = a->correlation;
    json_add_count(request, "epoch", a->epoch);
    text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
    return shmbus_send_with(a->commands, &opts, text, strlen(text), 0) == 0;
}

static void note_supervisor(struct asking *a, uint32_t slot)
{
    struct shmbus_process_stat row = {.struct_bytes = sizeof row};

    if (!a->taken && shmbus_process_stat(a->bus, slot, &row) == 0) {
        a->taken = true;
        a->slot = slot;
        a->slot_epoch = row.epoch;
    }
}

static bool look_at(void *context, const struct shmbus_msg *msg)
{
    struct asking *a = context;
    const char *data = msg->data, *head = memchr(data, '\n', msg->size_bytes);
    char line[SUP_ANSWER_HEAD] = "";
    unsigned part, of;

    if (msg->correlation_id != a->correlation || head == NULL ||
        (size_t)(head - data) >= sizeof line) {
        return true;
    }
    memcpy(line, data, (size_t)(head - data));
    if (sscanf(line, "%4u %4u", &part, &of) != 2) {
        return true;
    }
    note_supervisor(a, msg->sender);
    if (part >= 1 && part <= of && of <= SUP_ANSWER_PARTS && (a->of == 0 || a->of == of) &&
        a->parts[part - 1] == NULL) {
        size_t bytes = msg->size_bytes - (size_t)(head + 1 - data);

        a->parts[part - 1] = sup_zalloc(bytes + 1);
        memcpy(a->parts[part - 1], head + 1, bytes);
        a->of = of;
        a->have++;
    }
    return true;
}

static char *joined(const struct asking *a)
{
    char *text = sup_strdup("");

    for (unsigned i = 0; i < a->of; i++) {
        char *more = sup_printf("%s%s", text, a->parts[i]);

        free(text);
        text = more;
    }
    return text;
}

static bool supervisor_lives(struct asking *a)
{
    struct shmbus_process_stat row = {.struct_bytes = sizeof row};

    if (!a->taken) {
        return is_heard(a);
    }
    return shmbus_process_stat(a->bus, a->slot, &row) == 0 && row.epoch == a->slot_epoch &&
           row.life != SHMBUS_LIFE_DEAD;
}

/* An answer that came and fell out while this process was stopped, say, is not waited for. */
static void ask_again(struct asking *a, int64_t *next_ns)
{
    if (a->taken && sup_now_ns() >= *next_ns) {
        struct json_object *request = sup_client_request("waits");

        send_request(a, request);
        json_object_put(request);
        *next_ns = sup_now_ns() + ASK_AGAIN_NS;
    }
}

/* The answer, or NULL: *ret_code says why; SUP_CLIENT_NO_BUS: the supervisor has left. */
static char *await(struct asking *a, int64_t timeout_ns, int *ret_code)
{
    int64_t pause_ns = LOOK_NS, begin_ns = sup_now_ns(), again_ns = begin_ns + ASK_AGAIN_NS;

    for (;;) {
        bool lives = supervisor_lives(a); /* first: what it said last counts */
        int64_t left_ns = timeout_ns < 0 ? LOOK_MAX_NS : begin_ns + timeout_ns - sup_now_ns();
        int r;

        r = shmbus_peek(a->bus, SUP_ANSWERS, SUP_ANSWERS_KEPT * 2, look_at, a);
        if (r >= 0 && a->of > 0 && a->have == a->of) {
            return joined(a);
        }
        if (r < 0 || !lives) {
            *ret_code = SUP_CLIENT_NO_BUS;
            return NULL;
        }
        if (left_ns <= 0) {
            *ret_code = CTL_TIMED_OUT;
            return NULL;
        }
        if (ctl_signals_wait(-1, pause_ns < left_ns ? pause_ns : left_ns) == -EINTR) {
            *ret_code = CTL_SIGNALLED;
            return NULL;
        }
        pause_ns = pause_ns < LOOK_MAX_NS ? 2 * pause_ns : LOOK_MAX_NS;
        ask_again(a, &again_ns);
    }
}

char *sup_client_over_bus(const char *bus, struct json_object *request, int64_t timeout_ns,
                          int *ret_code)
{
    struct asking a = {.bus = NULL};
    char *text = NULL;

    *ret_code = SUP_CLIENT_NO_BUS;
    if (begin(&a, bus)) {
        ctl_signals_catch();
        if (send_request(&a, request)) {
            *ret_code = CTL_DONE;
            text = await(&a, timeout_ns, ret_code);
            if (text == NULL && *ret_code == SUP_CLIENT_NO_BUS) {
                *ret_code = SUP_CLIENT_ENDED;
            }
        }
    }
    if (text != NULL && strstr(text, "\"too_long\"") != NULL && strlen(text) < 32) {
        free(text);
        text = NULL;
        *ret_code = SUP_CLIENT_NO_BUS;
    }
    end(&a);
    return text;
}
