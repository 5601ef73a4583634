# what:  a message of a lane that three died with comes only when nothing else waits
# files: libshmbus/protocol/lane_redelivery.c
# check: unit poison.what_three poison.it_does_not_starve
/^static bool is_its_turn/,/^}/ s/ || (int64_t)(scan->passed - item->place) >= 0//
