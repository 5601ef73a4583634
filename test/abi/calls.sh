#!/bin/sh
# SPDX-License-Identifier: MIT
# The calls and the types of callbacks that a header declares, one a line, without the names of
# their parameters. usage: calls.sh INCLUDE_DIR
set -u
${CC:-cc} -E -P -std=gnu11 -I"$1" "$1/shmbus/shmbus.h" | tr '\n' ' ' | tr ';' '\n' |
    sed -n 's/^.*__attribute__((visibility("default"))) //p; s/^.*\(typedef .*shmbus_.*\)/\1/p' |
    tr -s ' ' | sed 's/\([ *]\)[a-z_]*\([,)]\)/\1\2/g; s/ \([,)]\)/\1/g' | sort
