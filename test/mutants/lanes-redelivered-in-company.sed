# what:  a batch from lanes goes on behind a message that is delivered again
# files: libshmbus/channel/lanes.c
# check: unit letters.only_the_guilty
s|if (sb_unlikely(sb_hdr_deliveries(sb_lanes_of(ch)->taken.hdr) > 1)) {|if (false) {|
