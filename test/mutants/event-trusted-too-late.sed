# what:  a word that has changed since the membarrier began is called trusted all the same
# files: libshmbus/protocol/event.c
# check: model event_take_back
/^static uint32_t make_trusted/,/^}/ s|^    if (sb_cas32(&event->word, announced, trusted).*|    uint32_t now = sb_load32_relaxed(\&event->word);\n    while (!sb_cas32(\&event->word, now, now \| SB_EVENT_TRUSTED)) {\n        now = sb_load32_relaxed(\&event->word);\n    }\n    if (now == announced \|\||
