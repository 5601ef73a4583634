# what:  a commit looks for its place once more
# files: libshmbus/channel/lanes.c
# check: unit lanes.a_commit_goes
s|sb_lane_reserved(&sb_lanes_of(ch)->lane)|sb_lane_place(\&sb_lanes_of(ch)->lane)|
