# what:  the turn of a cell is read after its word
# files: libshmbus/protocol/reclaim.c
# check: narrow lane_same_name
# bounds: 2/1/1
/^static void reclaim_cell(/,/^}/ {
    s|^        uint64_t turn = .*||
    s|^        uint64_t w = sb_load_acquire(&cell->w);|&\n        uint64_t turn = sb_load_acquire(\&cell->turn);|
}
