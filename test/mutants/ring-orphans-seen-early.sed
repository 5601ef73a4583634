# what:  a look at the orphans counts as used up when it begins
# files: libshmbus/protocol/ring_mpmc.c
# check: model held_two
s|^        ring->orphan_want = seq; .*|&\n        ring->orphan_seen = seq;|
