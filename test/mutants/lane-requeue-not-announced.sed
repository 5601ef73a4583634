# what:  no Q2: a requeue does not raise orphan_seq
# files: libshmbus/protocol/lane_redelivery.c
# check: model tiny_lane_requeue lane_sleep_requeue
\|/\* Q2 \*/|d
