# what:  what a batch hands out is not noted: the next receiver takes it for new
# files: libshmbus/protocol/ring_spsc.c
# check: unit ring_spsc_steps.killed ring_spsc.a_batch_stops
/^size_t sb_spsc_recv_batch(/,/^}/ s|^        store_attempt(rx, next, 1);||
