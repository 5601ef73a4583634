#!/bin/sh
# SPDX-License-Identifier: MIT
# In a container's own file system two mappings of one file, same device, same inode, share nothing
#
# With:     Linux 6.18, overlayfs. Needs root.
# Expected: two processes that have opened the same path, with the same st_dev and st_ino, whose locks
#           exclude one another, map the same pages with MAP_SHARED.
# Seen:     a file that comes with the image is copied when it is first opened for writing. Whoever had mapped
#           it by then, read-only, keeps the pages of the image for ever: stores of the writer never
#           arrive. All else speaks for one file: fstat() of both, read() through the old descriptor, which
#           gives the new contents, and the lock, which is held against the writer.
# Why:      a segment or table that was made when the image was built works for whoever maps it after the
#           first writer, and stands still for whoever was there before; the check by device and inode passes.
#           Shared files belong on a tmpfs or a volume, or are made anew at the start.
. "$(dirname "$0")/common.inc"

# A tmpfs below, since the temporary folder may be on an overlay itself.
mkdir "$tmp/below"
mount -t tmpfs tmpfs "$tmp/below" || { echo "needs root" && exit 2; }
undo() { umount "$tmp/below/merged" "$tmp/below"; }
mkdir "$tmp/below/image" "$tmp/below/changes" "$tmp/below/work" "$tmp/below/merged"
head -c 4096 /dev/zero | tr '\0' 'o' >"$tmp/below/image/segment"
mount -t overlay overlay -o \
    "lowerdir=$tmp/below/image,upperdir=$tmp/below/changes,workdir=$tmp/below/work" "$tmp/below/merged"
build "$tmp/two" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *map(int fd, int protection)
{
    return mmap(NULL, 4096, protection, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "";
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int reader = open(path, O_RDONLY);
    volatile char *seen = map(reader, PROT_READ);
    struct stat first;
    struct stat second;
    char byte = seen[0];
    char *page;
    int writer;

    if (fcntl(reader, F_OFD_SETLK, &lock) != 0) {
        return 1;
    }
    writer = open(path, O_RDWR);
    page = map(writer, PROT_READ | PROT_WRITE);
    if (writer < 0 || page == MAP_FAILED || fstat(reader, &first) != 0 || fstat(writer, &second) != 0) {
        return 1;
    }
    page[0] = 'n';
    lock.l_type = F_WRLCK;
    printf("same file %s, locked %s, ",
           first.st_dev == second.st_dev && first.st_ino == second.st_ino ? "yes" : "no",
           fcntl(writer, F_OFD_SETLK, &lock) != 0 ? "yes" : "no");
    if (pread(reader, &byte, 1, 0) != 1) {
        return 1;
    }
    printf("read %c, mapped %c\n", byte, seen[0]);
    return 0;
}
C
cp "$tmp/below/image/segment" "$tmp/below/plain"
plain=$("$tmp/two" "$tmp/below/plain")
first=$("$tmp/two" "$tmp/below/merged/segment")
later=$("$tmp/two" "$tmp/below/merged/segment")
saw "tmpfs: $plain"
saw "overlay, file of the image: $first"
saw "overlay, written before: $later"
right='same file yes, locked yes, read n, mapped n'
expect "elsewhere a store is seen" test "$plain" = "$right"
expect "the mapping of the image's file stands still" test "$first" = 'same file yes, locked yes, read n, mapped o'
expect "after the first writer it works" test "$later" = "$right"
