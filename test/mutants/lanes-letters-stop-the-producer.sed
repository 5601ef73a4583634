# what:  a full lane does not give up its dead letters
# files: libshmbus/channel/lanes.c
# check: unit letters.in_cells_never
s|        !sb_lane_drop_letter(&sb_lanes_of(ch)->lane)) {|        true) {|
