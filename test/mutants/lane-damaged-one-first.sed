# what:  one damaged lane keeps producers from all others
# files: libshmbus/protocol/ring_lanes.c
# check: unit lane.*
s|        r = SB_CORRUPT; /\* unless.*|        return SB_CORRUPT;|
