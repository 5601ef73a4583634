# what:  the payload is copied after the message was committed
# files: libshmbus/channel/queue.c
# check: model two_senders same_block
/ int send_fast/,/^}/ {
/^    sb_copy(/d
s|^    sb_count(ch, SHMBUS_COUNT_sent, 1);|    sb_copy(sb_payload_in(cls, block), data, size_bytes);\n&|
}
