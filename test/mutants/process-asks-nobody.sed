# what:  whoever is a member is dead when somebody asks, whatever the lock says
# files: libshmbus/process.c
# check: unit reclaim.nobody_takes_what
s/if (!lock_is(oracle, slot, false)) {/if (lock_is(oracle, slot, false)) {/
