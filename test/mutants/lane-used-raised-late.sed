# what:  lanes_used is raised after the first message
# files: libshmbus/ring_lanes.c libshmbus/ring_lanes.h
# with:  libshmbus/lanes.c
# check: model tiny_lane
\|/\* before the first message \*/|d
s|^    sb_store_relaxed(&tx->lane->next, t + 1u); /\* P3 \*/|&\n    if (sb_load_relaxed(\&tx->channel->shared->lanes_used) <= (uint64_t)(tx->lane - tx->channel->lanes)) {\n        sb_store_release(\&tx->channel->shared->lanes_used, (uint64_t)(tx->lane - tx->channel->lanes) + 1u);\n    }|
