# what:  a message that three died with is not marked: it comes first to everybody
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model yields
# bounds: 0/2/0
/^uint64_t sb_mpmc_holder/,/^}/ s|ring->died_with == 0|true|
