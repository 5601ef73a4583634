# what:  each handle may keep a stock, however many handles the process has
# files: libshmbus/protocol/block.c
# check: unit block.stocks_of_idle_handles
s|if (cls->stock_left != NULL) {|if (false) {|
