/* SPDX-License-Identifier: MIT */
/* Help, all of it from the table of verbs. */
#include <string.h>

#include "ctl.h"

static const struct {
    int code;
    const char *text;
} exits[] = {
#define EXIT_ROW(name, code, text) {code, text},
    CTL_EXITS(EXIT_ROW)
#undef EXIT_ROW
};

/* Lines of @text, each behind @indent blanks. */
static void print_lines(FILE *out, const char *text, int indent)
{
    while (*text) {
        size_t bytes = strcspn(text, "\n");

        fprintf(out, "%*s%.*s\n", indent, "", (int)bytes, text);
        text += bytes;
        text += *text == '\n';
    }
}

void ctl_help_hanging(FILE *out, const char *text, int indent)
{
    size_t column = (size_t)indent, start = column;

    while (*text) {
        size_t bytes = strcspn(text, " \n");

        if (column > start && column + 1 + bytes > 80) {
            fprintf(out, "\n%*s", indent, "");
            column = start;
        }
        column += (size_t)fprintf(out, "%s%.*s", column > start ? " " : "", (int)bytes, text);
        text += bytes;
        if (*text == '\n' && text[1]) {
            fprintf(out, "\n%*s", indent, "");
            column = start;
        }
        text += *text != 0;
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct ctl_option *option)
{
    char left[64];
    const char *value = option->value ? option->value : "";
    const char *tie = !option->value ? "" : "=";

    if (value[0] == '[')
        snprintf(left, sizeof(left), "--%s[=%s", option->name, value + 1);
    else
        snprintf(left, sizeof(left), "--%s%s%s", option->name, tie, value);
    if (option->id < 256)
        fprintf(out, "  -%c, %-20s ", option->id, left);
    else
        fprintf(out, "      %-20s ", left);
    ctl_help_hanging(out, option->text, 27);
}

void ctl_help_usage(FILE *out, const struct ctl_verb *verb)
{
    fprintf(out, "usage: shmbusctl %s%s%s%s\n", verb->name, verb->operands[0] ? " " : "",
            verb->operands, verb->options->name ? " [OPTION...]" : "");
}

void ctl_help_verb(FILE *out, const struct ctl_verb *verb)
{
    static const struct ctl_option help_option = {'h', "help", NULL, "show this"};

    ctl_help_usage(out, verb);
    fprintf(out, "\n%s.\n", verb->summary);
    if (verb->text) {
        fputc('\n', out);
        ctl_help_hanging(out, verb->text, 0);
    }
    fputs("\nOptions:\n", out);
    for (const struct ctl_option *o = verb->options; o->name; o++)
        print_option(out, o);
    print_option(out, &help_option);
    if (verb->more_help)
        verb->more_help(out);
    fputs("\nExamples:\n", out);
    print_lines(out, verb->examples, 2);
}

void ctl_help_overview(FILE *out)
{
    fputs("usage: shmbusctl VERB [ARGUMENT...] [OPTION...]\n\n"
          "Looks at, feeds and repairs shmbus message buses in shared memory.\n\nVerbs:\n",
          out);
    for (size_t i = 0; ctl_verbs[i]; i++)
        fprintf(out, "  %-11s %s\n", ctl_verbs[i]->name, ctl_verbs[i]->summary);
    fputs("\nNAME is the name of a bus (demo is /dev/shm/shmbus.demo) or its path\n"
          "(/mnt/bus/demo is /mnt/bus/shmbus.demo). Sizes: 4096, 64KiB, 1MiB.\n"
          "Durations: 250ms, 5s, 2m. Colour: only on a terminal and without NO_COLOR.\n"
          "\nFirst steps:\n"
          "  shmbusctl create demo --queue=tasks\n"
          "  shmbusctl send demo tasks 'hello'\n"
          "  shmbusctl stats demo\n"
          "  shmbusctl recv demo tasks\n"
          "  shmbusctl rm demo\n"
          "\nExit codes:\n",
          out);
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
        fprintf(out, "  %-5d %s\n", exits[i].code, exits[i].text);
    fputs("  128+n ended by signal n\n"
          "  doctor has its own: 0 healthy, 1 warning, 2 critical, 3 unknown\n"
          "\n`shmbusctl help VERB` or `shmbusctl VERB --help` explains a verb; the manual\n"
          "page is shmbusctl(1).\n",
          out);
}
