# what:  a reader does not look at the version again
# files: libshmbus/protocol/region_lock.c
# check: model region_reader
s|return sb_load_acquire(&r->version) == version; /\* R \*/|return true;|
