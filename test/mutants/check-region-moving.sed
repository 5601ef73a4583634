# what:  a region whose lock changes hands meanwhile is reported
# files: libshmbus/inspect/check.c
# check: unit check_steps.what_moves_before_every
s/sb_load_acquire(&region->version) != version ||/false ||/; s/sb_load_acquire(&region->lock) != holder) {/false) {/
