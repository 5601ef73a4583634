# what:  what is given back is sorted by its block or cell
# files: libshmbus/protocol/returned.c
# check: model returned_two lane_returned
s|return (int64_t)((a->place - b->place) << 16) < 0;|return a->number < b->number;|
