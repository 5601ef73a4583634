# what:  closing a handle looks at every block although it holds nothing
# files: libshmbus/channel/queue.c
# check: unit close.whoever_holds
s|^    if (sb_queue_of(ch)->in_blocks > 0) {|    if (true) {|
