# what:  O1 is a plain store
# files: libshmbus/protocol/mpmc_redelivery.c
# check: model requeueing
/^static bool take_orphan/,/^}/ s|^    if (!sb_cas(&b->hdr, hdr, mine)) { /\* O1 \*/|    sb_store_release(\&b->hdr, mine);\n    if (false) {|
