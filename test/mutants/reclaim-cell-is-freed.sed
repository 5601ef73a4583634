# what:  recovery frees the cell of a message that the dead process had received
# files: libshmbus/protocol/reclaim.c
# check: model tiny_lane_receivers
/^static void reclaim_cell(/,/^}/ s|next = given_back(ch, w, sb_hdr_gen(w));|next = sb_hdr_make(sb_hdr_gen(w), 0, SB_BLOCK_FREE, 0);|
