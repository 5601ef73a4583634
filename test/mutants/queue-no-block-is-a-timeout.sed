# what:  a send that waited for a block in vain does not say that it was one
# files: libshmbus/channel/queue.c
# check: unit queue.without_a_block
s|return r == -ETIMEDOUT ? -SHMBUS_ERR_NO_BLOCKS : r;|return r;|
