# what:  recovery frees the copy before the message it was to replace
# files: libshmbus/protocol/reclaim.c
# check: model share_recoverers
s|settle_twin(d, &look);|(void)settle_twin;|
