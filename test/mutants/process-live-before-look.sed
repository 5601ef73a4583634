# what:  a newcomer takes LIVE(s) before it looks whether the slot is FREE
# files: libshmbus/protocol/process.c
# check: unit newcomer.stopped_twice
s/r = is_free(view, slot) ? 0 : -EAGAIN; \/\* J2 \*\//r = 0;/
