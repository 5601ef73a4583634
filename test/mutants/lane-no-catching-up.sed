# what:  a receiver that is half of all laps behind does not catch up
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/protocol/lane_redelivery.c
# check: unit ring_lanes.*
s/(++rx->empty_looks & SB_LANE_CATCH_UP_MASK) == 0/false/
