# what:  a producer that sleeps is not told of a dead letter that gives way
# files: libshmbus/channel/lanes.c
# check: model lane_letters_sleep
/^int sb_lanes_requeue(/,/^}/ s|sb_event_wake(&view->channels\[msg->opaque_\[2\]\].shared->writable);||
