# what:  fences are taken back by a store: a sleeper's bit may go with them
# files: libshmbus/protocol/event.c
# check: model event_take_back
/^bool sb_event_wake_fenced/,/^}/ s|sb_cas32(&event->word, v, |sb_store32_release(\&event->word, |
