# what:  the version becomes odd before the undo area is complete
# files: libshmbus/region.c
# check: model region_writers region_reader
/^int shmbus_region_write/,/^}/ {
/; \/\* U \*\//d
s|^    sb_store_release(&r->version, version + 1); /\* B \*/|&\n    copy_words(region->view->undo, region->view->data, span);|
}
