# what:  blocks of shares go into everybody's stocks
# files: libshmbus/protocol/block.c
# check: unit block.
s|bits_between(w, 0, sb_common_of(cls))|bits_between(w, 0, cls->count)|
s|(sb_common_of(cls) + 63) / 64|(cls->count + 63) / 64|
