# what:  one location word instead of two: a forward overwrites where the message came from
# files: libshmbus/protocol/ring_mpmc.c libshmbus/protocol/mpmc_redelivery.c libshmbus/protocol/reclaim.c
# check: model tiny_forward
s/loc\[sb_hdr_gen(hdr) & 1u\]/loc[0]/
s/loc\[gen & 1u\]/loc[0]/
