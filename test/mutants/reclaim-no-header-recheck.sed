# what:  recovery does not look at the header again after reading the location
# files: libshmbus/protocol/reclaim.c
# check: model late_recoverer
s|    return sb_load_acquire(&b->hdr) == hdr;|    return true;|
