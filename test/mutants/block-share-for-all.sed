# what:  blocks of shares go into everybody's stocks
# files: libshmbus/block.c
# check: unit block.
s|bits_between(w, 0, cls->common)|bits_between(w, 0, cls->count)|
s|(cls->common + 63) / 64|(cls->count + 63) / 64|
