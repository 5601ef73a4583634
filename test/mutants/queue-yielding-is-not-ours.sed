# what:  closing a handle does not know a message again that three had died with before
# files: libshmbus/channel/queue.c
# check: unit poison.a_handle
s|sb_holder_of(sb_load_relaxed(&b->holder)) == ch->holder|sb_load_relaxed(\&b->holder) == ch->holder|
