# what:  R0 does not look at the slot again after reading the header
# files: libshmbus/protocol/ring_mpmc.c
# check: model full_wrap
/ enum sb_ring_result recv_at_head/,/^}/ s|if (sb_load_acquire(slot) != s)|if (false)|
