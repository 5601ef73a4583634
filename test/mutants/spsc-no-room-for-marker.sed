# what:  the sender forgets that the marker needs room, too
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_exact
s|position + pad + need + WORD;|position + pad + need;|
s|end + WORD > |end > |
