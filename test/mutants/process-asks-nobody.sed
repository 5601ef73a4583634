# what:  a member counts as dead when somebody asks, whatever the lock says
# files: libshmbus/protocol/oracle.c
# check: unit process.stopped_is_silent
s|    if (!ask(oracle, slot, 0, NULL)) { /\* K2 \*/|    if (false) {|
