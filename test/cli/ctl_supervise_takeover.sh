#!/bin/sh
# SPDX-License-Identifier: MIT
# shmbusctl supervise: a daemon that runs already, restarts from a crontab, state that is cleaned.
name=supervise-takeover
. "$(dirname "$0")/supervise.inc"

# ------------------------------------------------------------------------------------- pid_file
daemon() { # daemon COMMAND...: in the background, its number in $pid and in the file
    rm -f "$dir/pid"
    "$@" >/dev/null 2>&1 &
    pid=$!
    pids="$pids $pid"
    echo "$pid" >"$dir/pid"
    eventually is_executed
}
is_executed() { ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q ctl_supervise; }
one_program() { # one_program COMMAND [MORE]
    cat >"$file" <<END
bus: $bus
programs:
  d:
    command: [$1]
    ready: { by: alive, after: 10ms }
    reload: { max_unavailable: 1 }
    ${2:-pid_file: $dir/pid}
END
    : >"$log"
}
runs_as() { [ "$(worker_pid d 2>/dev/null)" = "$1" ]; }
alone() { kill -0 "$1" && [ "$(users | grep -cv "/$supervisor/")" = "$2" ]; }

one_program 'sleep, "2001"'
works "--check prints it" supervise --check "$file"
check "with what happens" says "pid file   $dir/pid: that process is taken over"
daemon sleep 2001
begin
check "a daemon that runs is taken over" eventually runs_as "$pid"
check "that is said" logged "adopted  *d pid $pid, .* taken over from $dir/pid"
check "and no second one is started" alone "$pid" 0
first=$pid
kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
begin
check "and taken over again after a death of the supervisor" eventually runs_as "$first"
works "restarted: the old one goes, one of ours comes" restart "$bus" --wait --timeout=60s
check "the old one is gone" eventually gone "$first"
check "replaced is what the log calls it" logged "replaced  *d pid $first by [0-9]*: operator"
check "one runs" alone "$(worker_pid d)" 1
ended

one_program 'sleep, "2001"'
daemon sleep 2001
begin
eventually runs_as "$pid"
kill -9 "$pid"
wait "$pid" 2>/dev/null
check "its death is seen, its exit code is not known" eventually logged "d pid $pid ended: end not known"
check "and another takes its place" eventually rows_are '^d .* ready .*unknown:1' 1
check "the number in the file means nobody now" logged "says pid $pid: no such process lives"
ended

one_program 'sleep, "2001"'
daemon sleep 2001
begin
check "a third one" eventually runs_as "$pid"
works "it is stopped as any other" stop "$bus" --wait --timeout=60s
check "by its signal" logged "SIGTERM to pid $pid of d"
wait "$pid" 2>/dev/null
ended

one_program "$dir/script"
printf '#!/bin/sh\nwhile :; do sleep 0.05; done\n' >"$dir/script"
chmod +x "$dir/script"
daemon "$dir/script"
begin
check "a script is known by its command line" eventually runs_as "$pid"
ended

stranger_stays() { # stranger_stays "sentence" "pattern in the log"
    begin
    check "$1" eventually logged "$2"
    check "one is started" eventually rows_are '^d .* ready' 1
    check "the other process is not touched" alone "$pid" 1
    ended
    check "nor when all is stopped" kill -0 "$pid"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
}
one_program 'sleep, "2001"'
daemon sleep 2001
touch -d '1 hour ago' "$dir/pid"
stranger_stays "a number that was given out again: begun after the file" 'began after the file was written'
one_program 'sleep, "2001"'
daemon "$dir/script"
stranger_stays "a number that another program has" 'runs another program'
one_program 'sleep, "2001"'
daemon sleep 2001
chmod 0666 "$dir/pid"
stranger_stays "a file that anybody may write is not believed" 'others than its owner may write to it'
one_program 'sleep, "2001"'
daemon sleep 2001
echo "$pid x" >"$dir/pid"
stranger_stays "nor one with something else in it" 'has no process number in it'
one_program 'sleep, "2001"'
daemon sleep 2001
mv "$dir/pid" "$dir/there"
ln -s "$dir/there" "$dir/pid"
stranger_stays "nor a link" 'pid-file  *d: .*: Too many levels'
rm -f "$dir/pid"
if [ "$(id -u)" = 0 ]; then
    one_program 'sleep, "2001"' "user: nobody, pid_file: $dir/pid"
    sed -i 's/^    user: nobody, /    user: nobody\n    /' "$file"
    daemon sleep 2001
    chown nobody "$dir/pid"
    stranger_stays "a user cannot name the process of another" 'is of another user than the file'
    rm -f "$dir/pid"
else
    skip "a user cannot name the process of another" "not root"
fi
nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
if [ "$(id -u)" = 0 ] && $nobody "$ctl" version >/dev/null 2>&1; then
    one_program 'sleep, "2001"'
    chmod 0711 "$dir"
    chmod 0644 "$file"
    daemon sleep 2001
    $nobody "$ctl" supervise "$file" >/dev/null 2>>"$log" &
    supervisor=$!
    pids="$pids $supervisor"
    check "nor can a user take over what he may not stop" eventually logged 'may not control that process'
    check "he gets one of his own" eventually rows_are '^d .* ready' 1
    ended
    check "and all of his can be stopped" eventually nobody_is_left
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
    rm -f "$dir/pid" "/dev/shm/shmbus.$bus"
else
    skip "nor can a user take over what he may not stop" "not root, or the program is not readable"
fi
one_program 'sleep, "2001"'
begin
check "without the file: a plain start" eventually rows_are '^d .* ready' 1
check "about which there is nothing to say" eval '! logged pid-file'

