# what:  who becomes the sweeper stays a deputy
# files: libshmbus/protocol/sweep.c
# check: unit sweep_round.a_sweeper_without_a_sign
s/^        give_up(sweep, k); \/\* E3 \*\//        (void)k;/
