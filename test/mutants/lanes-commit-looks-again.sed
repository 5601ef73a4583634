# what:  a commit looks for its place once more
# files: libshmbus/channel/lanes.c
# check: unit lanes.a_commit_goes
s|sb_lane_reserved(&ch->lane)|sb_lane_place(\&ch->lane)|
