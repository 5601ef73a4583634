# what:  the lanes share one bound of looks
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/protocol/lane_redelivery.c
# check: unit ring_lanes.one_call_passes ring_lanes.one_call_finds
\|/\* each lane has its own \*/|d
