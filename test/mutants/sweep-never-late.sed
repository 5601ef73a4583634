# what:  a sweeper that gives no sign is never replaced
# files: libshmbus/protocol/sweep.c
# check: unit sweep_round.a_sweeper_without_a_sign
s/sweep->late >= SB_SWEEP_LATE || why == SB_SWEEP_CALLED/why == SB_SWEEP_CALLED/
