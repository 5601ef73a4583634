# what:  a process that waits for room stands still, whichever process may receive
# files: libshmbus/inspect/standstill.c
# check: unit standstill.two_queues
s|return look->is_received\[channel\] .*|return channel > look->view->channel_count;|
