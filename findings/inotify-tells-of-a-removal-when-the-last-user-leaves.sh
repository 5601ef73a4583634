#!/bin/sh
# SPDX-License-Identifier: MIT
# inotify does not say that a file was removed as long as somebody has it mapped
#
# With:     Linux 6.18, tmpfs (other file systems alike).
# Expected: a watch with IN_DELETE_SELF on a shared-memory file tells its users that the file was
#           removed, so that they can leave it and open the new one.
# Seen:     unlink() gives IN_ATTRIB only (the number of links changed). IN_DELETE_SELF comes when the
#           last mapping and descriptor are gone: a user who waits for it with the file mapped waits for
#           itself. Stores through the mapping are never told either.
# Why:      "the segment was replaced under me" has to be found by IN_ATTRIB and a look at st_nlink, or
#           by comparing the inode behind the name from time to time.
. "$(dirname "$0")/common.inc"

build "$tmp/watch" <<'C'
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

static void tell(int watch, const char *after)
{
    struct inotify_event event[16];
    struct pollfd wait = { watch, POLLIN, 0 };
    uint32_t mask = 0;

    while (poll(&wait, 1, 500) > 0) {
        ssize_t bytes = read(watch, event, sizeof event); /* a watched file: events have no name */
        for (ssize_t i = 0; i < bytes / (ssize_t)sizeof event[0]; i++) {
            mask |= event[i].mask;
        }
    }
    printf("%s:%s%s%s%s\n", after, mask & IN_MODIFY ? " modify" : "", mask & IN_ATTRIB ? " attrib" : "",
           mask & IN_DELETE_SELF ? " delete" : "", mask == 0 ? " nothing" : "");
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "";
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    int watch = inotify_init1(IN_NONBLOCK);
    volatile char *page;

    if (fd < 0 || ftruncate(fd, 4096) != 0) {
        return 1;
    }
    inotify_add_watch(watch, path, IN_DELETE_SELF | IN_MODIFY | IN_ATTRIB);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    page[0] = 1;
    tell(watch, "store");
    unlink(path);
    tell(watch, "unlink");
    munmap((void *)page, 4096);
    tell(watch, "munmap");
    return 0;
}
C
"$tmp/watch" "/dev/shm/finding-$$" | tee "$tmp/out"
expect "a store is not told" grep -qx 'store: nothing' "$tmp/out"
expect "the removal is a change of attributes" grep -qx 'unlink: attrib' "$tmp/out"
expect "and told as such after the last user has left" grep -qx 'munmap: delete' "$tmp/out"
