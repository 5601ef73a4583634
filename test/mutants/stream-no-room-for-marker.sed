# what:  the sender forgets that the marker needs room, too
# files: libshmbus/ring_spsc.c
# check: model stream_small stream_sleep
s|position + pad + need + WORD;|position + pad + need;|
