# what:  a new sender starts at the tail hint
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_new_sender
s|!sb_spsc_find_tail(ch, acked, hint, &tail, &seq)|((tail = hint), (seq = sb_load_relaxed(\&ch->shared->tail_seq)), false)|
