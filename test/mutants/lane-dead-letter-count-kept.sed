# what:  a dead letter in a cell keeps its count, however often its handler dies
# files: libshmbus/protocol/lane_redelivery.c
# check: unit failure.case_04_handlers lane_redelivery.at_its_last
/^static bool take_back/,/^}/ s|sb_deliveries_next(sb_hdr_deliveries(w))|sb_hdr_deliveries(w) + (sb_hdr_state(w) == SB_BLOCK_ORPHAN)|
