# what:  P1 after P2: what was passed over is said to be so when the message is out already
# files: libshmbus/protocol/ring_lanes.c libshmbus/protocol/ring_lanes.h
# with:  libshmbus/channel/lanes.c
# check: model lane_held lane_skip
\|/\* P1 \*/|d
s|^    sb_store_relaxed(&tx->lane->next, t + 1u); /\* P3 \*/|    sb_store_release(\&tx->lane->skip, t);\n&|
