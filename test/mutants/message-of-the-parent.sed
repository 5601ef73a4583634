# what:  a forked child may finish its parent's messages
# files: libshmbus/message.c
# check: unit api.a_forked_child_may_not
s|if (!sb_bus_is_ours(msg->channel->bus)) {|if (false) {|
