# what:  a producer passes over a message that still waits in its next cell
# files: libshmbus/protocol/ring_lanes.c
# check: unit ring_lanes.is_full ring_lanes.drop_oldest
/^struct sb_cell \*sb_lane_other_place/,/^}/ s|if (state == SB_BLOCK_QUEUED) {|if (false) {|
