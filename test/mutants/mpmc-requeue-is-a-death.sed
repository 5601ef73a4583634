# what:  what is given back counts as died with
# files: libshmbus/protocol/mpmc_redelivery.c
# check: unit poison.what_is_given_back
/^uint32_t sb_mpmc_requeue/,/^}/ s|^    sb_store_relaxed(&b->holder, 0);||
