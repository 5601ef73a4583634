# what:  a name that a dead process began is never finished
# files: libshmbus/protocol/directory.c
# check: unit directory.whoever_wants_the_name
s|if (dir == sb_dir_make(hash, SB_DIR_NAMING)) {|if (false) {|
