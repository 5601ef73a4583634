# what:  closing a handle gives back in the order of the blocks
# files: libshmbus/channel/queue.c
# check: unit order.dead_letters_arrive
s|sb_loc_channel(loc), sb_loc_ticket(loc), hdr, block}|sb_loc_channel(loc), block, hdr, block}|
