# what:  FULL without looking at the slot again after reading the header
# files: libshmbus/protocol/ring_mpmc.c
# check: model two_rings
/ enum sb_ring_result previous_lap/,/^}/ s|if (sb_load_acquire(slot) != s)|if (false)|
