# what:  recovery does not come back to the groups of blocks where it met something of the dead
# files: libshmbus/protocol/reclaim.c
# check: unit reclaim.*
s|^    mark_group(d, block);||
