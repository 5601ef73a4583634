# what:  no E2: a ticket below skip is passed without looking at its cell again
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_skip
s|^    if (sb_load_acquire(&cell_in(rx, lane, c)->w) == w) { /\* E2 \*/|    if (true) {|
