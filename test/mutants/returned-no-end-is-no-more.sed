# what:  what one look could not note is forgotten
# files: libshmbus/returned.c
# check: unit order.so_do_more
s|^        list->more = true;||
