# what:  a receiver does not clear the slot of a taker that stopped half-way
# files: libshmbus/protocol/ring_mpmc.c
# check: model two_receivers
s|block = SB_SLOT_EMPTY; /\* taken:.*|return SB_RING_EMPTY;|
