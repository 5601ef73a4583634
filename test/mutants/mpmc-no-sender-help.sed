# what:  a sender does not clear the slot of a taker that stopped half-way
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_wrap
\|R2 for a taker that stopped half-way|d
