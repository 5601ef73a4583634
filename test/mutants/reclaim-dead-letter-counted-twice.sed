# what:  a dead letter whose receiver dies is counted as a new one
# files: libshmbus/protocol/reclaim.c
# check: unit letters.of_the_dead
/^static bool is_set_aside_now(/,/^}/ s|return sb_hdr_deliveries.*|return true \|\||
