# what:  generations never change: a stale CAS finds the old word again
# files: libshmbus/protocol/ring_mpmc.c libshmbus/protocol/block.c
# check: model same_block
s|sb_gen_next(sb_hdr_gen(hdr))|sb_hdr_gen(hdr)|
s|sb_gen_next(gen)|gen|
