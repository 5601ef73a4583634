# what:  a region locked by a living writer is reported
# files: libshmbus/inspect/check.c
# check: unit check.damage_in_rings_and_regions
s/(holder != 0 && !sb_bus_owner64_is_dead(check->bus, holder)) ||/false ||/
