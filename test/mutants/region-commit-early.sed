# what:  the version becomes even before the words are written
# files: libshmbus/region.c
# check: model region_reader
/^int shmbus_region_write/,/^}/ {
/^    put_bytes(/d
s|^    sb_store_release(&r->version, version + 2); /\* C \*/|&\n    put_bytes(region->view->data, offset_bytes, data, size_bytes);|
}
