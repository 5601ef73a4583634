/* SPDX-License-Identifier: MIT */
/*
 * Starting a process, so that nobody ever runs who is not written down.
 *
 * The child waits on a socket for the word to begin. The supervisor gives it only when pid and
 * start time are in the state file. Killed before that, the child reads the end of the file and
 * leaves; killed after it, the next supervisor finds the worker in the file. When exec fails the
 * child says so on the same socket, which is closed by an exec that succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"
#include "memory.h"
#include "sockets.h"
#include "sup.h"
#include "usage.h"

enum { FIRST_FD = 3, GROUPS_MAX = 64 };

/* From the child: what it has cleaned, or why it cannot go on. */
struct start_note {
    int error; /* 0: it goes on */
    char what[32];
    struct sup_cleaned cleaned;
};

/* All that the child needs, made before the fork: behind it only system calls are allowed, because
 * the bus has a thread. */
struct start {
    const struct sup_program_spec *spec;
    char **environment;
    char *listen_pid; /* in environment, or NULL */
    char *path;       /* of the command, as found in PATH */
    int fds[SUP_SOCKETS_MAX];
    size_t fd_count;
    gid_t groups[GROUPS_MAX];
    int group_count;
    int socket;
    sigset_t no_signals;
};

uint64_t sup_start_ticks(pid_t pid)
{
    char path[32], text[1024], *field;
    int64_t offset_ticks;
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    bytes = read(fd, text, sizeof text - 1);
    close(fd);
    if (bytes <= 0) {
        return 0;
    }
    text[bytes] = 0;
    field = strrchr(text, ')'); /* the name may have anything in it */
    for (int i = 2; field != NULL && i < 22; i++) {
        field = strchr(field + 1, ' ');
    }
    if (field == NULL) {
        return 0;
    }
    offset_ticks = sup_clock_offset_ns("boottime") / (SUP_SECOND / sysconf(_SC_CLK_TCK));
    return strtoull(field, NULL, 10) - (uint64_t)offset_ticks;
}

/* ------------------------------------------------------------------------------------ the child */

static void leave(const struct start *start, const char *what)
{
    struct start_note note = {.error = errno != 0 ? errno : EIO};

    strncpy(note.what, what, sizeof note.what - 1);
    send(start->socket, &note, sizeof note, MSG_NOSIGNAL);
    _exit(127);
}

static void clean(const struct start *start)
{
    struct start_note note = {.error = 0};

    if (start->spec->clean.directory == NULL) {
        return;
    }
    note.cleaned = sup_clean(&start->spec->clean);
    if (note.cleaned.files > 0 || note.cleaned.error != 0) {
        send(start->socket, &note, sizeof note, MSG_NOSIGNAL);
    }
}

static void write_pid(char *out)
{
    char digits[12];
    size_t count = 0;

    for (pid_t pid = getpid(); pid > 0; pid /= 10) {
        digits[count++] = (char)('0' + pid % 10);
    }
    while (count > 0) {
        *out++ = digits[--count];
    }
    *out = 0;
}

/* The listening sockets become 3, 4, ...; the socket to the supervisor and all others are closed by
 * exec. First out of the way, then into place. */
static void place_descriptors(struct start *start)
{
    int above = FIRST_FD + (int)start->fd_count;

    start->socket = fcntl(start->socket, F_DUPFD_CLOEXEC, above);
    if (start->socket < 0) {
        _exit(127);
    }
    for (size_t i = 0; i < start->fd_count; i++) {
        start->fds[i] = fcntl(start->fds[i], F_DUPFD_CLOEXEC, above);
        if (start->fds[i] < 0) {
            leave(start, "keep its sockets");
        }
    }
    for (size_t i = 0; i < start->fd_count; i++) {
        if (dup2(start->fds[i], FIRST_FD + (int)i) < 0) {
            leave(start, "keep its sockets");
        }
    }
    if (start->socket != above && dup3(start->socket, above, O_CLOEXEC) < 0) {
        _exit(127);
    }
    start->socket = above;
    close_range((unsigned)above + 1, ~0u, 0); /* the supervisor's end is among them: held here, it
                                               * would hide that the supervisor has died */
    close(STDIN_FILENO);
    if (open("/dev/null", O_RDONLY) != STDIN_FILENO) {
        leave(start, "open /dev/null");
    }
}

static void become(const struct start *start)
{
    const struct sup_program_spec *p = start->spec;

    if (p->nice != 0 && nice(p->nice) == -1 && errno != 0) {
        leave(start, "set nice");
    }
    if (p->has_cpus && sched_setaffinity(0, sizeof p->cpu_set, &p->cpu_set) < 0) {
        leave(start, "use these cpus");
    }
    if (p->has_user && geteuid() == 0 &&
        (setgroups((size_t)start->group_count, start->groups) < 0 || setgid(p->gid) < 0 ||
         setuid(p->uid) < 0)) {
        leave(start, "become its user");
    }
    if (p->directory != NULL && chdir(p->directory) < 0) {
        leave(start, "enter its directory");
    }
}

