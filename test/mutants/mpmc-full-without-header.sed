# what:  FULL from the slot alone, without asking whether its message was taken
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_wrap
/ enum sb_ring_result previous_lap/,/^}/ s|if (is_queued(hdr))|if (true)|
