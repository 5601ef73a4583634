/* SPDX-License-Identifier: MIT */
/* Up means proved up: a row on the bus, READY=1, a probe, or a time outlived. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http.h"
#include "memory.h"
#include "sup.h"

#define LOOK_AGAIN_NS (SUP_SECOND / 50)

static bool has_row(struct sup_worker *w)
{
    sup_due(w->program->s, w->program->s->now_ns + LOOK_AGAIN_NS);
    return sup_bus_beat_of(w->program->s, w) != NULL;
}

static bool outlived(const struct sup_worker *w)
{
    int64_t when_ns = w->started_ns + w->spec->ready.after_ns;

    sup_due(w->program->s, when_ns);
    return w->program->s->now_ns >= when_ns;
}

bool sup_worker_is_ready(struct sup_worker *w)
{
    switch (w->spec->ready.by) {
    case SUP_READY_BEAT:
        return has_row(w);
    case SUP_READY_NOTIFY:
        return w->said_ready;
    case SUP_READY_COMMAND:
    case SUP_READY_HTTP:
        sup_probe_step(w);
        return w->probe.good;
    case SUP_READY_ALIVE:
        return outlived(w);
    case SUP_READY_ANY:
        return w->said_ready || outlived(w) || has_row(w);
    }
    return false;
}

/* --------------------------------------------------------------------------------------- probes */

static char **probe_environment(const struct sup_worker *w)
{
    char **list = sup_environment(w);

    sup_list_add(&list, sup_printf("SHMBUS_PID=%d", w->pid));
    return list;
}

/* {pid}, {instance} and {generation} in a URL: a shared socket would be answered by anybody. */
static char *fill_in(const char *text, const struct sup_worker *w)
{
    const struct {
        const char *word;
        uint32_t value;
    } words[] = {
        {"{pid}", (uint32_t)w->pid}, {"{instance}", w->index}, {"{generation}", w->generation}};
    char *filled = sup_strdup(text);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char *at;

        while ((at = strstr(filled, words[i].word)) != NULL) {
            char *more = sup_printf("%.*s%u%s", (int)(at - filled), filled, words[i].value,
                                    at + strlen(words[i].word));

            free(filled);
            filled = more;
        }
    }
    return filled;
}

static void probe_child(const struct sup_worker *w, const struct sup_url *url, char **environment)
{
    sigset_t none;

    sigemptyset(&none);
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (url != NULL) {
        _exit(sup_http_ask(url, w->spec->ready.interval_ns));
    }
    signal(SIGPIPE, SIG_DFL);
    if (w->spec->directory != NULL && chdir(w->spec->directory) < 0) {
        _exit(126);
    }
    execvpe(w->spec->ready.command[0], w->spec->ready.command, environment);
    _exit(127);
}

static void start_probe(struct sup_worker *w)
{
    struct sup_probe *probe = &w->probe;
    char *text = w->spec->ready.url != NULL ? fill_in(w->spec->ready.url, w) : NULL;
    char **environment = probe_environment(w);
    struct sup_url url;
    pid_t pid = -1;

    probe->limit_ns = w->program->s->now_ns + w->spec->ready.interval_ns;
    probe->next_ns = probe->limit_ns;
    if (text == NULL || sup_url_parse(text, &url) == NULL) {
        pid = fork();
    }
    if (pid == 0) {
        probe_child(w, text != NULL ? &url : NULL, environment);
    }
    probe->pid = pid > 0 ? pid : 0;
    sup_list_free(environment);
    free(text);
}

void sup_probe_step(struct sup_worker *w)
{
    struct sup_probe *probe = &w->probe;
    int64_t now_ns = w->program->s->now_ns;

    if (probe->pid != 0 && now_ns >= probe->limit_ns) {
        sup_probe_end(w);
    } else if (probe->pid != 0) {
        sup_due(w->program->s, probe->limit_ns);
    } else if (!probe->good && now_ns >= probe->next_ns) {
        start_probe(w);
    }
    sup_due(w->program->s, probe->pid != 0 ? probe->limit_ns : probe->next_ns);
}

/* It is reaped like an orphan. */
void sup_probe_end(struct sup_worker *w)
{
    if (w->probe.pid != 0) {
        kill(-w->probe.pid, SIGKILL);
        kill(w->probe.pid, SIGKILL);
        w->probe.pid = 0;
    }
}

bool sup_probe_reap(struct sup *s, pid_t pid, int wait_status)
{
    for (size_t i = 0; i < s->program_count; i++) {
        for (struct sup_worker *w = s->programs[i]->workers; w != NULL; w = w->next) {
            if (w->probe.pid == pid) {
                w->probe.pid = 0;
                w->probe.good = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
                return true;
            }
        }
    }
    return false;
}
