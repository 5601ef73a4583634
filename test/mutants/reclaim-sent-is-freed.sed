# what:  recovery frees what the dead process had sent
# files: libshmbus/protocol/reclaim.c
# check: model tiny_send_recv
s|return is_in_slot(view, loc, block) ? hdr : freed;|return freed;|
