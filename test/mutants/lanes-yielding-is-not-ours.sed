# what:  closing a handle of a queue with lanes does not know a message again that three had died with
# files: libshmbus/channel/lanes.c
# check: unit poison.a_handle
s|sb_holder_of(sb_load_relaxed(&cell->holder)) == ch->holder|sb_load_relaxed(\&cell->holder) == ch->holder|
