# what:  a silent process is stalled, with nothing in hand, too
# files: libshmbus/inspect/life.c
# check: unit life.silent_with_nothing life.an_idle_front_end
s/return sb_hands_are_empty(hands) ? SHMBUS_LIFE_IDLE/return false ? SHMBUS_LIFE_IDLE/
