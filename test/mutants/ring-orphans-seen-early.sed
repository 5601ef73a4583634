# what:  a pass over the orphans counts as finished when it begins
# files: libshmbus/protocol/ring_mpmc.c
# check: model held_two
s|^            ring->orphan_want = seq;|&\n            ring->orphan_seen = seq;|
