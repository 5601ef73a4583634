# what:  one damaged lane keeps producers from all others
# files: libshmbus/protocol/ring_lanes.c
# check: unit ring_lanes.*
s|        r = SB_RING_CORRUPT; /\* unless.*|        return SB_RING_CORRUPT;|
