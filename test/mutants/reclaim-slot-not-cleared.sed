# what:  recovery does not clear the slot of a dead taker
# files: libshmbus/protocol/reclaim.c
# check: model tiny_receivers
s|^        clear_slot(view, loc, block);||
