/* SPDX-License-Identifier: MIT */
/*
 * shmbusctl on broken segments and broken configurations, as a loop of processes: each must end by
 * itself, soon, with a documented exit code, and must not send anything to the terminal that a
 * terminal would obey.
 *
 *   cli SHMBUSCTL CORPUS OUTPUT SECONDS [SEED]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define TEXT_MAX 8192u
#define SEEDS_MAX 512u
#define HANG_MS 60000
#define SANITIZER_EXIT "97"
#define ARGS_MAX 8u

extern char **environ;

struct bytes {
    uint8_t *data;
    size_t size;
};

struct run {
    const char *program, *output;
    char dir[64]; /* of the segment */
    char bus[96]; /* its name */
    char config[96];
    struct fuzz_image images[FUZZ_KINDS];
    struct bytes inputs[SEEDS_MAX], texts[SEEDS_MAX];
    size_t input_count, text_count;
    int segment_fd, said_fd;
    uint64_t random;
    uint64_t execs, failures;
};

/* One command line; BUS, DIR and FILE stand for those of the run. @doctor: has exit codes of its
 * own; @text: shows payload as it is. */
struct command {
    const char *args[ARGS_MAX];
    bool config, doctor, text;
};

static const struct command commands[] = {
    {{"stats", "BUS"}, false, false, false},
    {{"stats", "BUS", "--json"}, false, false, false},
    {{"stats", "BUS", "--bytes", "--processes", "--blocks", "--regions"}, false, false, false},
    {{"ps", "BUS"}, false, false, false},
    {{"ps", "BUS", "--json"}, false, false, false},
    {{"list", "--dir", "DIR"}, false, false, false},
    {{"list", "--dir", "DIR", "--json"}, false, false, false},
    {{"peek", "BUS", "q", "--headers", "--hex"}, false, false, false},
    {{"peek", "BUS", "st", "--json"}, false, false, false},
    {{"peek", "BUS", "drop", "--raw"}, false, false, true},
    {{"peek", "BUS", "s", "--headers"}, false, false, true},
    {{"doctor", "BUS"}, false, true, false},
    {{"doctor", "--dir", "DIR", "--json"}, false, true, false},
    {{"create", "--dry-run", "-c", "FILE"}, true, false, false},
    {{"create", "--dry-run", "x", "-c", "FILE", "--queue=more:depth=8"}, true, false, false},
    {{"reclaim", "BUS"}, false, false, false},
    {{"recv", "BUS", "q", "--timeout=0", "--json"}, false, false, false},
    {{"recv", "BUS", "s", "--timeout=0", "--hex"}, false, false, false},
};

/* --------------------------------------------------------------------------------------- inputs */

static struct bytes read_file(const char *path)
{
    struct bytes b = {malloc(TEXT_MAX), 0};
    FILE *file = fopen(path, "re");

    if (b.data == NULL || file == NULL) {
        fuzz_fail("%s cannot be read", path);
    }
    b.size = fread(b.data, 1, TEXT_MAX / 2, file);
    fclose(file);
    return b;
}

static size_t read_directory(const char *corpus, const char *target, struct bytes *out)
{
    char path[512];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s", corpus, target);
    dir = opendir(path);
    if (dir == NULL) {
        fuzz_fail("%s: %s", path, strerror(errno));
    }
    while ((entry = readdir(dir)) != NULL && count < SEEDS_MAX) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s/%s", corpus, target, entry->d_name);
            out[count++] = read_file(path);
        }
    }
    closedir(dir);
    if (count == 0) {
        fuzz_fail("%s/%s is empty", corpus, target);
    }
    return count;
}

static void make_segment(struct run *run)
{
    static uint8_t bytes[FUZZ_SEGMENT_MAX];
    uint8_t input[1 + FUZZ_RECORDS_MAX * FUZZ_RECORD_BYTES] = {0};
    struct fuzz_record records[FUZZ_RECORDS_MAX];
    const struct bytes *seed = &run->inputs[fuzz_random(&run->random) % run->input_count];
    size_t size = seed->size < sizeof input ? seed->size : sizeof input, count;
    const struct fuzz_image *image;
    unsigned flags = 0;

    memcpy(input, seed->data, size);
    for (uint64_t n = fuzz_random(&run->random) % 8u; n > 0; n--) {
        size = fuzz_mutate(input, size, sizeof input, &run->random);
    }
    count = fuzz_parse(input, size, &flags, records);
    image = &run->images[fuzz_kind_of(flags)];
    memcpy(bytes, image->bytes, FUZZ_SEGMENT_MAX);
    size = image->size;
    for (size_t i = 0; i < count; i++) {
        if (!fuzz_is_call(&records[i])) {
            fuzz_change(bytes, size, image->geometry, &records[i]);
        }
    }
    if ((flags & FUZZ_RESIZE) == 0 || count == 0) {
        fuzz_image_fix(bytes, &size); /* what is refused at once teaches little here */
    } else {
        size = (size_t)(records[0].value % FUZZ_SEGMENT_MAX);
    }
    fuzz_file_write(run->segment_fd, bytes, size);
}

