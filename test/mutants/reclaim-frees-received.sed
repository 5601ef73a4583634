# what:  recovery frees what the dead process had received
# files: libshmbus/reclaim.c
# check: model tiny_receivers
s|return given_back(queue_at(view, loc), hdr, gen);|return freed;|
