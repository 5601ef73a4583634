#!/bin/sh
# SPDX-License-Identifier: MIT
# systemd-tmpfiles removes a shared-memory file that is written a thousand times a second
#
# With:     systemd-standalone-tmpfiles 252.39-1~deb12u2, Linux 6.18, tmpfs. Needs root.
# Expected: a cleaner that removes what is older than some age spares a file that a process has mapped
#           and keeps writing to: writes move its time stamps, and it is open.
# Seen:     on tmpfs a store through a mapping moves the time stamps only when a page is touched for the
#           first time. After that the file grows old while it is in use, and is removed. Nobody is told;
#           who comes later makes a new file of the same name.
# Why:      any age rule on a directory of shared memory cuts running programs apart. Exclude it (x), or
#           touch the file from time to time.
. "$(dirname "$0")/common.inc"

debs systemd-standalone-tmpfiles=252.39-1~deb12u2
mkdir "$tmp/shm"
mount -t tmpfs tmpfs "$tmp/shm"
undo() { umount "$tmp/shm"; }
build "$tmp/writer" <<'C'
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600);
    volatile long *word;

    if (fd < 0 || ftruncate(fd, 4096) != 0) {
        return 1;
    }
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (;;) {
        (*word)++;
        usleep(1000);
    }
}
C
"$tmp/writer" "$tmp/shm/in-use" &
pids=$!
until_true test -s "$tmp/shm/in-use"
printf 'd %s 0755 root root 2s\n' "$tmp/shm" >"$tmp/rule.conf"
"$root/bin/systemd-tmpfiles" --clean "$tmp/rule.conf"
young=$(ls "$tmp/shm")
before=$(od -An -td8 -N8 "$tmp/shm/in-use")
sleep 4
after=$(od -An -td8 -N8 "$tmp/shm/in-use")
touched=$(stat -c %Y "$tmp/shm/in-use")
"$root/bin/systemd-tmpfiles" --clean "$tmp/rule.conf"
saw "the counter went from $before to $after; last changed $(($(date +%s) - touched)) s ago; left: '$(ls "$tmp/shm")'"
expect "young, it is spared" test "$young" = in-use
expect "it is being written" test "$after" -gt "$before"
expect "and removed all the same" test ! -e "$tmp/shm/in-use"
expect "under a living writer" kill -0 "$pids"
