#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program compiled against a header relies on, one fact a line, as a C program that prints
# them: numbers of enumerators and macros (N), sizes of structs (S), places of their members (M),
# and the calls (F). It names what OLD declares, and is to be compiled against OLD or a later header:
# what is gone does not compile.
# usage: facts.sh OLD_INCLUDE_DIR > facts.c
set -u
old=${1:?usage: facts.sh OLD_INCLUDE_DIR}
# shellcheck disable=SC2086 # words on purpose
text() { ${CC:-cc} -E -P -std=gnu11 -I"$old" "$old/shmbus/shmbus.h" | tr '\n' ' '; }

cat <<'END'
#include <stddef.h>
#include <stdio.h>
#include <shmbus/shmbus.h>
#define N(x) printf("N %s %lld\n", #x, (long long)(x));
#define S(s) printf("S %s %zu\n", #s, sizeof(struct s));
#define M(s, m) \
    printf("M %s.%s %zu %zu\n", #s, #m, offsetof(struct s, m), sizeof(((struct s *)0)->m));
int main(void)
{
END
# Macros with a number; not the version, which changes, nor what only the header needs.
sed -n 's/^#define \(SHMBUS_[A-Z_]*[A-Z]\) .*/\1/p' "$old/shmbus/shmbus.h" |
    grep -v -e _INIT -e '^SHMBUS_API$' -e '^SHMBUS_DIR_DEFAULT$' | sed 's/.*/    N(&)/'
text | grep -o 'enum shmbus_[a-z_]* {[^}]*}' | sed 's/.*{//;s/}//' | tr ',' '\n' |
    sed -n 's/^ *\(SHMBUS_[A-Za-z_]*[A-Za-z]\) *\(=.*\)*$/    N(\1)/p'
text | grep -o 'struct shmbus_[a-z_]* {[^}]*}' | awk '{
    name = $2
    sub(/^[^{]*\{/, ""); sub(/\}$/, "")
    print "    S(" name ")"
    n = split($0, members, ";")
    for (i = 1; i <= n; i++) {
        if (members[i] ~ /\(\*/) { # a callback: one, whatever commas are in there
            sub(/.*\(\* */, "", members[i]); sub(/\).*/, "", members[i])
        }
        k = split(members[i], one, ",")
        for (j = 1; j <= k; j++) {
            sub(/\[.*/, "", one[j]); sub(/ *$/, "", one[j]); sub(/.*[ *]/, "", one[j])
            if (one[j] != "") print "    M(" name ", " one[j] ")"
        }
    }
}'
echo '    return 0;'
echo '}'
