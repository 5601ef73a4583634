# what:  a dead letter that nobody has received yet comes before older ones
# files: libshmbus/protocol/ring_mpmc.c
# check: unit order.a_dead_letter
s|if (!late && item->group >= GROUP_LATE)|if (!late \&\& item->group >= 2u * GROUP_LATE)|
