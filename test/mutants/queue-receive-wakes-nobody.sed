# what:  a receive does not wake senders that wait for room
# files: libshmbus/queue.c
# check: model sleep_send
/^int sb_queue_recv/,/^}/ s|^    sb_event_wake(&ch->view->shared->writable);.*||
