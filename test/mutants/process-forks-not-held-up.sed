# what:  without a thread of its own an attach does not hold up fork()
# files: libshmbus/protocol/process.c
# check: unit anchor.without_a_thread
s/^        sb_inherit_hold();/        ;/
s/^        sb_inherit_release();/        ;/
