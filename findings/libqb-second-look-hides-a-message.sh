#!/bin/sh
# SPDX-License-Identifier: MIT
# libqb: to look at the first message of a ring twice makes the last one invisible, from then on
#
# With:     libqb100 and libqb-dev 2.0.6-2 (Debian 12), the ring of corosync and pacemaker. Needs root (for a
#           /dev/shm of its own).
# Expected: qb_rb_chunk_peek() shows the oldest message without taking it, qb_rb_chunk_reclaim() takes it. To
#           peek again before that shows it again and costs nothing.
# Seen:     each peek takes one from the semaphore that counts the messages, and reclaim gives nothing
#           back. Two messages, two looks at the first one, one reclaim: qb_rb_chunks_used() is 0, peek and
#           read time out, with "two" in the ring. A third message wakes the reader, which gets "two"; the
#           reader is one behind for good, each request is answered when the next one comes.
# Why:      to look, be busy, and look again later is what a zero-copy interface invites to. One such retry
#           in the life of a ring, and it is never empty again; nothing shows it but the delay.
. "$(dirname "$0")/common.inc"

debs libqb100=2.0.6-2 libqb-dev=2.0.6-2
build "$tmp/look" "-I$root/usr/include" "-L$libs" -l:libqb.so.100 <<'C'
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <qb/qbrb.h>

static void put(qb_ringbuffer_t *ring, const char *text)
{
    if (qb_rb_chunk_write(ring, text, strlen(text) + 1) < 0) {
        printf("no room\n");
    }
}

static const char *take(qb_ringbuffer_t *ring)
{
    static char text[16];

    return qb_rb_chunk_read(ring, text, sizeof text, 100) > 0 ? text : "nothing";
}

static void look(unsigned times)
{
    qb_ringbuffer_t *ring = qb_rb_open("finding", 4096, QB_RB_FLAG_CREATE, 0);
    void *seen = NULL;

    if (ring == NULL) {
        return;
    }
    put(ring, "one");
    put(ring, "two");
    for (unsigned i = 0; i < times; i++) {
        if (qb_rb_chunk_peek(ring, &seen, 100) != 4 || strcmp(seen, "one") != 0) {
            printf("not the first one\n");
        }
    }
    qb_rb_chunk_reclaim(ring);
    printf("%u looks: %d used,", times, (int)qb_rb_chunks_used(ring));
    printf(" %s,", take(ring));
    put(ring, "three");
    printf(" %s,", take(ring));
    printf(" %s\n", take(ring));
    qb_rb_close(ring);
}

int main(void)
{
    look(1);
    look(2);
    return 0;
}
C
unshare --mount sh -c 'mount -t tmpfs tmpfs /dev/shm && exec "$0"' "$tmp/look" >"$tmp/out" ||
    { echo "needs root" && exit 2; }
cat "$tmp/out"
expect "one look, and all comes in order" grep -qx '1 looks: 1 used, two, three, nothing' "$tmp/out"
expect "two looks, and the reader is one behind" grep -qx '2 looks: 0 used, nothing, two, nothing' "$tmp/out"
