# what:  a receiver that only cleared a slot for somebody else wakes no sender
# files: libshmbus/channel/queue.c
# check: unit queue.a_receiver_that_only_makes_a_place
s|^    if (sb_queue_of(ch)->ring.freed_slot) {|    if (false) {|
