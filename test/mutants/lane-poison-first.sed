# what:  a message of a lane that three died with is not marked: it comes first to everybody
# files: libshmbus/protocol/lane_redelivery.c
# check: unit poison.one_message poison.what_three
/^uint64_t sb_lane_holder/,/^}/ s|rx->scan.died_with == 0|true|
