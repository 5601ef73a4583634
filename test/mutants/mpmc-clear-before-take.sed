# what:  R2 before R1: the slot is cleared before the header names the receiver
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_receivers tiny_send_recv
s|^            if (!sb_cas(&b->hdr, hdr, mine)) { /\* R1 \*/|            sb_cas(slot, s, empty_slot(sb_lap_next(lap, ring->shift)));\n&|
