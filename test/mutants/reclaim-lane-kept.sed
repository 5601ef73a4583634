# what:  recovery leaves the lane to the dead process
# files: libshmbus/protocol/reclaim.c
# check: model tiny_lane
s|give_up(d, &ch->lanes\[i\].owner);|;|
