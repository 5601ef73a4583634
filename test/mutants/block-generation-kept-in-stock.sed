# what:  an aborted reservation goes into the stock under the word that its copies still carry
# files: libshmbus/protocol/block.c
# check: unit api.a_copy_of_an_aborted block.each_use_of_a_block
s|sb_hdr_make(sb_gen_next(sb_hdr_gen(hdr)), 0, SB_BLOCK_FILLING, owner));$|sb_hdr_make(sb_hdr_gen(hdr), 0, SB_BLOCK_FILLING, owner));|
