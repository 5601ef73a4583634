# what:  peek shows what was copied without looking at the header again
# files: libshmbus/inspect/peek.c
# check: unit peek_steps.
s/if (sb_load_acquire(&sb_block_in(cls, block)->hdr) != hdr) {/if (false) {/
