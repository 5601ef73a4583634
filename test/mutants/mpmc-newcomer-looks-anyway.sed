# what:  a new receiver looks at every block although nobody has ever given one back
# files: libshmbus/protocol/ring_mpmc.c
# check: unit close.whoever_holds
s|^        .orphan_seen = 0,|        .orphan_seen = UINT64_MAX,|
