# what:  a dead letter that found no place is put back with the count of the attempt
# files: libshmbus/protocol/redelivery.c
# check: model letters_kept letters_of_the_dead
/^SB_SELDOM static void bury(/,/^}/ s|sb_hdr_make(gen, deliveries, SB_DEADL, 0)|sb_hdr_make(gen, sb_hdr_deliveries(mine), SB_DEADL, 0)|
