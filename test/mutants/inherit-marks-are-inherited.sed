# what:  a child finds its parent's marks as they were
# files: libshmbus/base/inherit.c
# check: unit inherit.marks
s|^    sb_inherit_not(page, page_bytes(), SB_INHERIT_WIPE);||
