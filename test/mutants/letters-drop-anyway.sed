# what:  a dead-letter queue that keeps what it has drops its oldest
# files: libshmbus/protocol/letters.c
# check: model letters_kept
s|return to->channels\[to->channel\].on_full == SHMBUS_FULL_DROP_OLDEST;|return to != NULL;|
