# what:  peek ends at a message that was taken, where the head hint lags
# files: libshmbus/inspect/peek.c
# check: unit peek.goes_past
s|continue; /\* taken already|break; /* taken already|
