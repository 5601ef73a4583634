/* SPDX-License-Identifier: MIT */
/*
 * shmbusctl completion: a completion script for bash, from the table of verbs. The script knows of
 * each verb the options (with the kind of their values) and the operands; names of buses, channels
 * and programs it asks shmbusctl for.
 */
#include <string.h>

#include "ctl.h"

static const struct ctl_option no_options[] = {{0, NULL, NULL, NULL}};

/* "--config=FILE -c=FILE --json": what takes no value has no =. */
static void print_verb(const struct ctl_verb *verb)
{
    printf("        %s)\n            operands='%s' options='--help -h", verb->name, verb->operands);
    for (const struct ctl_option *o = verb->options; o->name; o++) {
        printf(" --%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");
        if (o->id < 256)
            printf(" -%c%s%s", o->id, o->value && o->value[0] != '[' ? "=" : "",
                   o->value && o->value[0] != '[' ? o->value : "");
    }
    fputs("' ;;\n", stdout);
}

static const char head[] = "# bash completion of shmbusctl; made by: shmbusctl completion bash\n"
                           "_shmbusctl_verb() { # the options and operands of verb $1\n"
                           "    case $1 in\n";

/* Bash cuts words at "=" unless COMP_WORDBREAKS says otherwise; both are understood. */
static const char body[] =
    "        *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "_shmbusctl_kind() { # what an option takes: $1 as typed; empty: no value\n"
    "    local o\n"
    "    for o in $options; do\n"
    "        [[ $o == \"$1\"=* ]] && { kind=${o#*=}; return 0; }\n"
    "    done\n"
    "    kind=\n"
    "    return 1\n"
    "}\n"
    "_shmbusctl_reply() { # the words that begin with $cur\n"
    "    local IFS=$'\\n'\n"
    "    COMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
    "}\n"
    "_shmbusctl_value() { # candidates for a value or operand of kind $1\n"
    "    local list last=${cur##*,}\n"
    "    case $1 in\n"
    "        NAME | BUS) list=$(shmbusctl list --no-headings -o name 2>/dev/null) ;;\n"
    "        CHANNEL) list=$(shmbusctl stats --no-headings -o channel -- \"$bus\" 2>/dev/null) ;;\n"
    "        PROGRAM*) list=$(shmbusctl status --no-headings -- \"$bus\" 2>/dev/null |\n"
    "            sed 's/ .*//' | sort -u) ;;\n"
    "        FILE) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return "
    ";;\n"
    "        DIR) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")); return "
    ";;\n"
    "        COLS)\n"
    "            list=$(shmbusctl help \"$verb\" |\n"
    "                sed -n 's/^  \\([a-z][a-z_/]*\\)  *[A-Z][-A-Zs/]*  .*/\\1/p' | sort -u)\n"
    "            [[ $cur == *,* ]] && list=$(printf '%s\\n' \"$list\" | sed \"s|^|${cur%,*},|\")\n"
    "            compopt -o nospace 2>/dev/null ;;\n"
    "        TYPE) "
    "list=$'data\\ncontrol\\nrequest\\nresponse\\nnotification\\nheartbeat\\nerror\\nstop' ;;\n"
    "        MODE) list=$'0600\\n0660\\n0666\\n0640' ;;\n"
    "        VERB) list=$_shmbusctl_verbs ;;\n"
    "        SHELL) list=bash ;;\n"
    "        status) list=status ;;\n"
    "        *) return ;;\n"
    "    esac\n"
    "    _shmbusctl_reply \"$list\"\n"
    "}\n"
    "_shmbusctl() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} bus= operands= options= kind=\n"
    "    local i word given=() previous=${COMP_WORDS[COMP_CWORD-1]} dashes=\n"
    "    COMPREPLY=()\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        _shmbusctl_reply \"$_shmbusctl_verbs\"\n"
    "        return\n"
    "    fi\n"
    "    _shmbusctl_verb \"$verb\" || return\n"
    "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ -z $dashes && $word == -- ]]; then\n"
    "            dashes=yes\n"
    "        elif [[ -z $dashes && $word == -?* ]]; then\n"
    "            [[ $word != *=* ]] && _shmbusctl_kind \"$word\" && [[ $kind != '['* ]] && i=$((i "
    "+ 1))\n"
    "            [[ ${COMP_WORDS[i]} == '=' ]] && i=$((i + 1))\n"
    "        elif [[ $word != '=' ]]; then\n"
    "            given+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    bus=${given[0]:-}\n"
    "    if [[ -z $dashes ]]; then\n"
    "        if [[ $cur == '=' ]]; then\n"
    "            cur= && _shmbusctl_kind \"$previous\" && _shmbusctl_value \"$kind\"\n"
    "            return\n"
    "        elif [[ $previous == '=' && $COMP_CWORD -gt 2 ]]; then\n"
    "            _shmbusctl_kind \"${COMP_WORDS[COMP_CWORD-2]}\" && _shmbusctl_value \"$kind\"\n"
    "            return\n"
    "        elif [[ $previous == -?* ]] && _shmbusctl_kind \"$previous\" && [[ $kind != '['* ]]; "
    "then\n"
    "            _shmbusctl_value \"$kind\"\n"
    "            return\n"
    "        elif [[ $cur == --*=* ]]; then\n"
    "            word=${cur%%=*} cur=${cur#*=}\n"
    "            _shmbusctl_kind \"$word\" && _shmbusctl_value \"$kind\"\n"
    "            COMPREPLY=(\"${COMPREPLY[@]/#/$word=}\")\n"
    "            return\n"
    "        elif [[ $cur == -* ]]; then\n"
    "            _shmbusctl_reply \"$(printf '%s\\n' $options | sed -n "
    "'s/^\\(--[^=]*=*\\).*/\\1/p')\"\n"
    "            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
    "            return\n"
    "        fi\n"
    "    fi\n"
    "    operands=${operands//[][]/}\n"
    "    set -- $operands\n"
    "    for ((i = 0; i < ${#given[@]} && $# > 0; i++)); do\n"
    "        [[ $1 == *... ]] || shift\n"
    "    done\n"
    "    [ \"$verb\" = rollout ] && bus=${given[1]:-}\n"
    "    [ $# -gt 0 ] && _shmbusctl_value \"${1%...}\"\n"
    "}\n"
    "complete -F _shmbusctl shmbusctl\n";

static void print_bash(void)
{
    fputs(head, stdout);
    for (size_t i = 0; ctl_verbs[i]; i++)
        print_verb(ctl_verbs[i]);
    fputs(body, stdout);
    fputs("_shmbusctl_verbs='", stdout);
    for (size_t i = 0; ctl_verbs[i]; i++)
        printf("%s\n", ctl_verbs[i]->name);
    fputs("'\n", stdout);
}

static int run(struct ctl_args *args)
{
    const char *value;

    if (ctl_args_next(args, &value) < 0)
        return args->exit_code;
    if (strcmp(args->operands[0], "bash") != 0)
        return ctl_fail(CTL_USAGE, "no completion for `%s`; there is: bash", args->operands[0]);
    print_bash();
    return CTL_DONE;
}

const struct ctl_verb verb_completion = {
    .name = "completion",
    .operands = "SHELL",
    .summary = "Print a completion script for bash",
    .text = "Put it where bash-completion looks, or read it in with: source <(shmbusctl completion "
            "bash). zsh reads it after: autoload -U +X bashcompinit && bashcompinit.",
    .examples = "shmbusctl completion bash > /etc/bash_completion.d/shmbusctl\n",
    .options = no_options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
