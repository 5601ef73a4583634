# what:  recovery does not look at cells
# files: libshmbus/protocol/reclaim.c
# check: model tiny_lane_receivers
/^static uint32_t reclaim(/,/^}/ { /reclaim_cells/d; }
