# what:  a process that sleeps for a block is not woken
# files: libshmbus/protocol/block.c
# check: model sleep_block
s|sb_event_wake(blocks->freed)|(void)0|
