# what:  a send that gives up leaves the header as sent
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_senders depth_one
s|^        sb_store_release(&b->hdr, hdr); /\* undo S1.*||
