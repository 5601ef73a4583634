# what:  the version becomes even before the words are written
# files: libshmbus/protocol/region_lock.c
# check: model region_reader
/^void sb_region_put/,/^}/ {
/^    put_bytes(/d
s|^    sb_store_release(&r->version, version + 2); /\* C \*/|&\n    put_bytes(region->data, offset_bytes, data, size_bytes);|
}
