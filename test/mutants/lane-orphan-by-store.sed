# what:  O1 is a plain store
# files: libshmbus/protocol/lane_redelivery.c
# check: model lane_requeue
s|^    if (!sb_cas(&cell->w, w, mine)) { /\* O1 \*/|    sb_store_release(\&cell->w, mine);\n    if (false) {|
