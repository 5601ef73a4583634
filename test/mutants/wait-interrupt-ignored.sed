# what:  a sleeper does not look whether it was interrupted
# files: libshmbus/channel/wait.c
# check: unit wait.an_interrupt_ends
s|if (sb_load32_relaxed(&ch->bus->interrupted) != 0) {|if (false) {|
