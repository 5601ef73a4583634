# what:  who comes where nobody looks for the dead does not look either
# files: libshmbus/attach.c
# check: unit failure.who_comes_where
s|^    if (!kept) {|    if (kept \&\& !kept) {|
