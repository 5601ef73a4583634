# what:  a receiver that was lapped goes on behind the oldest message
# files: libshmbus/protocol/ring_lanes.c
# check: unit ring_lanes.a_receiver_that_comes_late
s/^        rx->cursor\[lane\] = c + ((uint64_t)ahead << rx->shift) - rx->mask;/        rx->cursor[lane] = c + ((uint64_t)ahead << rx->shift);/
