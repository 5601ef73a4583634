# what:  a repaired block keeps its generation
# files: libshmbus/protocol/reclaim.c
# check: narrow same_name_again same_name_dead_letter
s|hdr, sb_gen_next(sb_gen_next(gen))|hdr, gen|
