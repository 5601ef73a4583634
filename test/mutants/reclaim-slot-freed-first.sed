# what:  recovery frees the slot of the process table before the rest is done
# files: libshmbus/protocol/reclaim.c
# check: model recover_sleep
# bounds: 0/2/0
/^static uint32_t reclaim(/,/^}/ { s|^    reclaim_blocks(d);|    uint32_t freed;\n    reclaim_blocks(d);\n    freed = free_slots(d);|; s|return free_slots(d);|return freed;|; }
