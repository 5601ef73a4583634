# what:  F missing: the next receiver does not know that the message was handed out
# files: libshmbus/protocol/ring_spsc.c
# check: model stream_new_receiver
s|^    sb_store_relaxed(&rx->shared->attempt, .*||
