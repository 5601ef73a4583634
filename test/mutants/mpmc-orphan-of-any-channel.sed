# what:  an orphan is taken by the receivers of any channel
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model forwarding dead_letters
s|^    return state == SB_BLOCK_DEAD_LETTER && ring->channels\[origin\].dead_letter == ring->channel;|    return true;|
