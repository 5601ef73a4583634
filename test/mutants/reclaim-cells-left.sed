# what:  recovery does not look at cells
# files: libshmbus/reclaim.c
# check: model tiny_lane_receivers
/^bool sb_reclaim_slot/,/^}/ { /sb_reclaim_cells/d; }
