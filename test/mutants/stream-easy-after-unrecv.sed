# what:  after a message was put back its size is believed up to the end of the next lap
# files: libshmbus/protocol/ring_spsc.c
# check: unit stream.
/^    rx->easy = rx->next; /d
