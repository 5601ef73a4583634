# what:  the version becomes odd before the undo area is complete
# files: libshmbus/protocol/region_lock.c
# check: model region_writers region_reader
/^void sb_region_put/,/^}/ {
/; \/\* U \*\//d
s|^    sb_store_release(&r->version, version + 1); /\* B \*/|&\n    copy_words(region->undo, region->data, span);|
}
