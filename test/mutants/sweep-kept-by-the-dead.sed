# what:  who comes relies on a sweeper that may be dead
# files: libshmbus/protocol/sweep.c
# check: model sweep_newcomer
# bounds: 0/2/0
/^bool sb_sweep_is_kept/,/^}/ s|return !is_gone(view, liveness, sb_load_acquire(place_of(view, 0)));|(void)liveness;\n    return sb_load_acquire(place_of(view, 0)) != 0;|
