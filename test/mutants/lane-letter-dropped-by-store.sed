# what:  D2 is a plain store
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_letters_dropped
/^bool sb_lane_drop_letter(/,/^}/ {
s|if (sb_hdr_state(w) == SB_BLOCK_DEAD_LETTER &&|if (sb_hdr_state(w) == SB_BLOCK_DEAD_LETTER) {|
s|sb_cas(&cell->w, w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0))) { /. D2 ./|sb_store_release(\&cell->w, sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0));|
}
