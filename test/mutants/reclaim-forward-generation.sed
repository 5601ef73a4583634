# what:  recovery of a forward does not go back to where it came from
# files: libshmbus/reclaim.c
# check: model tiny_forward
s|sb_gen_prev(gen)|gen|
