# what:  the canary is taken down before the anchor is safe from forks
# files: libshmbus/protocol/anchor.c
# check: unit anchor.no_raw_clone
/munmap(canary, page_bytes()); \/\* T4 \*\//d
s/^    anchor->fd = sb_reopen(segment_fd, path, O_RDWR); \/\* T3 \*\//    munmap(canary, page_bytes());\n&/
