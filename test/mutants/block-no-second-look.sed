# what:  no A3: a hint cleared for a block that is free by now stays cleared
# files: libshmbus/protocol/block.c
# check: model tiny_hints
s|^        repair_hints(cls, w, stale);||
