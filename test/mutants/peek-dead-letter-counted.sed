# what:  peek says that a dead letter will be delivered once more
# files: libshmbus/peek.c
# check: unit peek.shows_the_delivery
s|return deliveries; /\* set aside|return deliveries + 1u; /* set aside|
