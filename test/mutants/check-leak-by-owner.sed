# what:  a message whose sender has left counts as a leaked block
# files: libshmbus/inspect/check.c
# check: unit check.a_message_of_a_process_that_has_left
s|if ((state == SB_QUE .. state == SB_QFW) && sb_block_is_in_slot(view, &look, block)) {|if (false) {|
