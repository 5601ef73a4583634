# what:  a message that did not fit the buffer counts as received
# files: libshmbus/channel/queue.c
# check: unit contract_queue.a_copy_into
s|^    sb_count_given_back(ch, msg, undo);|    if (!undo) {\n&\n    }|
