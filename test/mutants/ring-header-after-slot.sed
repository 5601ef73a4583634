# what:  S1 after S3: the header says "sent" only after the slot is filled
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_send_recv
\| S1 \*/|d
/^enum sb_ring_result sb_ring_send/,/^}/ s|^            ring->tail = t + 1u;|            sb_store_release(\&b->hdr, sb_hdr_make(gen, sb_hdr_deliveries(hdr), state == SB_HRX ? SB_QFW : SB_QUE, ring->owner));\n&|
