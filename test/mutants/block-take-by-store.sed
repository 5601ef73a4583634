# what:  A1 is a plain store
# files: libshmbus/protocol/block.c
# check: model tiny_alloc
s|if (!sb_cas(&b->hdr, hdr, \(sb_hdr_make(sb_gen_next(sb_hdr_gen(hdr)), 0, SB_HTX, owner)\))) {|sb_store_release(\&b->hdr, \1);\n    if (false) {|
