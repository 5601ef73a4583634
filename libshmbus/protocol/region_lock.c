/* SPDX-License-Identifier: MIT */
/*
 * A region: writers exclude each other by a lock that names its holder, readers copy without any
 * lock and check afterwards that nothing changed (a sequence lock), and a half write of a dead
 * process is undone from a copy of the old bytes.
 *
 *   writer                                       reader
 *   L  cas  lock: 0, or a dead holder -> me      P  load_acquire version: odd -> wait
 *   U  undo area = old bytes; store undo         Q  load_acquire the words of the data
 *   B  store_release version: odd                R  load version again: changed -> from P
 *   W  store_release the words of the data
 *   C  store_release version: even = COMMIT
 *   K  store writes; store_release lock = 0; wake
 *
 * Who writes: lock by CAS as above, to 0 by its holder; everything else the holder of the lock.
 * U before B: who finds the version odd finds the undo area complete; B is a release.
 * B before W, W->Q: each data word is a release store and an acquire load, so a reader who sees one
 *   new word sees the odd version at R. On x86 these are plain moves.
 * Q before R: acquire loads are done before what follows. R = P means no word was from a write.
 * A reader that does not get a quiet moment within its spin takes the lock like a writer.
 *
 * Killed before B: lock held, version even: nothing to undo. Wherever it was killed, recovery sets
 *   the lock to 0, and the next one may take it over before that.
 * Killed between B and C: whoever next takes the lock finds the version odd, puts the old bytes
 *   back, makes the version even and counts a rollback. It holds the lock by its own name while it
 *   does, so nobody else writes; if it is killed, the next one does the same from the same undo.
 * Killed between C and K: the write is done; the lock is taken over, writes is set right.
 * Killed between K and the wake-up: recovery wakes whoever waits for any region.
 * Stopped anywhere: the others wait, at most their timeout. Nobody takes a lock from the living.
 * A dead holder is one whose process word is not ACTIVE with the epoch in the lock, or of whom the
 * kernel says so. A lock value is never used twice by different holders (48 bits of epoch), so the
 * CAS from a dead holder cannot hit a living one.
 * Half a write is undone only by processes with an identity: an anonymous helper could be stopped
 *   in the middle and go on later, over newer bytes. Observers answer -EAGAIN.
 *
 * version / 2 = finished writes + rollbacks at any even version; so writes and rollbacks are
 * functions of each other and of version, and repeating an interrupted step counts nothing twice.
 * Checked by: test/unit/test_region.c, test_region_steps.c, test/model
 */
#include "protocol/region_lock.h"

#include <string.h>

#include "base/error.h"
#include "protocol/event.h"

#define WORD 8u
#define QUICK_TRIES 16u

bool sb_region_take(struct sb_region *r, uint64_t holder, uint64_t owner64)
{
    return sb_cas(&r->lock, holder, owner64); /* L */
}

void sb_region_unlock(struct sb_region *r)
{
    sb_store_release(&r->lock, 0); /* K */
    sb_event_wake_after_store(&r->unlocked);
}

/* ------------------------------------------------------------------------------------- bytes */

static inline sb_word *word_of(uint8_t *area, uint64_t index)
{
    return (sb_word *)(void *)(area + index * WORD);
}

/* Words that bytes [offset, offset + size) touch; size is not 0. */
struct span {
    uint64_t first, count;
};

static struct span span_of(uint64_t offset_bytes, uint64_t size_bytes)
{
    uint64_t first = offset_bytes / WORD;
    return (struct span){first, (offset_bytes + size_bytes + WORD - 1) / WORD - first};
}

static void copy_words(uint8_t *to, uint8_t *from, struct span span)
{
    for (uint64_t i = span.first; i < span.first + span.count; i++) {
        sb_store_release(word_of(to, i), sb_load_acquire(word_of(from, i)));
    }
}

/* Bytes [at, at + n) of one word; the others stay. */
static void put_part(sb_word *word, size_t at, const uint8_t *from, size_t n)
{
    uint64_t value = sb_load_relaxed(word); /* relaxed: only the holder of the lock writes */
    memcpy((uint8_t *)&value + at, from, n);
    sb_store_release(word, value);
}

static void get_part(const sb_word *word, size_t at, uint8_t *to, size_t n)
{
    uint64_t value = sb_load_acquire(word);
    memcpy(to, (const uint8_t *)&value + at, n);
}

/* How many of the bytes lie in a first word that they do not fill. */
static size_t leading_bytes(uint64_t offset_bytes, size_t size_bytes)
{
    size_t at = offset_bytes % WORD;
    if (at == 0) {
        return 0;
    }
    return size_bytes < WORD - at ? size_bytes : WORD - at;
}

