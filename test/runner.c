/* SPDX-License-Identifier: MIT */
/*
 * shmbus-test: runs each test in a process group of its own and looks at what it leaves behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define LOAD_FACTOR 4 /* how many times as long a test may take beside a load */

enum { EXIT_FAILED = 1, EXIT_SKIP = 77, EXIT_USAGE = 2 };
enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

#define SKIPS_MAX 16

struct options {
    const char *filter;
    const char *skips[SKIPS_MAX];
    size_t skip_count;
    uint64_t seed;
    int timeout_factor;
    bool list, verbose, no_fork;
};

static struct t_test *tests;
static size_t test_count;

void t_register(struct t_test *test)
{
    test->next = tests;
    tests = test;
    test_count++;
}

/* By file and line: the order of linking has no say. */
static int compare_tests(const void *a, const void *b)
{
    const struct t_test *x = *(struct t_test *const *)a, *y = *(struct t_test *const *)b;
    int by_file = strcmp(x->file, y->file);
    return by_file != 0 ? by_file : x->line - y->line;
}

static struct t_test **sorted_tests(void)
{
    struct t_test **sorted = calloc(test_count + 1, sizeof(struct t_test *));
    size_t i = 0;
    if (sorted == NULL)
        abort();
    for (struct t_test *t = tests; t != NULL; t = t->next)
        sorted[i++] = t;
    qsort(sorted, test_count, sizeof(struct t_test *), compare_tests);
    return sorted;
}

static bool is_wanted(const struct t_test *test, const struct options *options)
{
    char pattern[256], name[256];
    snprintf(name, sizeof name, "%s.%s", test->suite, test->name);
    for (size_t i = 0; i < options->skip_count; i++)
        if (fnmatch(options->skips[i], name, 0) == 0)
            return false;
    if (options->filter == NULL)
        return true;
    snprintf(pattern, sizeof pattern, "*%s*", options->filter);
    return fnmatch(pattern, name, 0) == 0;
}

/* -------------------------------------------------------------------- inside the test process */

/* Open descriptors, without the one that looks. */
static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -1;
    if (dir == NULL)
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* One CUnit suite with one test, run here. Returns whether every assertion held. */
static bool run_with_cunit(const struct t_test *test)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return false;
    CU_pSuite suite = CU_add_suite(test->suite, NULL, NULL);
    CU_pTest unit = suite != NULL ? CU_add_test(suite, test->name, test->run) : NULL;
    bool good = unit != NULL && CU_run_test(suite, unit) == CUE_SUCCESS &&
                CU_get_number_of_failure_records() == 0;
    for (CU_pFailureRecord f = CU_get_failure_list(); f != NULL; f = f->pNext)
        printf("%s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
    CU_cleanup_registry();
    return good;
}

static int run_here(const struct t_test *test, uint64_t seed)
{
    t_begin(test, seed);
    int descriptors = count_descriptors();
    bool good = run_with_cunit(test);
    int left = count_descriptors() - descriptors;
    if (left != 0) {
        printf("left %d file descriptor(s) open\n", left);
        good = false;
    }
    if (has_children()) {
        printf("left a child process behind\n");
        good = false;
    }
    fflush(NULL);
    return good ? EXIT_SUCCESS : EXIT_FAILED;
}

/* ------------------------------------------------------------------------- around the process */

/* Waits for the end of @pid; after @timeout_s kills the whole group. Returns the wait status. */
static int wait_for(pid_t pid, int timeout_s, bool *ret_timed_out)
{
    int status = 0;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {fd, POLLIN, 0};
    int n;

    do {
        n = poll(&ended, 1, timeout_s * 1000);
    } while (n < 0 && errno == EINTR);
    *ret_timed_out = n == 0;
    kill(-pid, SIGKILL); /* its stragglers, or all of it */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(fd);
    return status;
}

/* Removes what test process @pid left in /dev/shm; returns how much that was. */
static int remove_segments(pid_t pid, FILE *out)
{
    char prefix[24], wanted[40], path[PATH_MAX];
    int count = 0;

    t_bus_prefix(pid, prefix, sizeof prefix);
    snprintf(wanted, sizeof wanted, "shmbus.%s", prefix);
    DIR *dir = opendir("/dev/shm");
    if (dir == NULL)
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strncmp(e->d_name, wanted, strlen(wanted)) != 0)
            continue;
        snprintf(path, sizeof path, "/dev/shm/%s", e->d_name);
        fprintf(out, "left %s\n", path);
        unlink(path);
        count++;
    }
    closedir(dir);
    return count;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_dir(pid_t pid)
{
    char path[PATH_MAX];
    t_dir_path(pid, path, sizeof path);
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void show_output(int fd)
{
    char buffer[4096];
    ssize_t n;
    lseek(fd, 0, SEEK_SET);
    fflush(stdout);
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)n, stdout);
}

