# what:  recovery sets no hint bits
# files: libshmbus/protocol/reclaim.c
# check: model tiny_alloc
s|^            sb_or(&cls->bitmap\[i / 64\], free_blocks);||
