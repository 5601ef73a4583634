#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs of earlier releases run with this library, and the header still declares what they rely
# on; that this would be noticed if it were not so, each tried on a copy of the header that an edit
# of sed has spoiled. usage: check.sh PROGRAM...
set -u
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc
header=libshmbus/include
notices() { # OLD SED_SCRIPT
    rm -rf "$work/copy" && cp -r $header "$work/copy"
    sed "$2" $header/shmbus/shmbus.h >"$work/copy/shmbus/shmbus.h"
    ! cmp -s $header/shmbus/shmbus.h "$work/copy/shmbus/shmbus.h" &&
        ! sh test/abi/frozen.sh "$1" "$work/copy"
}
passes() { ! notices "$@"; }

for program in "$@"; do
    check "a program of ${program##*/abi-} runs" "$program"
done
for old in test/abi/v*; do
    release=${old##*/v}
    check "what $release declared is there, with the same numbers and places" \
        sh test/abi/frozen.sh "$old" $header
    check "$release: a member that is gone would be noticed" notices "$old" '/uint32_t endpoints;/d'
    check "$release: one that changes places would be" notices "$old" \
        '/^struct shmbus_channel_opts/,/^}/s/uint32_t depth;/uint32_t new_, depth;/'
    check "$release: one of another size would be" notices "$old" 's/ uint16_t sender;/ uint32_t sender;/'
    check "$release: a message that grows would be" notices "$old" 's/opaque_\[3\]/opaque_[4]/'
    check "$release: a number that changes would be" notices "$old" 's/OPEN_RECV = 2/OPEN_RECV = 64/'
    check "$release: an error that is renumbered would be" notices "$old" 's/X(STALE, 5010/X(STALE, 5013/'
    check "$release: a limit that is lowered would be" notices "$old" \
        's/REGIONS_MAX 256/REGIONS_MAX 255/'
    check "$release: a call that is gone would be" notices "$old" '/int shmbus_release(/d'
    check "$release: a parameter of another type would be" notices "$old" \
        's/shmbus_commit(struct shmbus_msg \*msg, int64_t/shmbus_commit(struct shmbus_msg *msg, int32_t/'
    check "$release: a callback of another type would be" notices "$old" \
        's/typedef bool (\*shmbus_list_fn)/typedef void (*shmbus_list_fn)/'
    check "$release: options that grow at their end are fine" passes "$old" \
        '/^struct shmbus_block_opts/,/^}/s/^};/    uint64_t node;\n};/'
    check "$release: a limit that is raised is fine" passes "$old" 's/REGIONS_MAX 256/REGIONS_MAX 512/'
done
check "until the release the frozen header is the present one: make freeze-abi" \
    sh test/abi/freeze.sh check
exit $failed
