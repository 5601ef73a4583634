# what:  a member counts as dead when somebody asks, whatever the lock says
# files: libshmbus/protocol/liveness.c
# check: unit process.stopped_is_silent
s|    if (!ask(liveness, slot, 0, NULL)) { /\* K2 \*/|    if (false) {|