static void child(struct start *start)
{
    char word;

    setsid();
    place_descriptors(start);
    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &start->no_signals, NULL);
    if (recv(start->socket, &word, 1, 0) != 1) {
        _exit(127); /* the supervisor has died before it wrote this process down */
    }
    if (start->listen_pid != NULL) {
        write_pid(start->listen_pid);
    }
    errno = 0;
    become(start);
    clean(start);
    execve(start->path, start->spec->command, start->environment);
    leave(start, "run it");
}

/* ----------------------------------------------------------------------------------- the parent */

static char *find_in_path(const char *command, char *const *environment)
{
    const char *path = "/usr/local/bin:/usr/bin:/bin";
    char *copy, *left, *dir, *found = NULL;

    if (strchr(command, '/') != NULL) {
        return sup_strdup(command);
    }
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0) {
            path = *environment + 5;
        }
    }
    copy = left = sup_strdup(path);
    while (found == NULL && (dir = strsep(&left, ":")) != NULL) {
        found = sup_printf("%s/%s", dir[0] != 0 ? dir : ".", command);
        if (access(found, X_OK) < 0) {
            free(found);
            found = NULL;
        }
    }
    free(copy);
    return found != NULL ? found : sup_strdup(command);
}

char *sup_find_command(const struct sup_worker *w)
{
    char **environment = sup_environment(w), *path;

    path = find_in_path(w->spec->command[0], environment);
    if (path[0] != '/' && w->spec->directory != NULL) { /* that is where exec will look */
        char *whole = sup_printf("%s/%s", w->spec->directory, path);

        free(path);
        path = whole;
    }
    sup_list_free(environment);
    return path;
}

static void prepare(struct start *start, const struct sup_worker *w, int socket)
{
    *start = (struct start){.spec = w->spec, .socket = socket, .group_count = GROUPS_MAX};
    start->environment = sup_environment(w);
    for (char **pair = start->environment; *pair != NULL; pair++) {
        if (strncmp(*pair, "LISTEN_PID=", 11) == 0) {
            start->listen_pid = *pair + 11;
        }
    }
    start->path = find_in_path(w->spec->command[0], start->environment);
    start->fd_count = sup_sockets_of(w, start->fds);
    sigemptyset(&start->no_signals);
    if (w->spec->user == NULL ||
        getgrouplist(w->spec->user, w->spec->gid, start->groups, &start->group_count) < 0) {
        start->groups[0] = w->spec->gid;
        start->group_count = 1;
    }
}

static void say_cleaned(const struct sup_worker *w, const struct sup_cleaned *c)
{
    char trouble[128] = "", of[48] = "";

    if (c->failed > 0) {
        snprintf(of, sizeof of, "%ju could not be removed: ", (uintmax_t)c->failed);
    }
    if (c->error != 0) {
        snprintf(trouble, sizeof trouble, "; %s%s", of, strerror(c->error));
    }
    sup_event(w->program->s, w, "clean", c->error != 0,
              "%s pid %d: %ju files of %ju KiB removed from %s%s", w->program->name, w->pid,
              (uintmax_t)c->files, (uintmax_t)(c->bytes + 1023) / 1024, w->spec->clean.directory,
              trouble);
}

static void start_ended(struct sup *s, struct sup_source *source, uint32_t events)
{
    struct sup_worker *w =
        (struct sup_worker *)((char *)source - offsetof(struct sup_worker, start));
    struct start_note note;
    ssize_t bytes = recv(source->fd, &note, sizeof note, MSG_DONTWAIT);

    (void)events;
    if (bytes == (ssize_t)sizeof note && note.error == 0) {
        say_cleaned(w, &note.cleaned);
        return; /* exec comes next */
    }
    if (bytes == (ssize_t)sizeof note && w->start_error == NULL) {
        note.what[sizeof note.what - 1] = 0;
        w->start_error = sup_printf("cannot %s: %s", note.what, strerror(note.error));
    }
    sup_unwatch(s, source);
}

bool sup_spawn(struct sup_worker *w)
{
    struct sup *s = w->program->s;
    struct start start;
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        w->start_error = sup_printf("cannot start it: %s", strerror(errno));
        return false;
    }
    sup_notify_open(w);
    prepare(&start, w, pair[1]);
    pid = fork();
    if (pid == 0) {
        child(&start);
        _exit(127);
    }
    if (pid < 0) {
        w->start_error = sup_printf("cannot fork: %s", strerror(errno));
        close(pair[0]);
    } else {
        w->pid = pid;
        w->ours = true;
        w->start_ticks = sup_start_ticks(pid);
        w->pidfd = pidfd_open(pid, 0);
        sup_watch(s, &w->start, pair[0], EPOLLIN, start_ended);
        s->dirty = true;
    }
    close(pair[1]);
    sup_list_free(start.environment);
    free(start.path);
    return pid > 0;
}

/* The state file has them all now. */
void sup_workers_begin(struct sup *s)
{
    for (size_t i = 0; i < s->program_count; i++) {
        for (struct sup_worker *w = s->programs[i]->workers; w != NULL; w = w->next) {
            if (!w->told_to_go && w->start.fd >= 0) {
                w->told_to_go = true;
                s->dirty = true;
                send(w->start.fd, "", 1, MSG_NOSIGNAL);
            }
        }
    }
}
