/* SPDX-License-Identifier: MIT */
/*
 * Events: one line in the log, one message on the bus, kept for `shmbusctl logs`, and for some an
 * alert. The log is opened for appending and anew on SIGUSR1, so that logrotate may move it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ctl.h"
#include "../json.h"
#include "../text.h"
#include "memory.h"
#include "sup.h"

int sup_log_open(struct sup *s, const struct sup_spec *file)
{
    int fd = STDERR_FILENO;

    if (file->log_file != NULL) {
        fd = open(file->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (fd < 0) {
            return ctl_fail(ctl_exit_of(-errno), "%s: cannot write to the log %s: %s", file->path,
                            file->log_file, strerror(errno));
        }
    }
    if (s->log_fd > STDERR_FILENO) {
        close(s->log_fd);
    }
    s->log_fd = fd;
    s->log_json = file->log_json;
    return CTL_DONE;
}

void sup_log_reopen(struct sup *s)
{
    if (sup_log_open(s, s->file) == CTL_DONE) {
        sup_event_of(s, NULL, "log", false, "the log was opened anew");
    }
}

static void time_text(char out[32])
{
    int64_t now_ns = sup_realtime_ns();
    time_t seconds = (time_t)(now_ns / SUP_SECOND);
    struct tm parts;
    size_t used;

    gmtime_r(&seconds, &parts);
    used = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + used, 32 - used, ".%03dZ", (int)(now_ns / 1000000 % 1000));
}

static void add_worker(struct json_object *object, const struct sup_worker *w)
{
    json_add_signed(object, "pid", w->pid);
    json_add_count(object, "generation", w->generation);
    json_add_count(object, "instance", w->index);
    json_add_text(object, "reason", sup_reason_names[w->stop_asked ? w->stop_reason : w->reason]);
    if (w->old_pid != 0) {
        json_add_signed(object, "old_pid", w->old_pid);
    }
    if (w->dead && w->ours && WIFEXITED(w->wait_status)) {
        json_add_signed(object, "exit_code", WEXITSTATUS(w->wait_status));
    } else if (w->dead && w->ours) {
        json_add_signed(object, "signal", WTERMSIG(w->wait_status));
    }
}

static void keep(struct sup *s, const char *json)
{
    char **place = &s->recent[s->recent_count++ % SUP_RECENT];

    free(*place);
    *place = sup_strdup(json);
}

static void write_line(const struct sup *s, const char *line)
{
    char *whole = sup_printf("%s\n", line); /* in one piece: others may append, too */
    ssize_t written = write(s->log_fd, whole, strlen(whole));

    (void)written; /* a full disk is no reason to stop supervising */
    free(whole);
}

static void emit(struct sup *s, const struct sup_program *p, const struct sup_worker *w,
                 const char *event, bool alert, const char *text)
{
    struct json_object *object = json_document();
    char when[32], *line;
    const char *json;

    time_text(when);
    json_add_text(object, "time", when);
    json_add_text(object, "event", event);
    json_add_text(object, "bus", s->file->bus);
    if (p != NULL) {
        json_add_text(object, "program", p->name);
    }
    if (w != NULL) {
        add_worker(object, w);
    }
    json_add_text(object, "text", text);
    json = json_object_to_json_string_ext(object,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    line = s->log_json ? sup_strdup(json) : sup_printf("%s %-9s %s", when, event, text);
    write_line(s, line);
    free(line);
    keep(s, json);
    sup_bus_event(s, json);
    if (alert) {
        sup_alert(s, json);
    }
    json_object_put(object);
}

void sup_event(struct sup *s, const struct sup_worker *w, const char *event, bool alert,
               const char *format, ...)
{
    char text[1024], clean[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_clean(text, clean, sizeof clean);
    emit(s, w->program, w, event, alert, clean);
}

void sup_event_of(struct sup *s, const struct sup_program *p, const char *event, bool alert,
                  const char *format, ...)
{
    char text[1024], clean[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_clean(text, clean, sizeof clean);
    emit(s, p, NULL, event, alert, clean);
}
