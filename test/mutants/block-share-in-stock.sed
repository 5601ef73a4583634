# what:  a freed block of a share goes into a stock
# files: libshmbus/protocol/block.c
# check: unit block.
s|block >= cls->common_end|block >= cls->first + cls->count|
