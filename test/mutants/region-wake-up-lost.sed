# what:  recovery wakes only those who wait for a lock the dead process still held
# files: libshmbus/protocol/region_lock.c
# check: model region_writers
/^void sb_region_recover/,/^}/ s|^    sb_event_wake_all(&r->unlocked);|    if (dead_owner64 != 0) {\n        sb_event_wake_all(\&r->unlocked);\n    }|
