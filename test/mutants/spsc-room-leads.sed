# what:  the receiver returns room that it has not released
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_batch
s|sb_store_release(&rx->shared->room, rx->acked); /\* H \*/|sb_store_release(\&rx->shared->room, rx->next);|
