# what:  a look at the cells counts as used up when it begins
# files: libshmbus/protocol/ring_lanes.c
# check: unit ring_lanes.what_is_given_back_during
s|^        scan->want = seq; .*|&\n        scan->seen = seq;|
