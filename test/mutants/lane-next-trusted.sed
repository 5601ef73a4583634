# what:  who takes a lane over starts at next without walking on
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_taken_over
/^static enum sb_ring_result find_next/,/^}/ s|if (ahead < 0) {|if (true) {|
