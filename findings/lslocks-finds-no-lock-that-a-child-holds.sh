#!/bin/sh
# SPDX-License-Identifier: MIT
# lslocks names the dead and no file for a lock that a child holds, and nobody for an OFD lock
#
# With:     util-linux 2.38.1-5+deb12u3, psmisc 23.6-1 (Debian 12), Linux 6.18. Needs root, for descriptors of others.
# Expected: lslocks tells which process has which file locked; a file that root does not find in it is not
#           locked. The pid of /proc/locks is the holder's.
# Seen:     the pid is of the process that called flock(). If that one has ended and a child has the descriptor,
#           as after each daemon(), /proc/locks and lslocks name the dead, and lslocks, which looks for the
#           path in the descriptors of that pid, prints "/mount/point...". For an OFD lock the pid is -1, the path
#           is lost in the same way. fuser names all who have the file open, with and without the lock. Only
#           /proc/PID/fdinfo/FD is exact: "lock:" is in the holder's.
# Why:      "lslocks | grep my.lock shows nothing, so it is stale, remove it" gives a second instance next to the
#           living one. Ask: grep -l lock: /proc/[0-9]*/fdinfo/*, then look at the fd/ beside it.
. "$(dirname "$0")/common.inc"

[ "$(id -u)" = 0 ] || { echo "needs root" && exit 2; }
build "$tmp/holder" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Opens a file, locks it in the way asked for, prints the pid, stays. */
int main(int argc, char **argv)
{
    struct flock whole = { .l_type = F_WRLCK };
    const char *how = argv[argc - 1];
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600), r = 0;

    if (strcmp(how, "ofd") == 0) {
        r = fcntl(fd, F_OFD_SETLK, &whole);
    } else if (strcmp(how, "flock") == 0 || strcmp(how, "daemon") == 0) {
        r = flock(fd, LOCK_EX | LOCK_NB);
    }
    if (strcmp(how, "daemon") == 0 && daemon(1, 1) != 0) {
        return 1;
    }
    printf("%d\n", getpid());
    fflush(stdout);
    alarm(80);
    pause();
    return r;
}
C
# Sets $pid to a process that has FILE open, and locked as HOW says.
start() {
    "$tmp/holder" "$tmp/$1" "$2" >"$tmp/pid" &
    until_true test -s "$tmp/pid"
    pid=$(cat "$tmp/pid")
    pids="$pids $pid"
    rm "$tmp/pid"
}
start plain flock && plain=$pid
start child daemon && child=$pid
start ofd ofd && ofd=$pid
start ofd none && onlooker=$pid
inode() { stat -c %i "$tmp/$1"; }
kernel() { sed -n "s/.* WRITE *\(-*[0-9]*\) [^ ]*:$(inode "$1") .*/\1/p" /proc/locks; }
tool() { lslocks -n -r -o COMMAND,PID,INODE | sed -n "s/ $(inode "$1")\$//p"; }
listed() { lslocks -n -r -u -o PATH | grep -qxF "$tmp/$1"; }
opened() { fuser "$tmp/$1" 2>/dev/null | tr -s ' ' '\n' | grep . | sort -n | paste -sd' '; }
locked() { grep -q '^lock:' "/proc/$1/fdinfo/"* 2>/dev/null; }
for file in plain child ofd; do
    saw "$file: kernel $(kernel $file), lslocks $(tool $file), open in $(opened $file)"
done
both=$(printf '%s\n' "$ofd" "$onlooker" | sort -n | paste -sd' ')
taker=$(kernel child)
free() { flock -n "$tmp/$1" true; }
expect "a lock, its holder" test "$(kernel plain) $(tool plain)" = "$plain holder $plain"
expect "and its file" listed plain
expect "a child's lock has the pid of the dead" test "$(tool child)" = "(unknown) $taker"
expect "who is dead" eval '! kill -0 "$taker" 2>/dev/null'
expect "and its file is not listed" eval '! listed child'
expect "it is held" eval '! free child'
expect "by the child, says fdinfo" locked "$child"
expect "an OFD lock has nobody" test "$(kernel ofd) $(tool ofd)" = "-1 (undefined) -1"
expect "and no file" eval '! listed ofd'
expect "fuser names the onlooker too" test "$(opened ofd)" = "$both"
expect "fdinfo names the holder" locked "$ofd"
expect "and not the onlooker" eval '! locked "$onlooker"'
