# what:  a look at the orphans counts as used up when it begins
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model held_two
s|^    sb_returned_find(|    ring->orphan_seen = seq;\n&|
