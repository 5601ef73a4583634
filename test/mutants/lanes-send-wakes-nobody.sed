# what:  a send does not wake who waits for a message
# files: libshmbus/channel/lanes.c
# check: model tiny_lane_sleep
/^SB_FLAT int sb_lanes_send(/,/^}/ { /announce(ch);/d; }
