# what:  a handle that was handed on counts as left behind by who opened it
# files: libshmbus/channel/channel.c
# check: unit threads.a_handle_that_was_handed_on
s/if (now - ch->thread_ns > BEAT_LONG_NS) {/if (false) {/
