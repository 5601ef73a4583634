# what:  a dead letter whose receiver dies is counted as a new one
# files: libshmbus/reclaim.c
# check: unit reclaim.killed_with_a_dead_letter
/^static bool reclaim_block(/,/^}/ { s|!was_received_from(sb_load_relaxed(&b->holder),|true;|; /queue_at(d->view, origin)->dead_letter);/d; }
