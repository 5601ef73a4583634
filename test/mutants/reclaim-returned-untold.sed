# what:  no G3: recovery says at its end only that it has given back
# files: libshmbus/protocol/reclaim.c
# check: model returned_dead
# bounds: 2/1/0
/^static void raise_seq/,/^}/ s|^        sb_fetch_add(&ch->shared->orphan_seq, 1);||
