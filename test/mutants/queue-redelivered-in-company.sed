# what:  a batch goes on behind a message that is delivered again
# files: libshmbus/channel/queue.c
# check: unit letters.only_the_guilty
s|if (sb_unlikely(sb_hdr_deliveries(hdr) > 1)) {|if (false) {|
