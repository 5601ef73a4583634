# what:  a wake-up does not change the word
# files: libshmbus/protocol/event.c
# check: model sleep_recv_two
s|(v + SB_EVENT_SEQ) & ~SB_EVENT_SLEEPING|v \& ~SB_EVENT_SLEEPING|
