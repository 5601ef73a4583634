# what:  R3 raises the head hint one too far
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_send_recv
s|raise_hint(&ring->shared->head, h + 1u)|raise_hint(\&ring->shared->head, h + 2u)|
