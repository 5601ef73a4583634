# what:  dead letters that find no place pile up with their queue although the oldest may go
# files: libshmbus/protocol/letters.c
# check: unit letters.of_one_queue
s|if (r != SB_RING_BUSY && (r != SB_RING_FULL .*|if (r != SB_RING_BUSY) {|
