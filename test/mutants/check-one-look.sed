# what:  a suspicion that is seen once is reported
# files: libshmbus/inspect/check.c
# check: unit check_steps.what_moves_before_any
s|^#define LOOKS 3u |#define LOOKS 1u |
