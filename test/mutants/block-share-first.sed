# what:  a queue takes its own blocks before common ones
# files: libshmbus/protocol/block.c
# check: unit block.
s|    return sb_likely(stock->count\[cls\] > 0)|    uint32_t own = alloc_own(blocks, stock, cls, owner);\n    if (own != SB_NONE) {\n        return own;\n    }\n&|
