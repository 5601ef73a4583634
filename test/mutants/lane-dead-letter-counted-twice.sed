# what:  a dead letter given back counts as a new one
# files: libshmbus/protocol/lane_redelivery.c
# check: unit lane_redelivery.at_its_last_delivery
/^uint32_t sb_lane_requeue/,/^}/ s|if (by == channel) {|if (true) {|
