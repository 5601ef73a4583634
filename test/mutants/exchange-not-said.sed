# what:  no X2: after a death the message is there twice
# files: libshmbus/protocol/exchange.c
# check: model share_forward
s|sb_hdr_deliveries(hdr), SB_BLOCK_EXCHANGED,$|sb_hdr_deliveries(hdr), SB_BLOCK_RECEIVED,|
