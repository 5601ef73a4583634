/* SPDX-License-Identifier: MIT */
/*
 * Channel directory
 *
 * Entries are taken in order and never given back: all with a name come before all without. Who
 * wants a new name takes the first spare entry:
 *   D1 cas      dir   SPARE -> NAMING(hash)       decides
 *   D2 store    name  word by word                everybody with this hash writes the same bytes
 *   D3 cas      dir   NAMING(hash) -> READY(hash)
 * Two that want the same name meet at the same first spare entry; the loser of D1 finds its own
 * hash there and finishes D2 and D3 itself, so nobody waits.
 * Killed D1-D2, D2-D3: the next one with that name finishes; until then nobody uses the entry.
 * Checked by: test/unit/test_directory.c
 */
#include "protocol/directory.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "layout/name.h"

static int check_name(const struct sb_channel *shared, const char *name)
{
    char there[SHMBUS_NAME_BYTES];
    sb_name_load(shared->name, there);
    if (strcmp(there, name) != 0) {
        return sb_fail(-EEXIST,
                       "channel \"%s\": its name has the same hash as \"%s\"; choose another", name,
                       there);
    }
    return 0;
}

static void finish(struct sb_channel *shared, const char *name, uint64_t hash)
{
    uint64_t naming = sb_dir_make(hash, SB_DIR_NAMING);

    sb_name_store(shared->name, name);                             /* D2 */
    sb_cas(&shared->dir, naming, sb_dir_make(hash, SB_DIR_READY)); /* D3 */
}

int sb_directory_find(const struct sb_view *view, const char *name, uint32_t *ret_index)
{
    uint64_t hash = sb_name_hash(name);
    for (uint32_t i = 0; i < view->channel_count; i++) {
        const struct sb_channel *shared = view->channels[i].shared;
        uint64_t dir = sb_load_acquire(&shared->dir);
        if (dir == sb_dir_make(hash, SB_DIR_READY)) {
            int r = check_name(shared, name);
            if (r == 0) {
                *ret_index = i;
            }
            return r;
        }
        if (sb_dir_state(dir) == SB_DIR_SPARE) {
            break;
        }
    }
    return sb_fail(-ENOENT, "channel \"%s\" does not exist", name);
}

int sb_directory_claim(const struct sb_view *view, const char *name, uint32_t *ret_index)
{
    uint64_t hash = sb_name_hash(name);
    uint32_t i = 0;

    while (i < view->channel_count) {
        struct sb_channel *shared = view->channels[i].shared;
        uint64_t dir = sb_load_acquire(&shared->dir);
        if (sb_dir_state(dir) == SB_DIR_SPARE) {
            sb_cas(&shared->dir, dir, sb_dir_make(hash, SB_DIR_NAMING)); /* D1 */
            continue;                                                    /* look who won */
        }
        if (dir == sb_dir_make(hash, SB_DIR_NAMING)) {
            finish(shared, name, hash);
            continue;
        }
        if (dir == sb_dir_make(hash, SB_DIR_READY)) {
            int r = check_name(shared, name);
            if (r == 0) {
                *ret_index = i;
            }
            return r;
        }
        i++;
    }
    return sb_fail(-SHMBUS_ERR_TOO_MANY,
                   "channel \"%s\": all %u channels have other names; create the bus with more "
                   "spare channels (`spare: { channels: N }`)",
                   name, view->channel_count);
}
