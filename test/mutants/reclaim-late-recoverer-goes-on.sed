# what:  a recoverer that was stopped for long does not look whether the slot has a new owner
# files: libshmbus/protocol/reclaim.c
# check: unit reclaim.a_late_recovery
s|return sb_load_acquire(&d->view->processes\[slot\].w) == d->w\[slot\];|return d->w[slot] != 0;|
