# what:  the canary is put up and taken down, and nobody asks about it
# files: libshmbus/protocol/anchor.c
# check: unit anchor.no_raw_clone
s/r = sb_byte_is_locked(anchor->fd, byte); \/\* T5 \*\//r = 0;/