static size_t mutate_text(uint8_t *text, size_t size, uint64_t *random)
{
    static const char *const words[] = {"999999999999999999999",
                                        "-1",
                                        "16EiB",
                                        "1024",
                                        "kind: stream",
                                        "q",
                                        "dead_letter: q",
                                        "\n  - ",
                                        "{",
                                        "}",
                                        "[",
                                        ": ",
                                        "\x1b[31m",
                                        "0",
                                        "null",
                                        "5s",
                                        "\t",
                                        "&a ",
                                        "*a",
                                        "bus: x",
                                        "\xff",
                                        "memory: 1MiB"};
    uint64_t r = fuzz_random(random);
    size_t at = size > 0 ? (r >> 16) % size : 0, n = (r >> 40) % 24u;
    const char *word = words[(r >> 48) % (sizeof words / sizeof words[0])];

    switch (r % 4u) {
    case 0:
        n = n < size - at ? n : size - at;
        memmove(text + at, text + at + n, size - at - n);
        return size - n;
    case 1:
        n = strlen(word);
        break;
    default:
        if (size > 0) {
            text[at] =
                (uint8_t)(r % 4u == 2 ? text[at] ^ (1u << (r >> 8 & 7u)) : text[(r >> 24) % size]);
        }
        return size;
    }
    if (size + n > TEXT_MAX) {
        return size;
    }
    memmove(text + at + n, text + at, size - at);
    memcpy(text + at, word, n);
    return size + n;
}

static void make_config(struct run *run)
{
    static uint8_t text[TEXT_MAX];
    const struct bytes *seed = &run->texts[fuzz_random(&run->random) % run->text_count];
    size_t size = seed->size;
    FILE *file = fopen(run->config, "we");

    memcpy(text, seed->data, size);
    for (uint64_t n = fuzz_random(&run->random) % 5u; n > 0; n--) {
        size = mutate_text(text, size, &run->random);
    }
    if (file == NULL || fwrite(text, 1, size, file) != size || fclose(file) != 0) {
        fuzz_fail("%s cannot be written", run->config);
    }
}

/* ------------------------------------------------------------------------------------ processes */

static const char *argument(const struct run *run, const char *arg)
{
    return strcmp(arg, "BUS") == 0    ? run->bus
           : strcmp(arg, "DIR") == 0  ? run->dir
           : strcmp(arg, "FILE") == 0 ? run->config
                                      : arg;
}

/* The status as waitpid() gives it, -1 if it did not end. What it said goes to said_fd. */
static int execute(const struct run *run, const struct command *command)
{
    const char *argv[ARGS_MAX + 2] = {run->program};
    posix_spawn_file_actions_t actions;
    struct pollfd ended = {.events = POLLIN};
    int status = -1, ready;
    pid_t pid;

    for (unsigned i = 0; i < ARGS_MAX && command->args[i] != NULL; i++) {
        argv[i + 1] = argument(run, command->args[i]);
    }
    if (ftruncate(run->said_fd, 0) < 0 || lseek(run->said_fd, 0, SEEK_SET) < 0) {
        fuzz_fail("the output cannot be emptied");
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, run->said_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, run->said_fd, STDERR_FILENO);
    if (posix_spawn(&pid, run->program, &actions, NULL, (char *const *)(uintptr_t)argv, environ) !=
        0) {
        fuzz_fail("%s cannot be started", run->program);
    }
    posix_spawn_file_actions_destroy(&actions);
    ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    ready = poll(&ended, 1, HANG_MS);
    close(ended.fd);
    if (ready == 0) {
        kill(pid, SIGKILL);
    }
    waitpid(pid, &status, 0);
    return ready == 0 ? -1 : status;
}

static bool is_clean(const struct run *run, char *text, size_t size)
{
    ssize_t n = pread(run->said_fd, text, size - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < ' ' && text[i] != '\n') {
            return false;
        }
    }
    return true;
}

