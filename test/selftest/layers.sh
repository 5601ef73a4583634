#!/bin/sh
# SPDX-License-Identifier: MIT
# config/tools/layers.sh on a copy of the library: as it is, and with one wrong line at a time, which it
# must name.
#   layers.sh OBJECTS COMPILER...
objects=$1
shift
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. test/check.inc

fresh() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/config/tools" "$work/tree/obj"
    cp config/tools/layers.sh "$work/tree/config/tools/"
    cp -r libshmbus "$work/tree/"
    cp -r "$objects/libshmbus" "$work/tree/obj/"
}

# names WHAT PATTERN: layers.sh must say so; without a pattern nothing at all.
names() {
    run_program sh "$work/tree/config/tools/layers.sh" "$work/tree/obj"
    pattern=$2
    if [ -z "$pattern" ]; then
        check "$1" eval 'status_is 0 && quiet'
    else
        check "$1" eval 'status_is 1 && says "$pattern"'
    fi
}

# include FILE HEADER: one line more in the copy.
include() { printf '#include "%s"\n' "$2" >>"$work/tree/libshmbus/$1"; }

fresh
names 'the library as it is' ''
include protocol/event.c bus/bus.h
names 'an include of a higher layer' '^libshmbus/protocol/event: includes bus/bus.h, which is in a higher'
fresh
include layout/view.c region.h
names 'an include of the top' '^libshmbus/layout/view: includes region.h, which is in a higher'
fresh
include protocol/block.h protocol/exchange.h
names 'a circle of files in one folder' '^a circle of files'
fresh
echo 'int sb_bus_sweep(void *); int sb_up(void); int sb_up(void) { return sb_bus_sweep(0); }' \
    >"$work/tree/libshmbus/protocol/up.c"
"$@" -c -o "$work/tree/obj/libshmbus/protocol/up.o" "$work/tree/libshmbus/protocol/up.c" || exit 2
names 'a call of a higher layer that no include shows' '^libshmbus/protocol/up: calls sb_bus_sweep'
fresh
mkdir "$work/tree/libshmbus/misc"
names 'a folder that is no layer' '^libshmbus/misc: is no layer'
fresh
rm -r "$work/tree/obj/libshmbus"
names 'objects that are not there' 'no objects there'
exit $failed
