# what:  no N3: the oldest of one look at the cells is taken while others are giving back
# files: libshmbus/protocol/returned.c
# check: model lane_returned_behind
s|^        if (now == seq) {|        if (now != 0) {|
