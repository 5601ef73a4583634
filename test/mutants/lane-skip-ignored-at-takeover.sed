# what:  who takes a lane over does not look at skip
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_taken_over
/^static enum sb_ring_result find_next/,/^}/ s|if ((int64_t)(skip - t) > 0) {|if (false) {|
