# what:  a wake-up clears the bit, but calls nobody
# files: libshmbus/protocol/event.c
# check: model tiny_sleep
/^bool sb_event_wake_sleepers/,/^}/ s|futex_wake_all(event);||
