# what:  the sender forgets that the marker needs room, too
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_exact
s|position + pad + need + SB_SPSC_WORD;|position + pad + need;|
s|end + SB_SPSC_WORD > |end > |
