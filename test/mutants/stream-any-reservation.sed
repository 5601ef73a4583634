# what:  any reservation made at the same position of a stream may be committed
# files: libshmbus/channel/stream.c
# check: unit api.the_next_reservation_of_a_stream
s/^        sb_msg_number(msg) != sb_stream_of(ch)->tx.serial) {/        false) {/
