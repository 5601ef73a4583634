# what:  a place that its taker has not cleared counts as taken when nobody wants to wait
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_wrap full_wrap
/^bool sb_mpmc_writable/,/^}/ s|return find_place(ring) != SB_RING_FULL;|return sb_mpmc_has_place(ring);|
