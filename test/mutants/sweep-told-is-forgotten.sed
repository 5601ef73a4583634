# what:  what was told during a pause is not looked at after it
# files: libshmbus/protocol/sweep.c
# check: unit sweep_round.being_told_without_end
s/^            sweep->again_ns = sweep->asked_ns + pause_ns(sweep, told);/            sweep->again_ns = 0;/
