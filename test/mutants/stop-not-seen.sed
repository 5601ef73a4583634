# what:  a sleeper does not look whether its thread was asked to stop
# files: libshmbus/channel/wait.c
# check: unit stop.waiting_threads_end_at_once_and_take_no_more
s|if (sb_ends_waiting(ch->asked)) {|if (false) {|
