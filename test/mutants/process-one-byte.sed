# what:  newcomers keep each other out by the byte that says who is alive
# files: libshmbus/protocol/process.c
# check: unit newcomer.stopped_twice
s/^#define JOIN_BASE .*/#define JOIN_BASE SB_LIVE_BASE/
