#!/bin/sh
# SPDX-License-Identifier: MIT
# PostgreSQL: "take one job" with SKIP LOCKED and LIMIT 1 takes all of them
#
# With:     postgresql-15 15.20-0+deb12u1 (Debian 12). Needs root (to run the server as nobody).
# Expected: DELETE ... WHERE id IN (SELECT id ... FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING, the queue in a
#           table that every second article shows, takes one row; a plan is a matter of speed.
# Seen:     it takes one row from a table without statistics and from one that was analyzed with many rows.
#           If the last ANALYZE saw one row, the planner puts the subquery inside a nested loop: it runs again
#           for each job, what was just taken counts as locked, so each run yields the next one, and one
#           call takes the whole queue. So do ctid IN, DELETE ... USING (subquery) and UPDATE ... IN. With
#           "id = (SELECT ...)" or the subquery in a WITH it is one row, always.
# Why:      queue tables are nearly empty when autovacuum comes by. A worker that reads one row of the answer
#           throws the rest of the queue away (or marks it as its own), after months of good service.
. "$(dirname "$0")/common.inc"

debs postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1
bin=$root/usr/lib/postgresql/15/bin
mkdir "$tmp/socket"
chown nobody "$tmp/socket"
as_nobody() { (cd "$tmp/socket" && runuser -u nobody -- "$@"); }
as_nobody "$bin/initdb" -D "$tmp/socket/data" -U nobody -A trust --no-sync --no-instructions >"$tmp/log" 2>&1 ||
    { cat "$tmp/log" && exit 2; }
as_nobody "$bin/postgres" -D "$tmp/socket/data" -k "$tmp/socket" -c listen_addresses= -c fsync=off \
    -c autovacuum=off >"$tmp/log" 2>&1 &
pids=$!
undo() {
    as_nobody "$bin/pg_ctl" -D "$tmp/socket/data" -m immediate -s stop 2>/dev/null || :
}
trap 'undo; clean_up' EXIT
sql() { "$bin/psql" -h "$tmp/socket" -U nobody -d postgres -qAtc "$1"; }
until_true sql 'select 1'

# How many of ten jobs does STATEMENT take, if the last statistics saw so many rows?
taken() {
    rows=$1 statement=$2
    sql 'drop table if exists jobs' 2>/dev/null
    sql "create table jobs (id bigint primary key, state text default 'new')"
    if [ "$rows" != none ]; then
        sql "insert into jobs select g from generate_series(-$rows, -1) g"
        sql 'vacuum analyze jobs'
        sql 'delete from jobs'
    fi
    sql 'insert into jobs select g from generate_series(1, 10) g'
    sql "$statement returning 'taken'" | grep -c taken
}

one="select id from jobs where state = 'new' order by id limit 1 for update skip locked"
one_in="delete from jobs where id in ($one)"
one_equal="delete from jobs where id = ($one)"
one_with="with one as materialized ($one) delete from jobs using one where jobs.id = one.id"
one_using="delete from jobs using ($one) one where jobs.id = one.id"
one_update="update jobs set state = 'mine' where id in ($one)"
seen="$(taken none "$one_in") $(taken 1000 "$one_in") $(taken 1 "$one_in")"
saw "IN takes of ten jobs, statistics of none, 1000, 1 row: $seen"
others="$(taken 1 "$one_using") $(taken 1 "$one_update")"
good="$(taken 1 "$one_equal") $(taken 1 "$one_with")"
saw "statistics of 1 row: USING and UPDATE take $others, '=' and WITH take $good"
expect "IN takes one without statistics and with many rows, all with one row" test "$seen" = "1 1 10"
expect "USING and UPDATE take all" test "$others" = "10 10"
expect "'=' and WITH take one" test "$good" = "1 1"
