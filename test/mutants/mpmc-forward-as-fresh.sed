# what:  a forward is announced like a fresh send
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_forward
s|state == SB_BLOCK_RECEIVED ? SB_BLOCK_FORWARDED : SB_BLOCK_QUEUED|SB_BLOCK_QUEUED|
