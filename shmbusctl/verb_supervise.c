/* SPDX-License-Identifier: MIT */
/* shmbusctl supervise: starts, watches and replaces what runs on a bus. */
#include "ctl.h"
#include "supervise/spec.h"
#include "supervise/sup.h"

enum { OPT_CHECK = 256, OPT_DRY_RUN };

static const struct ctl_option options[] = {
    {OPT_CHECK, "check", NULL, "read FILE, say what is wrong or print the plan, start nothing"},
    {OPT_DRY_RUN, "dry-run", NULL, "the same as --check"},
    {0, NULL, NULL, NULL},
};

static int run(struct ctl_args *args)
{
    bool check = false;
    struct sup_spec *spec;
    const char *value;
    int id, code;

    while ((id = ctl_args_next(args, &value)) > 0) {
        check = true;
    }
    if (id < 0) {
        return args->exit_code;
    }
    if (!check) {
        sup_block_signals();
    }
    spec = sup_spec_read(args->operands[0], &code);
    if (spec == NULL) {
        return code;
    }
    code = sup_spec_check(spec);
    if (code == CTL_DONE && !check) {
        return sup_main(spec);
    }
    if (code == CTL_DONE) {
        sup_spec_print(spec);
    }
    sup_spec_drop(spec);
    return code;
}

const struct ctl_verb verb_supervise = {
    .name = "supervise",
    .operands = "FILE",
    .summary = "Start, watch and replace the programs that FILE names",
    .text = "Runs until SIGTERM or SIGINT, which stop all programs in reverse order. SIGHUP reads "
            "FILE again and puts a new generation in the place of the old one, SIGUSR1 opens the "
            "log anew, SIGUSR2 runs a new binary of shmbusctl in the same process. Killed and "
            "started again, it takes over the workers that live. shmbus-supervise(5) describes "
            "FILE.",
    .examples = "shmbusctl supervise --check workers.yaml\n"
                "shmbusctl supervise workers.yaml\n",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
