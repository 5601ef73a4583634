# what:  a reservation may be committed that was dropped or committed before
# files: libshmbus/channel/lanes.c
# check: unit lanes.a_handle_has_one contract_lanes.an_aborted
/^static SB_INLINE bool is_reserved/,/^}/ s|return .*|return msg->opaque_[0] <= sb_lanes_of(ch)->reservations;|
