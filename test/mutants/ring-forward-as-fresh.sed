# what:  a forward is announced like a fresh send
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_forward
s|state == SB_HRX ? SB_QFW : SB_QUE|SB_QUE|
