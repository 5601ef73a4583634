# what:  what a dead process held at its last delivery is never moved
# files: libshmbus/protocol/mpmc_redelivery.c
# check: unit letters.of_the_dead
/^static bool take_orphan(/,/^}/ s|^        set_aside(ring, item->number, hdr);||
