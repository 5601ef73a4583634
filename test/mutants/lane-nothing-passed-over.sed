# what:  no E1: a receiver waits forever for a ticket that was passed over
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_held
s|^    if ((int64_t)(sb_load_acquire(&rx->channel->lanes\[lane\].skip) - c) <= 0) { /\* E1 \*/|    if (true) {|
