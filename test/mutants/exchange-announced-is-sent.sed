# what:  a copy that is only announced counts as sent
# files: libshmbus/protocol/exchange.c
# check: model share_forward
s|return is_sent; /|return true; /|
