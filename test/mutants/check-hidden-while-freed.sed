# what:  is_hidden does not look at the header again
# files: libshmbus/inspect/check.c
# check: unit check_steps.what_moves_before_any
s/            sb_load_acquire(&sb_block_in(cls, block)->hdr) != hdr) {/            false) {/
