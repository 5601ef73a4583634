/* shmbusctl completion: a completion script, from the table of verbs. */
#include <string.h>

#include "ctl.h"

static const struct ctl_option no_options[] = {{0, NULL, NULL, NULL}};

static void print_options(const struct ctl_verb *verb)
{
    printf("        %s) options='--help", verb->name);
    for (const struct ctl_option *o = verb->options; o->name; o++)
        printf(" --%s%s", o->name, o->value && o->value[0] != '[' ? "=" : "");
    fputs("' ;;\n", stdout);
}

/* Verbs that take buses, and those whose second operand is a channel. */
static void print_verbs_with(const char *operand)
{
    bool first = true;

    for (size_t i = 0; ctl_verbs[i]; i++)
        if (strstr(ctl_verbs[i]->operands, operand)) {
            printf("%s%s", first ? "" : "|", ctl_verbs[i]->name);
            first = false;
        }
}

static void print_bash(void)
{
    fputs("# bash completion of shmbusctl; made by: shmbusctl completion bash\n"
          "_shmbusctl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} bus=${COMP_WORDS[2]}\n"
          "    local options=\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; ctl_verbs[i]; i++)
        printf("%s%s", i ? " " : "", ctl_verbs[i]->name);
    fputs("' -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $verb in\n",
          stdout);
    for (size_t i = 0; ctl_verbs[i]; i++)
        print_options(ctl_verbs[i]);
    fputs("    esac\n"
          "    case $word in\n"
          "        -*)\n"
          "            COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
          "            return ;;\n"
          "    esac\n"
          "    if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
          "        case $verb in\n"
          "            ",
          stdout);
    print_verbs_with("NAME");
    fputs(") options=$(shmbusctl list --no-headings -o name 2>/dev/null) ;;\n"
          "            help) options='",
          stdout);
    for (size_t i = 0; ctl_verbs[i]; i++)
        printf("%s%s", i ? " " : "", ctl_verbs[i]->name);
    fputs("' ;;\n"
          "            completion) options=bash ;;\n"
          "            *) options= ;;\n"
          "        esac\n"
          "    else\n"
          "        case $verb in\n"
          "            ",
          stdout);
    print_verbs_with("CHANNEL");
    fputs(")\n"
          "                options=$(shmbusctl stats --no-headings -o channel -- \"$bus\" "
          "2>/dev/null) ;;\n"
          "            *) options= ;;\n"
          "        esac\n"
          "    fi\n"
          "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "}\n"
          "complete -F _shmbusctl shmbusctl\n",
          stdout);
}

static int run(struct ctl_args *args)
{
    const char *value;

    if (ctl_args_next(args, &value) < 0)
        return args->exit_code;
    if (strcmp(args->operands[0], "bash") != 0)
        return ctl_fail(CTL_USAGE, "no completion for '%s'; there is: bash", args->operands[0]);
    print_bash();
    return CTL_DONE;
}

const struct ctl_verb verb_completion = {
    .name = "completion",
    .operands = "SHELL",
    .summary = "Print a completion script for bash",
    .text = NULL,
    .examples = "shmbusctl completion bash > /etc/bash_completion.d/shmbusctl\n",
    .options = no_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
