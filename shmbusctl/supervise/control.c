/* SPDX-License-Identifier: MIT */
/*
 * Commands: one line of JSON in, one out. Over the bus (commands.c), and over the control socket of
 * here, because a supervisor has to obey when the bus is full, damaged or gone as well
 * (doc/decisions has the record).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../ctl.h"
#include "../json.h"
#include "memory.h"
#include "sup.h"

enum { REQUEST_BYTES_MAX = 65536, CLIENTS_MAX = 64 };

/* What a client with "wait" waits for, of one program. */
struct sup_wait {
    struct sup_program *program; /* NULL: done with */
    char *verb;
    uint32_t rollout;
};

struct sup_client {
    struct sup_source source; /* first; its fd is -1 for one that asks over the bus */
    struct sup_client *next;
    struct sup_asker asker;
    bool due;     /* obeyed; the answer goes out when the state is written down */
    bool follows; /* waits for events from `since` on */
    uint64_t since;
    char *in;
    size_t in_bytes;
    char *out;
    size_t out_bytes, out_sent;
    struct sup_wait *waits;
    size_t wait_count;
    int code;
    char *text;
};

/* -------------------------------------------------------------------------------------- clients */

static void client_free(struct sup *s, struct sup_client *c)
{
    struct sup_client **link = &s->clients;

    while (*link != c) {
        link = &(*link)->next;
    }
    *link = c->next;
    sup_unwatch(s, &c->source);
    for (size_t i = 0; i < c->wait_count; i++) {
        free(c->waits[i].verb);
    }
    free(c->waits);
    free(c->text);
    free(c->in);
    free(c->out);
    free(c);
}

static void set_text(struct sup_client *c, int code, char *owned_text)
{
    free(c->text);
    c->code = code;
    c->text = owned_text;
}

/* Sends what the socket takes; false: all is sent, or nobody listens any more. */
static bool send_more(struct sup_client *c)
{
    while (c->out_sent < c->out_bytes) {
        ssize_t bytes = send(c->source.fd, c->out + c->out_sent, c->out_bytes - c->out_sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);

        if (bytes < 0) {
            return errno == EAGAIN;
        }
        c->out_sent += (size_t)bytes;
    }
    return false;
}

static void answer(struct sup *s, struct sup_client *c, struct json_object *document)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP, .data.ptr = &c->source};

    json_add_signed(document, "code", c->code);
    if (c->text != NULL) {
        json_add_text(document, "text", c->text);
    }
    c->out = sup_printf("%s\n", json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
    c->out_bytes = strlen(c->out);
    json_object_put(document);
    if (c->source.fd < 0) {
        sup_commands_answer(s, c->asker.correlation, c->out);
        client_free(s, c);
    } else if (send_more(c)) {
        epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->source.fd, &event);
    } else {
        client_free(s, c);
    }
}

/* -------------------------------------------------------------------------------------- waiting */

static void wait_for(struct sup_client *c, struct sup_program *p, const char *verb)
{
    c->waits = sup_realloc(c->waits, c->wait_count + 1, sizeof *c->waits);
    c->waits[c->wait_count++] =
        (struct sup_wait){.program = p, .verb = sup_strdup(verb), .rollout = p->reloads_asked};
}

static bool anybody_leaves(const struct sup_program *p)
{
    for (const struct sup_worker *w = p->workers; w != NULL; w = w->next) {
        if (w->state == SUP_STOPPING) {
            return true;
        }
    }
    return false;
}

static bool has_given_up(const struct sup_program *p)
{
    return strcmp(sup_program_state(p), "given-up") == 0;
}

