# what:  a place is taken for that of the next incarnation of the slot
# files: libshmbus/layout/view.h
# with:  libshmbus/protocol/sweep.c
# check: unit sweep_round.the_place_of_one
s/ || sb_owner64_make(slot, sb_proc_epoch(w)) != owner64) {/) {/
