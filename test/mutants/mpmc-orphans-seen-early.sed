# what:  a look at the orphans counts as used up when it begins
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model held_two
s|^        ring->orphan_want = seq; .*|&\n        ring->orphan_seen = seq;|
