# what:  recovery frees the copy before the message it was to replace
# files: libshmbus/protocol/reclaim.c
# check: model share_recoverers
/^static void reclaim_blocks(/,/^}/ {
    s|^    give_back_blocks(d);|    memset(d->groups, 0xff, sizeof d->groups);|
    s|^}|    give_back_blocks(d);\n}|
}
