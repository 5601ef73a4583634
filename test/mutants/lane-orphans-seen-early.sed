# what:  a pass over the cells counts for changes that came after it began
# files: libshmbus/protocol/ring_lanes.c
# check: unit lane.what_is_given_back_during
/^SB_SELDOM bool sb_lane_scan_recv/,/^}/ s|scan->seen = scan->want;|scan->seen = seq;|
