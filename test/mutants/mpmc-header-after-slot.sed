# what:  S1 after S3: the header says "sent" only after the slot is filled
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_send_recv
\| S1 \*/|d
/^enum sb_ring_result sb_mpmc_send/,/^}/ s|^            ring->tail = t + 1u;|            sb_store_release(\&b->hdr, sb_hdr_make(gen, sb_hdr_deliveries(hdr), state == SB_BLOCK_RECEIVED ? SB_BLOCK_FORWARDED : SB_BLOCK_QUEUED, ring->owner));\n&|
