#!/bin/sh
# SPDX-License-Identifier: MIT
# LMDB: a second container cannot read the database while one with the same pid reads it
#
# With:     liblmdb 0.9.24-1 (Debian 12), Linux 6.18. Needs root (for pid namespaces).
# Expected: any number of processes read one LMDB file, on the same kernel; its locks are those of the
#           file system, so containers that share the volume are like any other processes.
# Seen:     a reader marks itself by a lock on byte number "my pid" of the lock file. Two containers whose
#           main processes are both pid 1 want the same byte: the second one's first transaction fails
#           with EAGAIN, "Resource temporarily unavailable", as long as the first one lives. With another
#           pid in the same container it works.
# Why:      it works with a shell in the container, where the program is number 7, and fails where it is
#           number 1; a retry, as the message suggests, never helps. Whatever identifies processes by
#           pid in a shared place takes two containers for one.
. "$(dirname "$0")/common.inc"

debs liblmdb-dev=0.9.24-1 liblmdb0=0.9.24-1
build "$tmp/reader" -I"$root/usr/include" -L"$libs" -l:liblmdb.so.0 <<'C'
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* argv: folder, "hold" or "try": reads, and keeps the file open if told so */
int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn = NULL;
    int r;

    if (argc < 3 || mdb_env_create(&env) != 0) {
        return 1;
    }
    r = mdb_env_open(env, argv[1], 0, 0600);
    if (r == 0) {
        r = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    }
    printf("pid %d: %s\n", (int)getpid(), r == 0 ? "reads" : mdb_strerror(r));
    fflush(stdout);
    while (strcmp(argv[2], "hold") == 0) {
        pause();
    }
    return 0;
}
C
mkdir "$tmp/data"
unshare --pid --fork true || { echo "needs root" && exit 2; }
unshare --pid --fork --kill-child "$tmp/reader" "$tmp/data" hold >"$tmp/first" &
pids=$!
first_reads() { grep -q . "$tmp/first"; }
until_true first_reads
saw "the first container, $(cat "$tmp/first")"
second=$(unshare --pid --fork "$tmp/reader" "$tmp/data" try)
saw "the second container, $second"
other=$(unshare --pid --fork sh -c '"$1" "$2" try; true' sh "$tmp/reader" "$tmp/data")
saw "another process of a container, $other"
expect "the first one reads" grep -qx 'pid 1: reads' "$tmp/first"
expect "the second one cannot" test "$second" = "pid 1: Resource temporarily unavailable"
expect "with another pid it can" test "$other" = "pid 2: reads"
