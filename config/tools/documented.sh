#!/bin/sh
# SPDX-License-Identifier: MIT
# Each call of the public header has right before it a comment of the full form: its name, each of its
# parameters, and what it returns. Prints one line a finding; exit status 1 if any.
# usage: documented.sh [HEADER]
set -u
cd "$(dirname "$0")/../.." || exit 2
awk '
    function finding(text) { print FILENAME ":" at ": " name "(): " text; bad = 1 }
    function check(decl, said,    n, i, list, word) {
        name = decl
        sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
        if (index(said, "/**\n * " name "() - ") != 1) { finding("no comment /** " name "() - ..."); return }
        n = split(substr(decl, index(decl, "(") + 1, index(decl, ")") - index(decl, "(") - 1), list, ",")
        for (i = 1; i <= n; i++) {
            word = list[i]
            sub(/ *$/, "", word); sub(/.*[ *]/, "", word)
            if (word != "void" && index(said, "\n * @" word ": ") == 0) finding("@" word " is not told of")
        }
        if (decl !~ /^SHMBUS_API void shmbus/ && said !~ /\n \* Return: /) finding("no line Return:")
    }
    /^\/\*\*$/ { comment = $0; open = 1; next }
    open { comment = comment "\n" $0; open = $0 !~ /\*\//; next }
    /^SHMBUS_API / { at = FNR; decl = ""; calling = 1 }
    calling { decl = decl " " $0; sub(/^ /, "", decl) }
    calling && /;/ { check(decl, comment); calls++; calling = 0; comment = "" }
    !calling && !/;/ { comment = "" }
    END { if (calls == 0) { print FILENAME ": no calls there"; bad = 1 } exit bad }
' "${1:-libshmbus/include/shmbus/shmbus.h}"
