# what:  no X2: after a death the message is there twice
# files: libshmbus/protocol/exchange.c
# check: model share_forward
s|sb_hdr_deliveries(hdr), SB_HFW, |sb_hdr_deliveries(hdr), SB_HRX, |
