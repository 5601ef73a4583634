# what:  the padding is stored before the record behind it
# files: libshmbus/protocol/ring_spsc.c
# check: model tiny_stream
s|^        sb_store_relaxed(sb_spsc_word(tx->ring, tx->bytes, at), header);|        sb_store_relaxed(sb_spsc_word(tx->ring, tx->bytes, tx->tail), sb_record_make(pad, 0, 0, SB_RECORD_VALID \| SB_RECORD_PAD));\n&|
