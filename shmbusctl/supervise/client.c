/* SPDX-License-Identifier: MIT */
/* Talking to a supervisor: one command, one answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../ctl.h"
#include "../json.h"
#include "client.h"
#include "memory.h"
#include "sup.h"

struct json_object *sup_client_request(const char *verb)
{
    struct json_object *request = json_object_new_object();

    json_add_text(request, "verb", verb);
    return request;
}

static int connect_to(const char *bus, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *dir = sup_dir_of_bus(bus);
    bool fits = (size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s/control", dir) <
                sizeof address.sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), code = CTL_DONE;

    free(dir);
    if (!fits || fd < 0) {
        code = ctl_fail(CTL_NOT_FOUND, "%s: no such supervisor", bus);
    } else if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno == EACCES || errno == EPERM) {
            code = ctl_fail(CTL_PERMISSION, "%s: the supervisor is another user's", bus);
        } else {
            code = ctl_fail(CTL_NOT_FOUND,
                            "%s has no supervisor; `shmbusctl supervise FILE` "
                            "starts one",
                            bus);
        }
    }
    if (code != CTL_DONE) {
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return CTL_DONE;
}

static bool send_request(int fd, struct json_object *request)
{
    char *line =
        sup_printf("%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
    size_t bytes = strlen(line);
    bool good = send(fd, line, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;

    free(line);
    return good;
}

/* Until the other side closes. NULL: *ret_code says why. */
static char *receive_all(int fd, int64_t timeout_ns, int *ret_code)
{
    int64_t end_ns = sup_now_ns() + timeout_ns;
    size_t used = 0, room = 0;
    char *text = NULL;

    for (;;) {
        int64_t left_ns = timeout_ns < 0 ? -1 : end_ns - sup_now_ns();
        int r = ctl_signals_wait(fd, timeout_ns < 0 ? -1 : left_ns > 0 ? left_ns : 0);
        ssize_t bytes;

        if (r <= 0) {
            *ret_code = r == 0 ? CTL_TIMED_OUT : r == -EINTR ? CTL_SIGNALLED : CTL_FAILED;
            free(text);
            return NULL;
        }
        if (room - used < 65536) {
            room += 65536 + 1;
            text = sup_realloc(text, room, 1);
        }
        bytes = recv(fd, text + used, room - used - 1, 0);
        if (bytes <= 0) {
            text[used] = 0;
            return text;
        }
        used += (size_t)bytes;
    }
}

static char *over_socket(const char *bus, struct json_object *request, int64_t timeout_ns,
                         int *ret_code)
{
    char *text = NULL;
    int fd = -1;

    *ret_code = connect_to(bus, &fd);
    if (*ret_code == CTL_DONE) {
        ctl_signals_catch();
        if (send_request(fd, request)) {
            text = receive_all(fd, timeout_ns, ret_code);
        }
        close(fd);
    }
    return text;
}

/* By the bus; by the socket where that cannot be, or for what may be asked twice. */
static struct json_object *ask(const char *bus, struct json_object *request, bool only_looks,
                               int64_t timeout_ns, int *ret_code)
{
    char *text = sup_client_over_bus(bus, request, timeout_ns, ret_code);
    struct json_object *answer;

    if (*ret_code == SUP_CLIENT_NO_BUS || (*ret_code == SUP_CLIENT_ENDED && only_looks)) {
        text = over_socket(bus, request, timeout_ns, ret_code);
    } else if (*ret_code == SUP_CLIENT_ENDED) {
        *ret_code = CTL_DONE; /* without an answer */
    }
    answer = text != NULL ? json_tokener_parse(text) : NULL;
    free(text);
    return answer;
}

static void say_timed_out(const char *bus, bool waits)
{
    if (waits) {
        ctl_note("%s: not done within the time; it goes on, see `shmbusctl status %s`", bus, bus);
    } else {
        ctl_note("%s: its supervisor does not answer; is it stopped (SIGSTOP, debugger)? "
                 "`shmbusctl ps %s` shows its pid",
                 bus, bus);
    }
}

static bool is_look(struct json_object *request)
{
    struct json_object *verb;
    const char *name =
        json_object_object_get_ex(request, "verb", &verb) ? json_object_get_string(verb) : "";

    return strcmp(name, "status") == 0 || strcmp(name, "logs") == 0;
}

int sup_client_ask(const char *bus, struct json_object *request, int64_t timeout_ns,
                   struct json_object **ret_answer)
{
    struct json_object *answer, *value;
    bool waits =
        json_object_object_get_ex(request, "wait", &value) && json_object_get_boolean(value);
    int code = CTL_DONE;

    answer = ask(bus, request, is_look(request), timeout_ns, &code);
    json_object_put(request);
    if (code == CTL_TIMED_OUT) {
        say_timed_out(bus, waits);
    } else if (code == CTL_DONE && answer == NULL) {
        code = ctl_fail(CTL_FAILED, "%s: the supervisor ended without an answer", bus);
    }
    if (code != CTL_DONE) {
        json_object_put(answer);
        return code;
    }
    if (json_object_object_get_ex(answer, "code", &value) && json_object_get_int(value) != 0) {
        code = json_object_get_int(value);
        ctl_note("%s", json_object_object_get_ex(answer, "text", &value)
                           ? json_object_get_string(value)
                           : "failed");
        json_object_put(answer);
        return code;
    }
    *ret_answer = answer;
    return CTL_DONE;
}
