# what:  a dead letter does not say how often it was delivered
# files: libshmbus/protocol/letters.c
# check: model letters_dropped letters_of_the_dead
s|sb_store_relaxed(&b->meta, sb_meta_set_aside(meta, deliveries)); /\* B1 \*/|(void)deliveries;|
