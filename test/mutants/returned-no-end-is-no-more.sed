# what:  what one look could not note is forgotten
# files: libshmbus/protocol/returned.c
# check: unit order.so_do_more
s|^        list->more = true;||
