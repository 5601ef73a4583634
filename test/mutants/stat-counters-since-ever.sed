# what:  a process's counters include those of the row's earlier handles
# files: libshmbus/inspect/stat.c
# check: unit stat.channel_and_process_count
s/sb_load_relaxed(&row->counters\[k\]) - sb_load_relaxed(&row->at_open\[k\])/sb_load_relaxed(\&row->counters[k])/
