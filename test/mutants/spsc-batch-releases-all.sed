# what:  a batch released releases everything that was handed out
# files: libshmbus/protocol/ring_spsc.c
# check: unit ring_spsc.a_batch_is_released
/^size_t sb_spsc_release_batch/,/^}/ s|^        publish_acked(rx);|        rx->acked = rx->next;\n        publish_acked(rx);|
