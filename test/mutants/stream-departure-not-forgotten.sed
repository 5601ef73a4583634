# what:  an end that is held makes no difference to what was told
# files: libshmbus/channel/stream.c
# check: unit failure.case_05_who
/^static int departure/,/^}/ s/^        sb_stream_of(ch)->departure_seen = 0;//
