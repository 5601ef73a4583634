# what:  S3 is a plain store
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_senders two_senders
s|if (sb_cas(slot_of(ring, t), empty_slot(lap_of(ring, t)),|sb_store_release(slot_of(ring, t), sb_slot_make(lap_of(ring, t), block));\n        if (true \|\| sb_cas(slot_of(ring, t), empty_slot(lap_of(ring, t)),|
