# what:  closing a handle does not give back what it held
# files: libshmbus/channel/queue.c
# check: unit queue.closing_a_handle_gives_back
s|^        give_back_held(ch);||
