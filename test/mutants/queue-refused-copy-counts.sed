# what:  a message that did not fit the buffer counts as received
# files: libshmbus/channel/queue.c
# check: unit queue.a_copy_into_too_small_a_buffer_counts
s|^    sb_count_given_back(ch, msg, undo);|    if (!undo) {\n&\n    }|
