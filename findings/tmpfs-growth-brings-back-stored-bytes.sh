#!/bin/sh
# SPDX-License-Identifier: MIT
# A shared-memory file that grows does not grow by zeros: what was stored behind its end comes back
#
# With:     Linux 6.18, tmpfs; an ordinary file system (where mktemp makes its folder) beside it.
# Expected: bytes behind the end of the file, in its last page, are nobody's; POSIX says that a file that
#           is made larger shows zeros there, and it does on ext4.
# Seen:     on tmpfs, and so in shm_open() and memfd files, a store behind the end stays in the page.
#           ftruncate(), fallocate() and pwrite() that make the file larger show it as contents. Only if
#           the file shrinks is the rest of the page cleared.
# Why:      "new room is zero" is what the words of a shared table start from: empty, free, unlocked. A
#           segment whose size is no multiple of a page must be cleared by hand when it grows.
. "$(dirname "$0")/common.inc"

mkdir "$tmp/shm"
mount -t tmpfs tmpfs "$tmp/shm" || { echo "needs root" && exit 2; }
undo() { umount "$tmp/shm"; }
build "$tmp/grow" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The byte at 200 of a file of 100 bytes, stored before the file grew to 1000. */
static int after_growth(const char *path, const char *how)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *page;
    char byte = -1;
    int r;

    if (fd < 0 || ftruncate(fd, 100) != 0) {
        return -1;
    }
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    page[200] = 7;
    if (strcmp(how, "ftruncate") == 0) {
        r = ftruncate(fd, 1000);
    } else if (strcmp(how, "fallocate") == 0) {
        r = fallocate(fd, 0, 0, 1000);
    } else if (strcmp(how, "pwrite") == 0) {
        r = pwrite(fd, "x", 1, 999) == 1 ? 0 : -1;
    } else {
        r = ftruncate(fd, 50) == 0 ? ftruncate(fd, 1000) : -1;
    }
    if (r != 0 || pread(fd, &byte, 1, 200) != 1) {
        return -1;
    }
    munmap(page, 4096);
    close(fd);
    return byte;
}

int main(int argc, char **argv)
{
    static const char *const how[] = { "ftruncate", "fallocate", "pwrite", "shrink-first" };

    for (int i = 0; argc > 1 && i < 4; i++) {
        printf("%s=%d ", how[i], after_growth(argv[1], how[i]));
    }
    return 0;
}
C
on_tmpfs=$("$tmp/grow" "$tmp/shm/file")
saw "tmpfs: $on_tmpfs"
expect "on tmpfs the stored byte comes back" test "$on_tmpfs" = "ftruncate=7 fallocate=7 pwrite=7 shrink-first=0 "
kind=$(stat -f -c %T "$tmp")
[ "$kind" != tmpfs ] || exit 0
on_disk=$("$tmp/grow" "$tmp/file")
saw "$kind: $on_disk"
expect "elsewhere there are zeros" test "$on_disk" = "ftruncate=0 fallocate=0 pwrite=0 shrink-first=0 "
