# what:  a slot that moves is taken for damage
# files: libshmbus/inspect/check.c
# check: unit check_steps.what_moves_before_every
s/if (good || sb_load_acquire(&ch->shared->head) != head) {/if (good) {/
