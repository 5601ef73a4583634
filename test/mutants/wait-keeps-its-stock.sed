# what:  a process that goes to sleep keeps its stock
# files: libshmbus/channel/wait.c
# check: unit wait.whoever_sleeps
s|ch->ops->sleeps(ch);||