/* @ret_why: for a failure that the test itself could not print. */
static enum outcome judge(int status, bool timed_out, int left, char *ret_why, size_t why_bytes)
{
    ret_why[0] = '\0';
    if (timed_out) {
        snprintf(ret_why, why_bytes, "  no end within its time limit, killed\n");
        return FAILED;
    }
    if (WIFSIGNALED(status)) {
        snprintf(ret_why, why_bytes, "  ended by signal %d (%s)\n", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        return FAILED;
    }
    if (WEXITSTATUS(status) == EXIT_SKIP && left == 0)
        return SKIPPED;
    return WEXITSTATUS(status) == 0 && left == 0 ? PASSED : FAILED;
}

static enum outcome run_one(const struct t_test *test, const struct options *options)
{
    static const char *const words[OUTCOMES] = {"ok", "FAIL", "skip"};
    int64_t begin = t_now_ns();
    int output = memfd_create("test-output", MFD_CLOEXEC);
    bool timed_out;
    char why[128];

    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0 || output < 0) {
        perror("shmbus-test");
        exit(EXIT_FAILED);
    }
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        close(output);
        exit(run_here(test, options->seed));
    }
    setpgid(pid, pid);
    int status = wait_for(pid, LOAD_FACTOR * test->timeout_s * options->timeout_factor, &timed_out);

    FILE *out = fdopen(dup(output), "a");
    int left = out != NULL ? remove_segments(pid, out) : 0;
    if (out != NULL)
        fclose(out);
    remove_dir(pid);

    enum outcome outcome = judge(status, timed_out, left, why, sizeof why);
    printf("%-4s %7.1f ms  %s.%s\n", words[outcome], (double)(t_now_ns() - begin) / 1e6,
           test->suite, test->name);
    if (outcome != PASSED || options->verbose)
        show_output(output);
    if (outcome == FAILED)
        printf("%s  %s:%d, seed %" PRIu64 "\n", why, test->file, test->line, options->seed);
    close(output);
    return outcome;
}

/* --------------------------------------------------------------------------------------- main */

static void usage(FILE *out)
{
    fputs("usage: shmbus-test [--list] [--filter PATTERN] [--skip PATTERN] [--seed N]\n"
          "                   [--timeout-factor N] [--verbose] [--no-fork]\n"
          "  --list            only print the names\n"
          "  --filter PATTERN  tests whose SUITE.NAME contains PATTERN (with * ? [ ])\n"
          "  --skip PATTERN    not those whose SUITE.NAME is that; several times\n"
          "  --seed N          of the random numbers; default: from the clock, shown on failure\n"
          "  --timeout-factor  multiplies the time limit of each test\n"
          "  --verbose         show what passing tests print\n"
          "  --no-fork         run in this process, without a time limit: for the debugger\n"
          "exit status: 0 all passed, 1 a test failed, 2 wrong usage or no such test\n",
          out);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option longs[] = {
        {"list", no_argument, NULL, 'l'},
        {"filter", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"timeout-factor", required_argument, NULL, 't'},
        {"verbose", no_argument, NULL, 'v'},
        {"no-fork", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {"skip", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.seed = (uint64_t)t_now_ns(), .timeout_factor = 1};

    for (int c; (c = getopt_long(argc, argv, "lf:s:t:vnh", longs, NULL)) != -1;) {
        switch (c) {
        case 'l':
            options.list = true;
            break;
        case 'f':
            options.filter = optarg;
            break;
        case 'x':
            if (options.skip_count < SKIPS_MAX)
                options.skips[options.skip_count++] = optarg;
            break;
        case 's':
            options.seed = strtoull(optarg, NULL, 0);
            break;
        case 't':
            options.timeout_factor = (int)strtol(optarg, NULL, 10);
            break;
        case 'v':
            options.verbose = true;
            break;
        case 'n':
            options.no_fork = true;
            break;
        case 'h':
            usage(stdout);
            exit(EXIT_SUCCESS);
        default:
            usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    return options;
}

/* One line for config/tools/sum.sh. */
static void append_results(const unsigned counts[OUTCOMES])
{
    const char *path = getenv("T_RESULTS");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%u %u %u shmbus-test\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct t_test **sorted = sorted_tests();
    unsigned counts[OUTCOMES] = {0};
    unsigned wanted = 0;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    for (size_t i = 0; i < test_count; i++) {
        if (!is_wanted(sorted[i], &options))
            continue;
        wanted++;
        if (options.list)
            printf("%s.%s\n", sorted[i]->suite, sorted[i]->name);
        else if (options.no_fork)
            counts[run_here(sorted[i], options.seed) == 0 ? PASSED : FAILED]++;
        else
            counts[run_one(sorted[i], &options)]++;
    }
    free(sorted);
    if (wanted == 0) {
        fputs("shmbus-test: no such test\n", stderr);
        return EXIT_USAGE;
    }
    if (options.list)
        return EXIT_SUCCESS;
    if (counts[SKIPPED] > 0)
        printf("%u skipped\n", counts[SKIPPED]);
    printf("%u passed, %u failed\n", counts[PASSED], counts[FAILED]);
    append_results(counts);
    return counts[FAILED] == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}
