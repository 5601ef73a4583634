# what:  F2 only if the bit is clear: x86 may test before others see that the block is free
# files: libshmbus/protocol/block.c
# check: model tiny_stale
s|^        sb_or(word, mask);$|        if ((sb_load_relaxed(word) \& mask) != mask) {\n            sb_or(word, mask);\n        }|
