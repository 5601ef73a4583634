# what:  who finds that the oldest message has just been taken gives up, although there is room behind it
# files: libshmbus/channel/lanes.c
# check: model lane_drop_gap
/^static int attempt_place/,/^}/ s|^        \*ret_cell = sb_lane_place(lane); /\*.*|        else { return -EAGAIN; }\n        *ret_cell = sb_lane_place(lane);|
