#!/bin/sh
# SPDX-License-Identifier: MIT
# Gets a Debian (or Ubuntu) machine ready, from nothing. Safe to repeat; instant when all is there.
#
#   sh config/setup.sh install    install what the build and the tests need; the same without a word
#   sh config/setup.sh demo       the same, then `make demo`; likewise check, or any make target
#   sh config/setup.sh lint       the same and the linters, then `make lint`; likewise
#                                 compile_commands.json and man3
#   sh config/setup.sh ci         install what .ci/run needs: also clang, sanitizers, linters
#   sh config/setup.sh require    install nothing, only name what is missing (exit status 1);
#                                 likewise require-lint, require-compile-commands
#
# This is the only place that installs anything: make and the tests only name what is missing.
set -u
cd "$(dirname "$0")/.." || exit 1

missing=
need() { case " $missing " in *" $1 "*) ;; *) missing="${missing:+$missing }$1" ;; esac; }
command_or() { command -v "$1" >/dev/null 2>&1 || need "$2"; }
header_or() {
    if [ -n "$cc" ]; then
        printf '#include <stddef.h>\n#include <%s>\n' "$1" | $cc -E - >/dev/null 2>&1 || need "$2"
    else
        [ -e "/usr/include/$1" ] || need "$2"
    fi
}

find_compiler() {
    cc=${CC:-gcc}
    command -v "${cc%% *}" >/dev/null 2>&1 && return
    case ${cc##*/} in clang*) need "${cc##*/}" ;; *) need build-essential ;; esac
    cc=
}

look_for_build() {
    find_compiler
    command_or make build-essential
    command_or g++ build-essential
    command_or pkg-config pkg-config
    header_or atomic_ops.h libatomic-ops-dev
    header_or CUnit/CUnit.h libcunit1-dev
    header_or yaml.h libyaml-dev
    header_or json-c/json.h libjson-c-dev
    header_or stdio.h build-essential
}

look_for_bear() { command_or bear bear; }

look_for_man3() {
    command_or perl perl
    [ -n "$(find /usr/lib/linux-kbuild-*/scripts /usr/src/*/scripts -name kernel-doc 2>/dev/null)" ] ||
        need linux-kbuild-6.1
}

look_for_lint() {
    command_or clang-tidy-14 clang-tidy-14
    command_or clang-format-14 clang-format-14
    command_or cppcheck cppcheck
}

look_for_ci() {
    look_for_lint
    command_or clang clang
    command_or python3 python3
    command_or musl-gcc musl-tools
    command_or valgrind valgrind
    command_or start_server libserver-starter-perl
    command_or mandoc mandoc
    if [ -z "$(find /usr/lib/llvm-14/lib/clang -name 'libclang_rt.tsan*.a' 2>/dev/null)" ]; then
        need libclang-rt-14-dev
    fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null || sudo "$@"; fi; }

install_missing() {
    [ -n "$missing" ] || return 0
    refuse=
    command -v apt-get >/dev/null 2>&1 ||
        refuse="this is no Debian or Ubuntu; install the equivalents of: $missing"
    if [ -z "$refuse" ] && [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
        refuse="needs root; run: apt-get install -y $missing"
    fi
    if [ -n "$refuse" ]; then
        echo "setup: $refuse" >&2
        exit 1
    fi
    echo "setup: installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # The package lists may be absent (a fresh container) or stale: refresh them, once, on failure.
    # shellcheck disable=SC2086 # one word a package
    if ! as_root apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
        as_root apt-get update >>"$log" 2>&1
        if ! as_root apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
            tail -n 15 "$log" >&2
            rm -f "$log"
            echo "setup: apt-get failed; run by hand: apt-get update && apt-get install $missing" >&2
            exit 1
        fi
    fi
    rm -f "$log"
}

# require_all COMMAND: names the command that installs what is missing.
require_all() {
    [ -n "$missing" ] || return 0
    echo "missing packages: run \`sh config/setup.sh $1\`, or: apt-get install -y $missing" >&2
    exit 1
}

goal=${1:-install}
case $goal in
-h | --help)
    sed -n '/^# Gets/,/^set/s/^# \{0,1\}//p' "$0"
    ;;
require)
    look_for_build
    require_all install
    ;;
require-lint)
    look_for_lint
    require_all lint
    ;;
require-compile-commands)
    look_for_build
    look_for_bear
    require_all compile_commands.json
    ;;
install)
    look_for_build
    install_missing
    ;;
ci)
    look_for_build
    look_for_ci
    install_missing
    ;;
*)
    look_for_build
    case $goal in
    lint) look_for_lint ;;
    compile_commands.json) look_for_bear ;;
    man3) look_for_man3 ;;
    esac
    install_missing
    exec make -j"$(nproc)" "$@"
    ;;
esac
