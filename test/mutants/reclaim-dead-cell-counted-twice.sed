# what:  a dead letter in a cell whose receiver dies is counted as a new one
# files: libshmbus/reclaim.c
# check: unit lane.killed_with_a_dead_letter
/^static void reclaim_cell(/,/^}/ s|!was_received_from(sb_load_relaxed(&cell->holder), ch->dead_letter)|true|