/* True when it is over; failures are written into @c. */
static bool is_over(struct sup_client *c, const struct sup_wait *wait)
{
    const struct sup_program *p = wait->program;
    const struct sup_rollout *r = &p->rollout;

    if (strcmp(wait->verb, "stop") == 0) {
        return p->workers == NULL;
    }
    if (!p->wanted) {
        set_text(c, CTL_FAILED, sup_printf("%s was stopped meanwhile", p->name));
        return true;
    }
    if (r->number < wait->rollout || r->active) {
        return false;
    }
    if (wait->rollout > 0 && r->failed_number >= wait->rollout &&
        (strcmp(wait->verb, "reload") == 0 || strcmp(wait->verb, "restart") == 0)) {
        set_text(c, CTL_FAILED,
                 sup_printf("%s: the new generation was rolled back; `shmbusctl "
                            "logs %s` says why",
                            p->name, p->s->file->bus));
        return true;
    }
    if (has_given_up(p)) {
        set_text(c, CTL_FAILED, sup_printf("%s is given up", p->name));
        return true;
    }
    return sup_program_settled(p) && !anybody_leaves(p);
}

static struct json_object *logs(const struct sup *s, uint64_t since)
{
    struct json_object *document = json_document(), *lines = json_object_new_array();
    uint64_t first = s->recent_count > SUP_RECENT ? s->recent_count - SUP_RECENT : 0;

    if (since <= s->recent_count && since > first) {
        first = since;
    }
    for (uint64_t i = first; i < s->recent_count; i++) {
        json_object_array_add(lines, json_tokener_parse(s->recent[i % SUP_RECENT]));
    }
    json_add(document, "events", lines);
    json_add_count(document, "next", s->recent_count);
    return document;
}

/* Who asked over the bus and has died, or waits no more, is forgotten. */
static bool has_left(const struct sup *s, const struct sup_client *c)
{
    return c->source.fd < 0 && !sup_asker_lives(s, &c->asker);
}

static void step_client(struct sup *s, struct sup_client *c)
{
    bool over = true;

    if (c->out != NULL) {
        return;
    }
    if (has_left(s, c)) {
        client_free(s, c);
        return;
    }
    if (c->due) {
        answer(s, c, json_document());
        return;
    }
    if (c->follows) {
        if (c->since != s->recent_count) {
            answer(s, c, logs(s, c->since));
        }
        return;
    }
    if (c->wait_count == 0) {
        return;
    }
    for (size_t i = 0; i < c->wait_count; i++) {
        if (c->waits[i].program != NULL && is_over(c, &c->waits[i])) {
            c->waits[i].program = NULL;
        }
        over = over && c->waits[i].program == NULL;
    }
    if (over) {
        answer(s, c, json_document());
    }
}

void sup_control_step(struct sup *s)
{
    struct sup_client *next;

    for (struct sup_client *c = s->clients; c != NULL; c = next) {
        next = c->next;
        step_client(s, c);
    }
}

void sup_control_forget(struct sup *s, const struct sup_program *p)
{
    for (struct sup_client *c = s->clients; c != NULL; c = c->next) {
        for (size_t i = 0; i < c->wait_count; i++) {
            if (c->waits[i].program == p) {
                c->waits[i].program = NULL;
            }
        }
    }
}

/* ------------------------------------------------------------------------------------- commands */

static void obey_program(struct sup_client *c, struct sup_program *p, const char *verb,
                         uint32_t count)
{
    if (strcmp(verb, "start") == 0) {
        sup_program_wake(p);
    } else if (strcmp(verb, "stop") == 0) {
        p->wanted = false;
    } else if (strcmp(verb, "restart") == 0) {
        if (p->wanted) {
            sup_rollout_ask(p, p->reloads_asked > p->rollout.number ? p->reload_file : p->file,
                            SUP_OPERATOR);
        } else {
            sup_program_wake(p);
        }
    } else if (strcmp(verb, "scale") == 0) {
        if (p->rollout.active || p->reloads_asked > p->rollout.number) {
            set_text(c, CTL_IN_USE,
                     sup_printf("%s is being reloaded; scale it when that is over", p->name));
            return;
        }
        sup_program_resize(p, count);
    }
    p->s->again = p->s->dirty = true;
    wait_for(c, p, verb);
    sup_event_of(p->s, p, "command", false, "%s %s, asked over the %s", verb, p->name,
                 c->source.fd < 0 ? "bus" : "socket");
}

