/* SPDX-License-Identifier: MIT */
/* shmbusctl: finds the verb, runs it, and makes sure that its output has arrived. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static int unknown_verb(const char *word)
{
    const char *names[32], *near;
    size_t count = 0;

    for (; ctl_verbs[count]; count++)
        names[count] = ctl_verbs[count]->name;
    names[count] = NULL;
    near = ctl_nearest(word, names);
    if (word[0] == '-')
        return ctl_fail(CTL_USAGE,
                        "unknown option `%s`; the verb comes first, see `shmbusctl help`", word);
    if (near)
        return ctl_fail(CTL_USAGE, "unknown verb `%s`; did you mean `%s`?", word, near);
    return ctl_fail(CTL_USAGE, "unknown verb `%s`; `shmbusctl help` lists them", word);
}

/* With a standard descriptor closed, the segment could become "stdout" and be written over. What
 * is put in its place refuses to be used in its role. */
static bool fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            return false;
    return true;
}

static int run(int argc, char **argv)
{
    const struct ctl_verb *verb;
    struct ctl_args args;
    static char help[] = "help", *only_help[] = {NULL, help, NULL};
    const char *word;

    if (argc < 2) {
        argc = 2;
        argv = only_help;
    }
    word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    verb = ctl_verb_find(word);
    if (!verb)
        return unknown_verb(word);
    ctl_set_verb(verb->name);
    ctl_args_init(&args, verb, argc - 1, argv + 1);
    return verb->run(&args);
}

int main(int argc, char **argv)
{
    int code, flushed;

    if (!fill_standard_descriptors())
        return CTL_FAILED;
    code = run(argc, argv);
    flushed = ctl_flush();
    if (flushed == CTL_DONE && fclose(stdout) != 0)
        flushed = ctl_fail(CTL_FAILED, "cannot write to standard output");
    if (code == CTL_DONE)
        code = flushed;
    if (code == CTL_SIGNALLED)
        ctl_signals_die();
    return code;
}
