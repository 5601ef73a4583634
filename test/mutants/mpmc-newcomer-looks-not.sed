# what:  a new receiver does not look for what was given back before it came
# files: libshmbus/protocol/ring_mpmc.c
# check: unit close.a_new_receiver
s|^        .orphan_seen = 0,|        .orphan_seen = sb_load_acquire(\&ch->shared->orphan_seq),|
