# what:  a message that is forwarded is counted out of the hands of the handle it goes through
# files: libshmbus/channel/queue.c
# check: unit close.each_way
s|^    msg->channel->in_blocks--;|    ch->in_blocks--;|
