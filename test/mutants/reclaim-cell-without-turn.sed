# what:  recovery changes a cell by its word alone
# files: libshmbus/protocol/reclaim.c
# check: narrow lane_same_name lane_same_name_dead_letter
# bounds: 1/1/0
s|sb_cas_turn(&cell->turned, w, next, turn)|(void)turn, sb_cas(\&cell->w, w, next)|
