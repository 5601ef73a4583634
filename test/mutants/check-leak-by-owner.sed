# what:  a message whose sender has left counts as a leaked block
# files: libshmbus/inspect/check.c
# check: unit check.a_message_of_a_process_that_has_left
/^        if ((state == SB_BLOCK_QUEUED .. state == SB_BLOCK_FORWARDED) &&$/,/{$/ { s|if ((state.*|if (false) {|; /sb_block_is_in_slot/d; }
