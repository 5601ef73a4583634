# what:  A2 by a load and a store: it takes hints of others away
# files: libshmbus/protocol/block.c
# check: model alloc_free
s|^        sb_and(&cls->bitmap\[w\], ~(taken . stale)); /\* A2 \*/|        sb_store_release(\&cls->bitmap[w], sb_load_relaxed(\&cls->bitmap[w]) \& ~(taken \| stale));|
