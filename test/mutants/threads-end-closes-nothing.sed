# what:  the end of a thread closes nothing, whatever was asked for
# files: libshmbus/channel/threads.c
# check: unit threads.a_handle_bound
s/pthread_key_create(&bus->thread_key, close_bound)/pthread_key_create(\&bus->thread_key, NULL)/
