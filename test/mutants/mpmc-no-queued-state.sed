# what:  no S1: a block in a slot still looks held
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_send_recv
\| S1 \*/|d
