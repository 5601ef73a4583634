# what:  R1 is a plain store
# files: libshmbus/protocol/ring_mpmc.c
# check: model tiny_receivers two_receivers
s|^            if (!sb_cas(&b->hdr, hdr, mine)) { /\* R1 \*/|            sb_store_release(\&b->hdr, mine);\n            if (false) {|
