# what:  a look at the cells counts as used up when it begins
# files: libshmbus/protocol/lane_redelivery.c
# check: unit lane_redelivery.what_is_given_back_during
s|^    sb_returned_find(|    scan->seen = seq;\n&|