/* W. */
static void put_bytes(uint8_t *area, uint64_t offset_bytes, const uint8_t *from, size_t size_bytes)
{
    size_t lead = leading_bytes(offset_bytes, size_bytes);
    uint64_t index = (offset_bytes + lead) / WORD, value;
    size_t left = size_bytes - lead;
    if (lead > 0) {
        put_part(word_of(area, offset_bytes / WORD), offset_bytes % WORD, from, lead);
    }
    for (from += lead; left >= WORD; left -= WORD, from += WORD) {
        memcpy(&value, from, WORD);
        sb_store_release(word_of(area, index++), value);
    }
    if (left > 0) {
        put_part(word_of(area, index), 0, from, left);
    }
}

/* Q. */
static void get_bytes(uint8_t *area, uint64_t offset_bytes, uint8_t *to, size_t size_bytes)
{
    size_t lead = leading_bytes(offset_bytes, size_bytes);
    uint64_t index = (offset_bytes + lead) / WORD, value;
    size_t left = size_bytes - lead;
    if (lead > 0) {
        get_part(word_of(area, offset_bytes / WORD), offset_bytes % WORD, to, lead);
    }
    for (to += lead; left >= WORD; left -= WORD, to += WORD) {
        value = sb_load_acquire(word_of(area, index++));
        memcpy(to, &value, WORD);
    }
    if (left > 0) {
        get_part(word_of(area, index), 0, to, left);
    }
}

/* ----------------------------------------------------------------------------------- repair */

uint64_t sb_region_writes(const struct sb_region *region)
{
    for (unsigned i = 0; i < QUICK_TRIES; i++) {
        uint64_t version = sb_load_acquire(&region->version);
        uint64_t rollbacks = sb_load_acquire(&region->rollbacks);
        if (version % 2 == 0 && sb_load_acquire(&region->version) == version) {
            return version / 2 - rollbacks;
        }
    }
    return sb_load_acquire(&region->writes); /* right while the version is odd */
}

int sb_region_repair(const struct sb_region_view *region, const char *name)
{
    struct sb_region *r = region->shared;
    uint64_t version = sb_load_acquire(&r->version);
    uint64_t undo = sb_load_relaxed(&r->undo);
    uint64_t words = (region->bytes + WORD - 1) / WORD;
    struct span span = {sb_undo_first(undo), sb_undo_count(undo)};
    if (version % 2 == 0) {
        sb_store_relaxed(&r->writes, version / 2 - sb_load_relaxed(&r->rollbacks));
        return 0;
    }
    if (span.first > words || span.count > words - span.first) {
        return sb_fail(-SHMBUS_ERR_CORRUPT,
                       "region \"%s\": half a write cannot be undone, its undo area is damaged; "
                       "remove the bus and create it again",
                       name);
    }
    copy_words(region->data, region->undo, span);
    sb_store_relaxed(&r->rollbacks, (version + 1) / 2 - sb_load_relaxed(&r->writes));
    sb_store_release(&r->version, version + 1);
    return 0;
}

/* The lock first, so that nobody goes to sleep after the wake-up because of the dead holder. Wakes
 * all, not only those of a locked region: the dead process may have unlocked and owe the wake-up.
 */
void sb_region_recover(struct sb_region *r, uint64_t dead_owner64)
{
    if (dead_owner64 != 0) {
        sb_cas(&r->lock, dead_owner64, 0);
    }
    sb_event_wake_all(&r->unlocked);
}

/* ------------------------------------------------------------------------------ write and read */

void sb_region_put(const struct sb_region_view *region, uint64_t offset_bytes, const void *data,
                   size_t size_bytes)
{
    struct sb_region *r = region->shared;
    uint64_t version = sb_load_relaxed(&r->version); /* relaxed: we hold the lock */
    uint64_t writes = sb_load_relaxed(&r->writes);
    struct span span = span_of(offset_bytes, size_bytes);

    copy_words(region->undo, region->data, span); /* U */
    sb_store_relaxed(&r->undo, sb_undo_make(span.first, span.count));
    sb_store_release(&r->version, version + 1); /* B */
    put_bytes(region->data, offset_bytes, data, size_bytes);
    sb_store_release(&r->version, version + 2); /* C */
    sb_store_relaxed(&r->writes, writes + 1);
}

void sb_region_get(const struct sb_region_view *region, uint64_t offset_bytes, void *buffer,
                   size_t size_bytes)
{
    get_bytes(region->data, offset_bytes, buffer, size_bytes);
}

bool sb_region_try_get(const struct sb_region_view *region, uint64_t offset_bytes, void *buffer,
                       size_t size_bytes)
{
    struct sb_region *r = region->shared;
    uint64_t version = sb_load_acquire(&r->version); /* P */
    if (version % 2 != 0) {
        return false;
    }
    get_bytes(region->data, offset_bytes, buffer, size_bytes);
    return sb_load_acquire(&r->version) == version; /* R */
}
