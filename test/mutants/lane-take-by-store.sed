# what:  C1 is a plain store
# files: libshmbus/protocol/ring_lanes.h
# with:  libshmbus/channel/lanes.c libshmbus/protocol/ring_lanes.c libshmbus/protocol/lane_redelivery.c
# check: model tiny_lane_receivers
s|^        !sb_cas(&cell->w, sb_lane_published(lap), mine)) { *\/\* C1 \*/|        (sb_store_release(\&cell->w, mine), false)) {|