/* What is wrong with how it ended; NULL: nothing. */
static const char *verdict(const struct run *run, const struct command *command, int status,
                           char *said, size_t said_bytes)
{
    bool clean = is_clean(run, said, said_bytes);

    if (status == -1) {
        return "hangs";
    }
    if (WIFSIGNALED(status)) {
        return "was killed by a signal";
    }
    if (WEXITSTATUS(status) > (command->doctor ? 3 : 8)) {
        return "has an exit code that is not documented";
    }
    if (WEXITSTATUS(status) != 0 && said[0] == '\0') {
        return "fails without a word";
    }
    return clean || command->text ? NULL : "prints control characters";
}

static void copy_file(const char *from, const char *to)
{
    char buffer[4096];
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    size_t n;

    while (in != NULL && out != NULL && (n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        fwrite(buffer, 1, n, out);
    }
    if (in != NULL) {
        fclose(in);
    }
    if (out != NULL) {
        fclose(out);
    }
}

static void report(struct run *run, const struct command *command, const char *what, int status,
                   const char *said)
{
    char kept[512], segment[128];

    run->failures++;
    snprintf(segment, sizeof segment, "%s/shmbus.x", run->dir);
    if (command->config) {
        snprintf(kept, sizeof kept, "%s/cli-%d-%llu.yaml", run->output, (int)getpid(),
                 (unsigned long long)run->execs);
        copy_file(run->config, kept);
    } else {
        snprintf(kept, sizeof kept, "%s/shmbus.cli-%d-%llu", run->output, (int)getpid(),
                 (unsigned long long)run->execs);
        copy_file(segment, kept);
    }
    fprintf(stderr, "fuzz: shmbusctl");
    for (unsigned i = 0; i < ARGS_MAX && command->args[i] != NULL; i++) {
        fprintf(stderr, " %s", command->args[i]);
    }
    fprintf(stderr, " %s (status %#x)\n%.4000s\nfuzz: reproducer: %s\n", what, (unsigned)status,
            said, kept);
}

static void try_one(struct run *run)
{
    static char said[1u << 16];
    const struct command *command =
        &commands[fuzz_random(&run->random) % (sizeof commands / sizeof commands[0])];
    const char *what;
    int status;

    if (command->config) {
        make_config(run);
    } else {
        make_segment(run);
    }
    status = execute(run, command);
    run->execs++;
    what = verdict(run, command, status, said, sizeof said);
    if (what != NULL) {
        report(run, command, what, status, said);
    }
}

static void prepare(struct run *run, const char *corpus)
{
    setenv("ASAN_OPTIONS", "exitcode=" SANITIZER_EXIT, 1);
    setenv("UBSAN_OPTIONS", "print_stacktrace=1:exitcode=" SANITIZER_EXIT, 1);
    setenv("LSAN_OPTIONS", "exitcode=" SANITIZER_EXIT, 1);
    snprintf(run->dir, sizeof run->dir, SHMBUS_DIR_DEFAULT "/fuzz-cli-%d", (int)getpid());
    snprintf(run->bus, sizeof run->bus, "%s/x", run->dir);
    snprintf(run->config, sizeof run->config, "%s/config.yaml", run->dir);
    if (mkdir(run->dir, 0700) < 0) {
        fuzz_fail("%s: %s", run->dir, strerror(errno));
    }
    for (unsigned i = 0; i < FUZZ_KINDS; i++) {
        fuzz_image_make(run->bus, (enum fuzz_kind)i, &run->images[i]);
    }
    run->segment_fd = fuzz_file_make(run->bus);
    run->said_fd = memfd_create("said", MFD_CLOEXEC);
    run->input_count = read_directory(corpus, "attach", run->inputs);
    run->text_count = read_directory(corpus, "yaml", run->texts);
}

static void clean_up(struct run *run)
{
    char path[128];

    snprintf(path, sizeof path, "%s/shmbus.x", run->dir);
    unlink(path);
    unlink(run->config);
    rmdir(run->dir);
}

int main(int argc, char **argv)
{
    static struct run run;
    time_t start = time(NULL);
    unsigned long seconds;

    if (argc < 5) {
        fputs("usage: cli SHMBUSCTL CORPUS OUTPUT SECONDS [SEED]\n", stderr);
        return 2;
    }
    run.program = argv[1];
    run.output = argv[3];
    seconds = strtoul(argv[4], NULL, 10);
    run.random = argc > 5 ? strtoull(argv[5], NULL, 0) : (uint64_t)start * 2654435761u;
    run.random += run.random == 0;
    fprintf(stderr, "fuzz: cli: seed %#llx\n", (unsigned long long)run.random);
    prepare(&run, argv[2]);
    while ((unsigned long)(time(NULL) - start) < seconds && run.failures < 5) {
        try_one(&run);
    }
    clean_up(&run);
    fprintf(stderr, "stat::number_of_executed_units: %llu\n", (unsigned long long)run.execs);
    return run.failures != 0;
}
