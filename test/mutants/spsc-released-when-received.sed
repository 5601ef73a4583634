# what:  a message is released when it is received
# files: libshmbus/protocol/ring_spsc.c
# check: model tiny_stream
/^enum sb_ring_result sb_spsc_recv(/,/^}/ s|^    rx->next = end;|&\n    sb_store_release(\&rx->shared->acked, end);|
