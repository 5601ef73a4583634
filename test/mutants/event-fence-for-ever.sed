# what:  fences are never taken back: a stream on which somebody slept once is slow forever
# files: libshmbus/protocol/event.c
# check: unit event.fences_are_taken_back
/^bool sb_event_wake_fenced/,/^}/ s|++fenced_in_vain >= VAIN_MAX|false|
