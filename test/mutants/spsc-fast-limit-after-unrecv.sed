# what:  after a message was put back its size is believed up to the end of the next lap
# files: libshmbus/protocol/ring_spsc.c
# check: unit ring_spsc.
/^    rx->fast_limit = rx->next; /d
