# what:  the copy's generation is not looked at
# files: libshmbus/protocol/exchange.c
# check: unit exchange.
s|sb_hdr_state(hdr) != SB_BLOCK_QUEUED .. sb_hdr_gen(hdr) != sb_gen_next(gen)|sb_hdr_state(hdr) != SB_BLOCK_QUEUED|
s|sb_hdr_state(hdr) == SB_BLOCK_FILLING && sb_hdr_gen(hdr) == gen|sb_hdr_state(hdr) == SB_BLOCK_FILLING|
