# what:  recovery of a forward does not go on to where it came from
# files: libshmbus/protocol/reclaim.c
# check: model tiny_forward
s|given_back(queue_at(view, origin), hdr, sb_gen_next(gen))|given_back(queue_at(view, origin), hdr, gen)|
