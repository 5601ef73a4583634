# what:  a dead letter that nobody has received yet comes before older ones
# files: libshmbus/protocol/mpmc_redelivery.c
# check: unit order.a_dead_letter
/^static bool is_its_turn/,/^}/ s/return item->group < GROUP_LATE ||/return item->group != GROUP_YIELDS ||/
