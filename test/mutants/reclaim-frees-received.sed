# what:  recovery frees what the dead process had received
# files: libshmbus/protocol/reclaim.c
# check: model tiny_receivers
s|return given_back(queue_at(view, loc), hdr, sb_gen_next(sb_gen_next(gen)));|return freed;|
