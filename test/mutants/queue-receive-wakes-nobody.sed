# what:  a receive does not wake senders that wait for room
# files: libshmbus/queue.c
# check: model sleep_send
s|^    sb_event_wake(&ch->shared->writable);.*||
