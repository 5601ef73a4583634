# what:  who asks for the blocks is told that dead letters are waiting messages
# files: libshmbus/inspect/census.c
# check: unit census.a_send_without_a_block_names_dead
s|if (sb_is_letter(view, &look)) {|if (false) {|
