# what:  recovery frees what the dead process had received
# files: libshmbus/reclaim.c
# check: model tiny_receivers
s|return given_back(view, hdr, loc, block);|return freed;|
