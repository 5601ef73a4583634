# what:  the payload is copied after the commit
# files: libshmbus/ring_spsc.c
# check: model tiny_stream stream_pair
/ void write_record/,/^}/ {
/sb_copy(/d
s|^    publish(.*|&\n    sb_copy((uint8_t *)word_at(tx->ring, tx->bytes, at) + tx->head_bytes, data, size_bytes);|
}
