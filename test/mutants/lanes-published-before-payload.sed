# what:  the payload is copied after the message was published
# files: libshmbus/channel/lanes.c
# check: model tiny_lane
/^SB_FLAT int sb_lanes_send(/,/^}/ { /^    sb_copy(/d; s|^    announce(ch);|    sb_copy(sb_cell_payload(cell), data, size_bytes);\n&|; }
