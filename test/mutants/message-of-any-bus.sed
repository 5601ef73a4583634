# what:  a message may be finished on another bus
# files: libshmbus/message.c
# check: unit api.a_message_of_another_bus
s|((msg->opaque_\[1\] ^ msg->channel->msg_tag) >> 40) == 0|true|
