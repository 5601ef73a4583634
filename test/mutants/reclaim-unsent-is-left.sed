# what:  recovery leaves a send alone that was not committed
# files: libshmbus/protocol/reclaim.c
# check: model tiny_senders
s|return is_in_slot(view, loc, block) ? hdr : freed;|return hdr;|
