# what:  S2 after S3: the location is written when the message is out already
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_send_recv
\| S2 \*/|d
/^enum sb_ring_result sb_mpmc_send/,/^}/ s|^            ring->tail = t + 1u;|            sb_store_release(\&b->loc[gen \& 1u], sb_loc_make(ring->channel, t));\n&|
