# what:  the age of a heartbeat overflows
# files: libshmbus/base/here.c
# check: unit process.with_a_heartbeat_from_long_before
s/        return stamp_ns < 0 . INT64_MAX : -1;/        return (int64_t)((uint64_t)now_ns - (uint64_t)stamp_ns);/
