# what:  D1 is a plain store
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_drop
s|^            sb_cas(&cell->w, w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0))) { /\* D1 \*/|            (sb_store_release(\&cell->w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0)), true)) {|