static bool is_reload(const char *verb)
{
    return strcmp(verb, "reload") == 0;
}

/* The programs named, or all; false: one of them is not there. */
static bool choose(struct sup *s, struct sup_client *c, struct json_object *names,
                   struct sup_program **chosen, size_t *ret_count)
{
    size_t count = names != NULL ? json_object_array_length(names) : 0;

    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        struct sup_program *p = name != NULL ? sup_program_find(s, name) : NULL;

        if (p == NULL || p->removed || *ret_count == s->program_count) {
            set_text(c, CTL_NOT_FOUND,
                     sup_printf("there is no program \"%s\"; `shmbusctl status %s` "
                                "lists them",
                                name, s->file->bus));
            return false;
        }
        chosen[(*ret_count)++] = p;
    }
    for (size_t i = 0; count == 0 && i < s->program_count; i++) {
        chosen[(*ret_count)++] = s->programs[i];
    }
    return true;
}

static void reload(struct sup *s, struct sup_client *c, struct sup_program **chosen, size_t count,
                   bool all)
{
    int code = sup_reread(s, all ? NULL : chosen, all ? 0 : count);

    if (code != CTL_DONE) {
        set_text(c, code, sup_strdup(ctl_last_note()));
        return;
    }
    for (size_t i = 0; i < s->program_count; i++) {
        bool waits = all;

        for (size_t k = 0; k < count && !all; k++) {
            waits = waits || chosen[k] == s->programs[i];
        }
        if (waits && s->programs[i]->wanted) {
            wait_for(c, s->programs[i], "reload");
        }
    }
}

static void obey(struct sup *s, struct sup_client *c, const char *verb, struct json_object *request)
{
    struct json_object *names = NULL, *counts = NULL;
    struct sup_program **chosen = sup_realloc(NULL, s->program_count, sizeof(void *));
    size_t count;

    json_object_object_get_ex(request, "programs", &names);
    json_object_object_get_ex(request, "counts", &counts);
    if (s->stopping) {
        set_text(c, CTL_IN_USE, sup_strdup("everything is being stopped"));
    } else if (choose(s, c, names, chosen, &count)) {
        if (is_reload(verb)) {
            reload(s, c, chosen, count, names == NULL || json_object_array_length(names) == 0);
        }
        for (size_t i = 0; i < count && !is_reload(verb); i++) {
            int wanted =
                counts != NULL ? json_object_get_int(json_object_array_get_idx(counts, i)) : 0;

            obey_program(c, chosen[i], verb, (uint32_t)(wanted < 0 ? 0 : wanted));
        }
    }
    free(chosen);
}

static bool is_command(const char *verb)
{
    static const char *const verbs[] = {"start", "stop", "restart", "reload", "scale"};

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i], verb) == 0) {
            return true;
        }
    }
    return false;
}

/* Over the bus: whether a request is one that is waited for still; one whose answer was missed is
 * answered anew. */
static void waits_for(struct sup *s, struct sup_client *c)
{
    for (const struct sup_client *other = s->clients; other != NULL; other = other->next) {
        if (other != c && other->asker.correlation == c->asker.correlation) {
            client_free(s, c);
            return;
        }
    }
    set_text(c, CTL_FAILED,
             sup_printf("the answer was missed; `shmbusctl status %s` says how it went",
                        s->file->bus));
    answer(s, c, json_document());
}

static void command(struct sup *s, struct sup_client *c, const char *verb,
                    struct json_object *request, bool waits)
{
    if (is_command(verb)) {
        obey(s, c, verb, request);
    } else {
        set_text(c, CTL_USAGE, sup_strdup("this supervisor does not know that command"));
    }
    c->due = !waits || c->code != CTL_DONE || c->wait_count == 0;
}

