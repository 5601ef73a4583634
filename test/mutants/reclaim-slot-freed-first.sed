# what:  recovery frees the slot of the process table before the rest is done
# files: libshmbus/reclaim.c
# check: model recover_sleep
# bounds: 0/2/0
/^bool sb_reclaim_slot/,/^}/ s|^    sb_reclaim_blocks(view, slot, w);|    sb_reclaim_blocks(view, slot, w);\n    if (!sb_cas(\&view->processes[slot].w, w, sb_proc_word(sb_proc_epoch(w) + 1u, SB_PROC_FREE))) {\n        return false;\n    }|
