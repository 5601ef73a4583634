# what:  recovery gives back in the order of the blocks
# files: libshmbus/protocol/reclaim.c
# check: model returned_two
# bounds: 0/1/0
/^static void reclaim_blocks(/,/^}/ s|^    give_back_blocks(d);|    memset(d->groups, 0xff, sizeof d->groups);|
