# what:  no marker behind the record: old bytes are taken for a header
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_small stream_pair
/B: C orders it/d
