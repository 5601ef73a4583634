# what:  a message that did not fit the buffer loses one of its deliveries
# files: libshmbus/protocol/mpmc_redelivery.c
# check: unit queue.a_copy_into_too_small_a_buffer_leaves
s|    if (undo && deliveries > 0) {|    if (false) {|
