# what:  a message that three died with comes only when nothing else waits
# files: libshmbus/protocol/mpmc_redelivery.c
# check: unit poison.what_three poison.it_does_not_starve
/^static bool is_its_turn/,/^}/ s|item->group == GROUP_YIELDS|false|
