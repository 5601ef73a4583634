# what:  the marker is stored after the header in front of it
# files: libshmbus/protocol/ring_spsc.c
# check: model tiny_stream
/B: C orders it/d
s|^    sb_store_release(sb_spsc_word(tx->ring, tx->bytes, tx->tail), header);.*|&\n    sb_store_relaxed(sb_spsc_word(tx->ring, tx->bytes, end), sb_marker_make(seq));|
/^enum sb_ring_result sb_spsc_send(/,/^}/ s|^    tx->tail = end;|    sb_store_relaxed(sb_spsc_word(ring, mask + 1, end), sb_marker_make(seq));\n&|
