# what:  a handle that is half of all laps behind does not catch up
# files: libshmbus/protocol/ring_mpmc.c
# check: model old_handles
/ static bool catch_up/,/^}/ s|        \*cursor = hinted;|        return false;|
