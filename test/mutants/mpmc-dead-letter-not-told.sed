# what:  the receivers of the dead-letter queue are not told
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model sleep_dead_letter
/^SB_NOINLINE static uint32_t give_up(/,/^}/ s|return ch->dead_letter;|return origin;|
