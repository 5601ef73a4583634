# what:  a send keeps the generation of the block
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_forward two_receivers forwarding
/^enum sb_ring_result sb_mpmc_send/,/^}/ s|uint64_t gen = sb_gen_next(sb_hdr_gen(hdr));|uint64_t gen = sb_hdr_gen(hdr);|
