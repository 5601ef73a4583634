# what:  the sleeper puts a fence on its own processor only, the waker on none
# files: libshmbus/protocol/event.c
# check: model stream_sleep
/REGISTER/! s|syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0)|0|
