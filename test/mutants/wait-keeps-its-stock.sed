# what:  whoever goes to sleep keeps his stock
# files: libshmbus/channel/wait.c
# check: unit wait.whoever_sleeps
s|sb_stock_flush(&ch->bus->view.blocks, &ch->stock);||