static void handle(struct sup *s, struct sup_client *c, struct json_object *request)
{
    struct json_object *value = NULL;
    const char *verb = "";
    bool waits = false;

    if (json_object_object_get_ex(request, "verb", &value)) {
        verb = json_object_get_string(value);
    }
    if (json_object_object_get_ex(request, "wait", &value)) {
        waits = json_object_get_boolean(value);
    }
    if (json_object_object_get_ex(request, "since", &value)) {
        c->since = json_object_get_uint64(value);
    }
    s->now_ns = sup_now_ns();
    if (strcmp(verb, "status") == 0) {
        answer(s, c, sup_status_json(s, NULL));
    } else if (strcmp(verb, "logs") == 0 && waits && c->since == s->recent_count) {
        c->follows = true;
    } else if (strcmp(verb, "logs") == 0) {
        answer(s, c, logs(s, c->since));
    } else if (strcmp(verb, "waits") == 0 && c->source.fd < 0) {
        waits_for(s, c);
    } else {
        command(s, c, verb, request, waits);
    }
}

static struct sup_client *client_new(struct sup *s)
{
    struct sup_client *c = NULL;
    size_t count = 0;

    for (c = s->clients; c != NULL; c = c->next) {
        count++;
    }
    if (count >= CLIENTS_MAX) {
        return NULL;
    }
    c = sup_zalloc(sizeof *c);
    c->source.fd = -1;
    c->next = s->clients;
    s->clients = c;
    return c;
}

void sup_control_request(struct sup *s, const char *text, const struct sup_asker *asker)
{
    struct json_object *request = json_tokener_parse(text), *value;
    struct sup_client *c = client_new(s);

    if (c != NULL) {
        c->asker = *asker;
        if (json_object_object_get_ex(request, "epoch", &value)) {
            c->asker.epoch = json_object_get_uint64(value);
        }
        if (has_left(s, c)) {
            client_free(s, c); /* what is late is not obeyed */
        } else {
            sup_commands_taken(s, asker->correlation);
            handle(s, c, request);
        }
    }
    json_object_put(request);
}

static void on_client(struct sup *s, struct sup_source *source, uint32_t events)
{
    struct sup_client *c = (struct sup_client *)source;
    ssize_t bytes;

    if (c->out != NULL) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0 || !send_more(c)) {
            client_free(s, c);
        }
        return;
    }
    c->in = sup_realloc(c->in, REQUEST_BYTES_MAX + 1, 1);
    bytes = recv(source->fd, c->in + c->in_bytes, REQUEST_BYTES_MAX - c->in_bytes, MSG_DONTWAIT);
    if (bytes < 0 && errno == EAGAIN) {
        return;
    }
    if (bytes <= 0) {
        client_free(s, c); /* gone, or more than a request can be */
        return;
    }
    c->in_bytes += (size_t)bytes;
    c->in[c->in_bytes] = 0;
    if (c->wait_count == 0 && !c->follows && !c->due && strchr(c->in, '\n') != NULL) {
        struct json_object *request = json_tokener_parse(c->in);

        handle(s, c, request);
        json_object_put(request);
    }
}

static void on_control(struct sup *s, struct sup_source *source, uint32_t events)
{
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    struct sup_client *c = NULL;

    (void)events;
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
        (peer.uid == 0 || peer.uid == geteuid())) {
        c = client_new(s);
    }
    if (c == NULL) {
        close(fd);
        return;
    }
    sup_watch(s, &c->source, fd, EPOLLIN, on_client);
}

int sup_control_open(struct sup *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/control", s->dir);
    unlink(address.sun_path); /* the lock is held: it is left over */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) {
        int code = ctl_fail(CTL_FAILED, "%s: %s", address.sun_path, strerror(errno));

        close(fd);
        return code;
    }
    sup_watch(s, &s->control, fd, EPOLLIN, on_control);
    return CTL_DONE;
}

void sup_control_close(struct sup *s)
{
    while (s->clients != NULL) {
        struct sup_client *c = s->clients;

        if (c->out == NULL && (c->wait_count > 0 || c->follows || c->due)) {
            answer(s, c, json_document());
        } else {
            client_free(s, c);
        }
    }
    sup_unwatch(s, &s->control);
}
