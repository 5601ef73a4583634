# what:  the location word of the other generation is read
# files: libshmbus/inspect/inspect.c
# check: unit stat.peek_shows_a_queue
s/loc\[sb_hdr_gen(ret->hdr) & 1u\]/loc[(sb_hdr_gen(ret->hdr) + 1u) \& 1u]/
