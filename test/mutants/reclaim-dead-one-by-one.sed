# what:  recovery makes a pass of its own for each of the dead
# files: libshmbus/protocol/reclaim.c
# check: unit reclaim.many_killed_at_once
/^uint32_t sb_reclaim_dead/,/^}/ s|^            d.w\[slot\] = w;|            freed = sb_reclaim_slot(view, slot, w);\n            sb_fetch_add(\&view->super->recoveries, freed);|
