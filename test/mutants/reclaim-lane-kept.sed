# what:  recovery leaves the lane to the dead process
# files: libshmbus/reclaim.c
# check: model tiny_lane
s|sb_cas(&ch->lanes\[i\].owner, owner64, 0);|;|
