# what:  a message that did not fit the buffer loses one of its deliveries
# files: libshmbus/protocol/lane_redelivery.c
# check: unit lanes.a_copy_into
/^uint32_t sb_lane_requeue/,/^}/ s|} else if (undo && deliveries > 0) {|} else if (false) {|
