# what:  who has left an end is said by the number of the incarnation, not by the slot
# files: libshmbus/layout/layout.h
# with:  libshmbus/protocol/reclaim.c libshmbus/channel/stream.c
# check: unit failure.case_05_every
/^static inline uint64_t sb_end_left/,/^}/ s/return owner64 |/return (owner64 \& ~0xffffull) |/
