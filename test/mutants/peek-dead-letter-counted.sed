# what:  peek says that a dead letter will be delivered once more
# files: libshmbus/inspect/peek.c
# check: unit peek.shows_the_delivery
s|deliveries = 1 + before; /. sent|deliveries = 2 + before; /* sent|
