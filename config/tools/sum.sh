#!/bin/sh
# SPDX-License-Identifier: MIT
# Adds up the lines "passed failed skipped name" of the results files named as arguments and prints
# one line; the exit status is 1 when something failed or nothing ran.
cat -- "$@" 2>/dev/null | awk '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        if (skipped) printf "%d skipped\n", skipped
        printf "%d passed, %d failed\n", passed, failed
        exit !(passed > 0 && failed == 0)
    }'
