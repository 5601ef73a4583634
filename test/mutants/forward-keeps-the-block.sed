# what:  a block of a share waits in another queue
# files: libshmbus/queue.c
# check: unit exchange.
s|return at >= cls->common \&\& !is_ours;|return at > cls->count \&\& !is_ours;|
