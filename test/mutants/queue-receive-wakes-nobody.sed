# what:  a receive does not wake senders that wait for room
# files: libshmbus/channel/queue.c
# check: model sleep_send
s|^    sb_event_wake(&ch->shared->writable);.*||
