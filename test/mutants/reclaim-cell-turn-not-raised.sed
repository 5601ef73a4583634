# what:  a repair keeps the turn of the cell
# files: libshmbus/base/atomic.h
# with:  libshmbus/protocol/reclaim.c
# check: narrow lane_same_name
# bounds: 1/1/0
/^static inline bool sb_cas_turn/,/^}/ s|next = turn + 1u|next = turn|
