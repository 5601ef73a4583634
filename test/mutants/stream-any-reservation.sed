# what:  any reservation made at the same position of a stream may be committed
# files: libshmbus/channel/stream.c
# check: unit api.the_next_reservation_of_a_stream
s/ ||$/ || false) {/; /sb_msg_number(msg) != ch->tx.serial) {/d
