/* SPDX-License-Identifier: MIT */
/*
 * SIGUSR2: the same process with a new binary. Workers stay its children, the lock stays its own,
 * the listening sockets stay open; all else comes back from the state file. The new binary first
 * has to read FILE and find it good, and the state has to be written, or nothing happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "sup.h"

enum { CHECK_SECONDS = 5, CANNOT_RUN = 127 };

/* Where this program came from; what lies there now is the new one. */
static bool own_path(char out[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    ssize_t bytes = readlink("/proc/self/exe", out, PATH_MAX - 1);
    size_t tail = sizeof deleted - 1;

    if (bytes <= 0) {
        return false;
    }
    out[bytes] = 0;
    if ((size_t)bytes > tail && strcmp(out + bytes - tail, deleted) == 0) {
        out[(size_t)bytes - tail] = 0;
    }
    return true;
}

/* NULL: it runs, and accepts FILE. */
static const char *check_binary(const struct sup *s, char *exe)
{
    char verb[] = "supervise", option[] = "--check";
    char *argv[] = {exe, verb, option, s->path, NULL};
    int wait_status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        alarm(CHECK_SECONDS);
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execv(exe, argv);
        _exit(CANNOT_RUN);
    }
    if (pid < 0 || waitpid(pid, &wait_status, 0) != pid) {
        return "cannot be tried";
    }
    if (WIFSIGNALED(wait_status)) {
        return WTERMSIG(wait_status) == SIGALRM ? "does not answer" : "dies";
    }
    if (WEXITSTATUS(wait_status) == CANNOT_RUN) {
        return "cannot be run";
    }
    return WEXITSTATUS(wait_status) == 0 ? NULL : "does not accept FILE";
}

static void keep_open(int fd, bool keep)
{
    fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void hand_over(struct sup *s, bool keep)
{
    char *lock = sup_printf("%d", s->lock_fd), *fds = sup_strdup("");

    keep_open(s->lock_fd, keep);
    for (size_t i = 0; i < s->listener_count; i++) {
        char *more = sup_printf("%s%d ", fds, s->listeners[i].fd);

        free(fds);
        fds = more;
        keep_open(s->listeners[i].fd, keep);
    }
    if (keep) {
        setenv("SHMBUS_SUPERVISE_LOCK", lock, 1);
        setenv("SHMBUS_SUPERVISE_FDS", fds, 1);
    } else {
        unsetenv("SHMBUS_SUPERVISE_LOCK");
        unsetenv("SHMBUS_SUPERVISE_FDS");
    }
    free(lock);
    free(fds);
}

void sup_reexec(struct sup *s)
{
    char exe[PATH_MAX] = "", verb[] = "supervise";
    char *argv[] = {exe, verb, s->path, NULL};

    const char *why = own_path(exe) ? check_binary(s, exe) : "has no path";

    if (why == NULL) {
        s->dirty = true;
        sup_state_save(s);
        why = s->dirty ? "would not find the workers: the state cannot be written" : NULL;
    }
    if (why != NULL) {
        sup_event_of(s, NULL, "binary", true, "the new binary, %s, %s; this one goes on", exe, why);
        return;
    }
    sup_event_of(s, NULL, "binary", false, "%s is run anew in this process", exe);
    hand_over(s, true);
    execv(exe, argv);
    hand_over(s, false);
    sup_event_of(s, NULL, "binary", true, "%s cannot be run: %s; this one goes on", exe,
                 strerror(errno));
}
