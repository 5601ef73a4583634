# what:  the payload is copied after the commit
# files: libshmbus/protocol/ring_spsc.c
# check: model tiny_stream stream_pair
/ void write_plain/,/^}/ s|^    sb_copy(|    if (0) sb_copy(|
/^enum sb_ring_result sb_spsc_send(/,/^}/ s|^    return SB_RING_OK;|    sb_copy(ring + (tail \& mask) + head_bytes, data, size_bytes);\n&|
