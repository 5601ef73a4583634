/* SPDX-License-Identifier: MIT */
/*
 * react ROUNDS COMMAND...: how soon `graceful` reacts to SIGTERM. Starts it, sends the signal when
 * it says "started", and takes from its last lines when its workers had ended; so many times.
 * Prints the median, and how many were under 10 ms. Exit status 0: more than half of them were.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101 };

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static FILE *start(char **command, pid_t *ret_pid)
{
    int ends[2];

    if (pipe(ends) < 0 || (*ret_pid = fork()) < 0) {
        return NULL;
    }
    if (*ret_pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(command[0], command);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

/* In milliseconds; below 0: it did not say. */
static double react(char **command)
{
    int64_t sent_ns = 0, asked_ns;
    double later_ms, result_ms = -1;
    char line[512];
    pid_t pid;
    FILE *out = start(command, &pid);

    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        const char *asked = strstr(line, "asked to stop at ");

        if (strstr(line, " started ") != NULL) {
            sent_ns = now_ns();
            kill(pid, SIGTERM);
        }
        if (asked != NULL &&
            sscanf(asked, "asked to stop at %" SCNd64 ", the last worker had ended %lf", &asked_ns,
                   &later_ms) == 2) {
            result_ms = (double)(asked_ns - sent_ns) / 1e6 + later_ms;
        }
    }
    if (out != NULL) {
        fclose(out);
        waitpid(pid, NULL, 0);
    }
    return result_ms;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    double times_ms[ROUNDS_MAX];
    int rounds = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0, quick = 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        return 2;
    }
    for (int i = 0; i < rounds; i++) {
        times_ms[i] = react(argv + 2);
        if (times_ms[i] < 0) {
            fprintf(stderr, "react: round %d: no answer\n", i);
            return 2;
        }
        quick += times_ms[i] < 10;
    }
    qsort(times_ms, (size_t)rounds, sizeof times_ms[0], by_size);
    printf("median %.3f ms, largest %.3f ms, under 10 ms: %d of %d\n", times_ms[rounds / 2],
           times_ms[rounds - 1], quick, rounds);
    return quick > rounds / 2 ? 0 : 1;
}
