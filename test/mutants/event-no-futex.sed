# what:  a wake-up clears the bit, but calls nobody
# files: libshmbus/event.c
# check: model tiny_sleep
/^static bool wake_sleepers/,/^}/ s|futex_wake_all(event);||
