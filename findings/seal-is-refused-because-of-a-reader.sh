#!/bin/sh
# SPDX-License-Identifier: MIT
# A memfd cannot be sealed against writing as long as somebody reads it
#
# With:     Linux 6.18.
# Expected: F_SEAL_WRITE is refused (EBUSY) while there is a writable mapping. The writer unmaps, seals,
#           and everybody who has mapped it with PROT_READ only can trust the contents from then on.
# Seen:     a mapping with PROT_READ counts as a writable one if it was made by the descriptor as it was
#           received, which is open for reading and writing: it could be made writable by mprotect(). A
#           reader that reopened the file O_RDONLY through /proc/self/fd does not count. After the
#           seal, the very mapping that was in the way may be made again.
# Why:      whether the writer can seal is decided by each of its readers, who did nothing but look; a
#           paused or slow one keeps the seal off for as long as it stays. Send read-only descriptors, or
#           seal before the first one is sent (F_SEAL_FUTURE_WRITE, if the writer is to go on).
. "$(dirname "$0")/common.inc"

build "$tmp/seal" <<'C'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *seal(int memory)
{
    return fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE) == 0 ? "sealed" : strerrorname_np(errno);
}

static void *look(int fd)
{
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
}

int main(void)
{
    char path[64];
    int memory = memfd_create("finding", MFD_ALLOW_SEALING);
    void *view;

    if (memory < 0 || ftruncate(memory, 4096) != 0) {
        return 1;
    }
    view = look(memory);
    printf("read through the descriptor as it is: %s\n", seal(memory));
    munmap(view, 4096);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    view = look(open(path, O_RDONLY));
    printf("read through one for reading: %s\n", view == MAP_FAILED ? "not mapped" : seal(memory));
    printf("read as it is, afterwards: %s\n", look(memory) == MAP_FAILED ? "refused" : "mapped");
    return 0;
}
C
"$tmp/seal" | tee "$tmp/out"
expect "a reader is in the way" grep -qx 'read through the descriptor as it is: EBUSY' "$tmp/out"
expect "one with a read-only descriptor is not" grep -qx 'read through one for reading: sealed' "$tmp/out"
expect "after the seal both may look" grep -qx 'read as it is, afterwards: mapped' "$tmp/out"
