# what:  recovery tells nobody
# files: libshmbus/protocol/reclaim.c
# check: model tiny_sleep
s|^    tell_everybody(d->view);||
