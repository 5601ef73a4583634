# what:  laps are compared as plain numbers
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/channel/lanes.c libshmbus/protocol/ring_lanes.c libshmbus/protocol/lane_redelivery.c
# check: unit ring_lanes.laps_come_round
/^static SB_INLINE int64_t sb_lane_ahead/,/^}/ s|^    return .*|    return (int64_t)(sb_hdr_gen(w) - sb_lane_lap(ticket, shift));|
