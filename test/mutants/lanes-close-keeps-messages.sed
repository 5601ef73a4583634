# what:  closing a handle does not give back what it holds in cells
# files: libshmbus/channel/lanes.c
# check: unit lanes.closing_a_handle
/^void sb_lanes_give_back/,/^}/ s|ch->in_cells > 0|false|
