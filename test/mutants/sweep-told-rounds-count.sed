# what:  rounds made because somebody was told count as time without a sign
# files: libshmbus/protocol/sweep.c
# check: unit sweep_round.being_told_often
s/} else if (passed_ns >= SB_SWEEP_TICK_NS \/ 2) {/} else {/
