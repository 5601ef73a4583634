# what:  a receiver believes sizes that reach beyond what the sender can have written
# files: libshmbus/protocol/ring_spsc.c
# check: unit stream.
s|        rx->easy += left < rest ? left : rest;|        rx->easy += rx->bytes;|
