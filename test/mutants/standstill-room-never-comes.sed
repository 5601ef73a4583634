# what:  whoever waits for room stands still, whoever may receive
# files: libshmbus/inspect/standstill.c
# check: unit standstill.two_queues
s|return look->is_received\[channel\] .*|return channel > look->view->channel_count;|
