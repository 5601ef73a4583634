# what:  a sleeper relies on wakers to fence before that of who asked for it has reached them all
# files: libshmbus/protocol/event.c
# check: model event_first
/^uint32_t sb_event_announce/,/^}/ {
s|^    uint32_t v = sb_load32_relaxed.*|&\n    bool was_fenced = (v \& SB_EVENT_FENCED) != 0;|
s|(v & SB_EVENT_TRUSTED) != 0|was_fenced|
}
