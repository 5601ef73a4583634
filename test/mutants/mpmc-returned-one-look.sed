# what:  no N3: the oldest of one look is taken while others are giving back
# files: libshmbus/protocol/returned.c
# check: model returned_behind
s|^        if (now == seq) {|        if (now != 0) {|
