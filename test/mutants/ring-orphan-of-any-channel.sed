# what:  an orphan is taken by the receivers of any channel
# files: libshmbus/ring_mpmc.c
# check: model forwarding dead_letters
s|^        if (origin != ring->channel) {|        if (false) {|
