# what:  no Q2: a requeue does not raise orphan_seq
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model tiny_requeue sleep_requeue
\| Q2 \*/|d
