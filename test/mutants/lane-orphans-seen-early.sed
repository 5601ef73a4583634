# what:  a look at the cells counts as used up when it begins
# files: libshmbus/protocol/lane_redelivery.c
# check: unit lane_redelivery.what_is_given_back_during
s|^        scan->want = seq; .*|&\n        scan->seen = seq;|
