# what:  the receivers of the dead-letter queue are not told
# files: libshmbus/ring_mpmc.c
# check: model sleep_dead_letter
s|where = ring->channels\[origin\].dead_letter;|;|
