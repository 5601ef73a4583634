# what:  a sleeper does not look whether the bus is shutting down
# files: libshmbus/channel/wait.c
# check: unit wait.the_end_of_the_bus_is_heard
s|if (sb_load_relaxed(&ch->bus->view.super->shutdown) != 0) {|if (false) {|
