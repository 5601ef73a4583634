# what:  one who gets no answer from the kernel gives a sign
# files: libshmbus/protocol/sweep.c
# check: unit sweep_round.who_gets_no_answer
/^static enum sb_sweep_role sweep_all(/,/^}/ s/if (!sb_liveness_works(liveness, sweep->slot)) {/if (false) {/
