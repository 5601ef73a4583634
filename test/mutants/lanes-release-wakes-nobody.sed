# what:  an acknowledgement does not wake who waits for room
# files: libshmbus/channel/lanes.c
# check: model lane_sleep_send
/^SB_FLAT int sb_lanes_release/,/^}/ { /sb_event_wake/d; }
