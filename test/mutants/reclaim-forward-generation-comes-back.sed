# what:  recovery of a forward goes back to the generation before
# files: libshmbus/protocol/reclaim.c
# check: narrow same_name_forward
s|given_back(queue_at(view, origin), hdr, sb_gen_next(gen))|given_back(queue_at(view, origin), hdr, sb_gen_prev(gen))|
