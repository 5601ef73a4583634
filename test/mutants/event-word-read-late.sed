# what:  the sleeper sleeps on the word as it is now, not as it was announced
# files: libshmbus/protocol/event.c
# check: model tiny_sleep
s|FUTEX_WAIT, announced,|FUTEX_WAIT, sb_load32_relaxed(\&event->word),|
