# what:  that the other end came back is not seen if it leaves as before
# files: libshmbus/stream.c
# check: unit failure.case_05_who
/^uint64_t sb_stream_ch_departure/,/^}/ s/return .*/return ch->departure_seen;/
