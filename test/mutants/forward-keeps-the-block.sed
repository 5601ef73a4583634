# what:  a block of a share waits in another queue
# files: libshmbus/protocol/block.c
# check: unit exchange.
s|return block >= cls->common_end \&\& !is_ours;|return at > cls->count \&\& !is_ours;|
