# what:  a dead letter that found no place is put back with the count of the attempt
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model letters_kept letters_of_the_dead
/^SB_NOINLINE static void set_aside(/,/^}/ s|sb_hdr_make(gen, deliveries, SB_BLOCK_DEAD_LETTER, 0)|sb_hdr_make(gen, sb_hdr_deliveries(mine), SB_BLOCK_DEAD_LETTER, 0)|
