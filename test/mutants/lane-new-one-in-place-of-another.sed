# what:  a lane that is taken during a look at all of them is looked at in place of another
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/protocol/lane_redelivery.c
# check: unit ring_lanes_steps.a_lane_taken_meanwhile
\|/\* a new one has its turn|d
