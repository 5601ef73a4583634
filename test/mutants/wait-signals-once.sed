# what:  a signal that comes before the sleep is missed forever
# files: libshmbus/channel/wait.c
# check: unit signals.that_were_missed
s/if (now_ns >= signals_ns) {/if (false) {/
