# what:  a receiver believes sizes that reach beyond what the sender can have written
# files: libshmbus/protocol/ring_spsc.c
# check: unit ring_spsc.
s|        rx->fast_limit += left < rest ? left : rest;|        rx->fast_limit += rx->bytes;|
