# what:  a waker that is asked for a fence looks again without
# files: libshmbus/protocol/event.c
# check: model event_mode
/^bool sb_event_wake_fenced/,/^}/ s|sb_fence(); *\/\* V0|sb_compiler_fence(); /* V0|
