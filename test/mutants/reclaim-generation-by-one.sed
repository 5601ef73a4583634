# what:  a repaired block is one generation on, which says it is elsewhere
# files: libshmbus/protocol/reclaim.c
# check: model requeueing held_two
s|hdr, sb_gen_next(sb_gen_next(gen))|hdr, sb_gen_next(gen)|
