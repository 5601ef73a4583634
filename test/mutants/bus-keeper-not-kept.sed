# what:  the keeper ends with the attach, and its descriptor goes to the process's table
# files: libshmbus/attach.c
# check: unit process.that_closed_all_descriptors_of_an_unlinked
s/if (!bus->no_watcher && sb_keeper_is_private(keeper)) {/if (false) {/
