# what:  what a handle reserved does not count as in its hands
# files: libshmbus/channel/queue.c
# check: unit close.each_way
/ void hand_reservation(/,/^}/ s|^    sb_queue_of(ch)->in_blocks++;||
