# what:  a cancelled thread ends while it opens the segment again, with a mutex locked
# files: libshmbus/protocol/liveness.c
# check: unit cancel.no_call
s/int state = sb_cancel_off();/int state = PTHREAD_CANCEL_ENABLE;/
