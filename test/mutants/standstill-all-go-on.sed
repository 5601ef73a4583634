# what:  a process that waits for room counts as one that goes on
# files: libshmbus/inspect/standstill.c
# check: unit standstill.two_queues
s|look->can_go_on\[slot\] = !waits_for_others(look, slot);|look->can_go_on[slot] = true;|
