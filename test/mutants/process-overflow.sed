# what:  the age of a heartbeat overflows
# files: libshmbus/process.c
# check: unit process.with_a_heartbeat_from_long_before
s/return beat < now_ns - view->heartbeat_timeout_ns ?/return (int64_t)((uint64_t)now_ns - (uint64_t)beat) > view->heartbeat_timeout_ns ?/
