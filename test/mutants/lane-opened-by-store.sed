# what:  a lane is taken by a plain store
# files: libshmbus/protocol/ring_lanes.c
# check: model lane_sleep
/^enum sb_ring_result sb_lane_open/,/^}/ s/ || !sb_cas(owner, 0, owner64)) {/ || (sb_store_release(owner, owner64), false)) {/
