# what:  A1 is a plain store
# files: libshmbus/protocol/block.c
# check: model tiny_alloc
/^static bool take_block/,/^}/ {
s|^    if (!sb_cas(&b->hdr, hdr,$|    sb_store_release(\&b->hdr,|
s|SB_BLOCK_FILLING, owner))) {|SB_BLOCK_FILLING, owner));\n    if (false) {|
}
