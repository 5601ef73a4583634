# what:  a dead letter whose receiver dies is counted as a new one
# files: libshmbus/reclaim.c
# check: unit reclaim.killed_with_a_dead_letter
s|!was_dead_letter(d->view, sb_load_relaxed(&b->holder), origin)|true|
