# what:  recovery sets no hint bits
# files: libshmbus/protocol/reclaim.c
# check: model tiny_alloc
s|^    set_hints(.*||
