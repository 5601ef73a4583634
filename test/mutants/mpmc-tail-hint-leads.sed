# what:  S4 raises the tail hint one too far
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_senders
s|raise_hint(&ring->shared->tail, t + 1u)|raise_hint(\&ring->shared->tail, t + 2u)|
