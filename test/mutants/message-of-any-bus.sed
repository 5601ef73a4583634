# what:  a message may be finished on another bus
# files: libshmbus/message.c
# check: unit api.a_message_of_another_bus
s|if (msg->opaque_\[1\] >> 40 != msg->channel->bus->id) {|if (false) {|
