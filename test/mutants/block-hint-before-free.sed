# what:  F2 before F1: the hint is set while the block is still held
# files: libshmbus/protocol/block.c
# check: model tiny_hints
s|^        sb_store_release(&b->hdr, sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0)); /\* F1 \*/|        sb_or(its_word, bitmap_bit(cls, list[k]));\n        sb_store_release(\&b->hdr, sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0));\n        continue;|