# ---------------------------------------------------------------------------------- from a crontab
crontab_runs() { # as cron runs it: next to no environment, no terminal
    env -i HOME=/ PATH=/usr/bin:/bin SHELL=/bin/sh /bin/sh -c "$ctl $*" >"$out" 2>"$err" </dev/null
    status=$?
}
before=$(worker_pid d)
crontab_runs restart "$bus" d --wait --timeout=60s
check "restart --wait from a crontab is done when it is proved" eval 'status_is 0 && ! runs_as "$before"'
check "and says nothing then, so that no mail is sent" quiet
crontab_runs restart "$bus" d --wait --timeout=0s
check "not done in time: exit code 4, one line" eval 'status_is 4 && one_line'
check "it goes on by itself" eventually rows_are '^d .* ready' 1
sed -i 's/command: .*/command: [sleep, "2001"]/; s/ready: .*/ready: { by: notify, deadline: 100ms }/' "$file"
crontab_runs reload "$bus" d --wait --timeout=60s
check "failed: exit code 1, one line" eval 'status_is 1 && one_line && complains "rolled back"'
check "the old one runs again" eventually rows_are '^d .* ready' 1
ended
crontab_runs restart "$bus" d --wait
check "no supervisor: exit code 3, one line" eval 'status_is 3 && one_line'

# --------------------------------------------------------------------------------------- clean-up
bad() { # bad "sentence" "pattern" CLEAN
    one_program 'sleep, "2001"' "clean: $3"
    fails "$1" 2 "$2" supervise "$file"
}
mkdir "$dir/state" "$dir/outside"
bad "a pattern cannot leave its directory" 'would reach outside' \
    "{ directory: $dir/state, patterns: ['../outside/*'], older_than: 1h }"
bad "nor name another one" 'would reach outside' "{ directory: $dir/state, patterns: [/etc/passwd], older_than: 1h }"
bad "nor can the directory" 'without `..`' "{ directory: $dir/state/../outside, patterns: [x], older_than: 1h }"
bad "which is not the root" 'and not /' "{ directory: /, patterns: ['*'], older_than: 1h }"
bad "and absolute" 'an absolute path' "{ directory: state, patterns: ['*'], older_than: 1h }"
bad "an age is needed" 'needs `directory`, `patterns` and `older_than`' "{ directory: $dir/state, patterns: ['*'] }"
ln -s "$dir/outside" "$dir/link"
bad "a directory that is a link is not followed" 'is not followed' "{ directory: $dir/link, patterns: ['*'], older_than: 1h }"

old() { for f; do echo state >"$f"; touch -d '2 days ago' "$f"; done; }
old "$dir/state/a.tmp" "$dir/state/b.tmp" "$dir/state/keep" "$dir/state/.hidden.tmp" "$dir/outside/x.tmp" "$dir/state/tmp"
echo new >"$dir/state/new.tmp"
mkdir "$dir/state/sub.tmp"
old "$dir/state/sub.tmp/c.tmp"
ln -s "$dir/outside/x.tmp" "$dir/state/link.tmp"
ln -s "$dir/outside" "$dir/state/dirlink.tmp"
touch -h -d '2 days ago' "$dir/state/link.tmp" "$dir/state/dirlink.tmp"
one_program 'sh, -c, "ls -A '"$dir/state"' | tr \"\\n\" \" \" >'"$dir"'/seen; exec sleep 2001"' \
    "clean: { directory: $dir/state, patterns: ['*.tmp', 'cache-??'], older_than: 24h }"
works "--check prints it" supervise --check "$file"
check "with its patterns" says 'clean      .*/state of files older than 1d00h: \*.tmp cache-??'
begin
up
check "old files that match are gone when the program begins, nothing else is" eventually \
    grep -qx '.hidden.tmp dirlink.tmp keep link.tmp new.tmp sub.tmp tmp ' "$dir/seen"
check "not behind a link or in a directory below" [ -e "$dir/outside/x.tmp" -a -e "$dir/state/sub.tmp/c.tmp" ]
check "that is said" logged 'clean  *d pid [0-9]*: 2 files of 1 KiB removed from .*/state$'
old "$dir/state/cache-01" "$dir/state/cache-001"
kill -9 "$(worker_pid d)"
check "before each start" eventually gone_file "$dir/state/cache-01"
check "a question mark is one character" [ -e "$dir/state/cache-001" ]
mv "$dir/state" "$dir/state.away"
ln -s "$dir/outside" "$dir/state"
kill -9 "$(worker_pid d)"
check "a link in the place of the directory is not followed, and that is said" eventually logged \
    'clean  *d pid .*: 0 files .*; Not a directory'
check "the program is started all the same" eventually rows_are '^d .* ready .*crash:2' 1
check "and behind the link all is there" [ -e "$dir/outside/x.tmp" ]
ended
rm "$dir/state"
one_program 'sleep, "2001"' "clean: { directory: $dir/state, patterns: ['*'], older_than: 0s }"
begin
check "without the directory there is nothing to clean" eventually rows_are '^d .* ready' 1
check "and nothing to say" eval '! logged clean'
ended
if [ "$(id -u)" = 0 ]; then
    mv "$dir/state.away" "$dir/state"
    chmod 0755 "$dir" "$dir/state"
    old "$dir/state/d.tmp"
    one_program 'sleep, "2001"' "user: nobody, clean: { directory: $dir/state, patterns: ['*.tmp'], older_than: 1h }"
    sed -i 's/^    user: nobody, /    user: nobody\n    /' "$file"
    begin
    check "it is done as the user of the program, who may not here" eventually logged \
        'clean .*: 0 files .*; 1 could not be removed: Permission denied'
    check "the program is started all the same" eventually rows_are '^d .* ready' 1
    check "the file is there" [ -e "$dir/state/d.tmp" ]
    ended
else
    skip "it is done as the user of the program" "not root"
fi
end_supervise
