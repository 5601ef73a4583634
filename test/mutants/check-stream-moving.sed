# what:  stream positions that move are taken for damage
# files: libshmbus/inspect/check.c
# check: unit check_steps.what_moves_before_every
s/if (good || sb_load_acquire(&ch->shared->acked) != acked) {/if (good) {/
