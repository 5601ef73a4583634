# what:  peek shows a block although its slot has moved on
# files: libshmbus/inspect/peek.c
# check: unit peek_steps.
s/sb_load_acquire(&ch->slots\[sb_slot_index(ticket, ch->depth_shift)\]) == slot) {/true) {/
