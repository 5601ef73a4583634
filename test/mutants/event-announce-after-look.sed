# what:  the sleeper looks for work before it announces itself
# files: libshmbus/channel/wait.c
# check: model tiny_sleep
/^static int sleep_once/,/^}/ {
/uint32_t announced = sb_event_announce(event);/d
s|^    int r = attempt(ch, job);|&\n    uint32_t announced = sb_event_announce(event);|
}
