# what:  a message that is forwarded is counted out of the hands of the handle it goes through
# files: libshmbus/channel/queue.c
# check: unit close.each_way
s|^    sb_queue_of(msg->channel)->in_blocks--;|    sb_queue_of(ch)->in_blocks--;|
