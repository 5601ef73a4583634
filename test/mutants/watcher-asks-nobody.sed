# what:  a readable pidfd counts as death without asking the lock
# files: libshmbus/watcher.c
# check: unit watcher.waits_patiently_for_the_last_user
s/if (sb_process_is_dead(view, &watcher->oracle, slot, w) && sb_reclaim_slot(view, slot, w)) {/if (sb_reclaim_slot(view, slot, w)) {/
