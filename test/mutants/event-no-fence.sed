# what:  where membarrier may not be called the waker looks at the bit without a fence
# files: libshmbus/protocol/event.c
# check: model stream_sleep
# options: --no-membarrier
/^void sb_event_fence/,/^}/ s|sb_fence();|sb_compiler_fence();|
