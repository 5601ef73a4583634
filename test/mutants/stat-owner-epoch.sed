# what:  an owner of an earlier incarnation counts as listed
# files: libshmbus/inspect/inspect.c
# check: unit check.a_block_of_an_earlier_incarnation
s/return sb_proc_state(w) == SB_PROC_ACTIVE && sb_owner_make(slot, sb_proc_epoch(w)) == owner;/return sb_proc_state(w) == SB_PROC_ACTIVE;/
