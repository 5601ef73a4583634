# what:  a message is acknowledged when it is received
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/channel/lanes.c libshmbus/protocol/ring_lanes.c libshmbus/protocol/lane_redelivery.c
# check: model tiny_lane
/^static SB_INLINE bool sb_lane_claim/,/^}/ s|sb_hdr_make(lap, 1, SB_BLOCK_RECEIVED, rx->owner)|sb_hdr_make(lap, 0, SB_BLOCK_FREE, 0)|
