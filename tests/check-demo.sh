#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo does what it says, and leaves neither files nor processes behind.
set -u
TMPDIR=$(mktemp -d) || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
if ! [ -x "$TOP_BUILDDIR/doc/examples/transaction" ] || ! command -v xenstore-write >/dev/null; then
	echo "1..0 # SKIP libxenstore or xenstore-utils is not there"
	exit
fi

output=$("$TOP_SRCDIR/doc/examples/demo.sh" "$TOP_BUILDDIR" 2>&1)
status=$?
printf '%s\n' "$output" | sed 's/^/# /'

number=0
# Reports the status of the command before as a test.
result() {
	[ $? = 0 ] && answer=ok || answer="not ok"
	number=$((number + 1))
	echo "$answer $number - $1"
}
# Whether the lines of the output that follow the command $1 match the pattern $2.
shows() { printf '%s\n' "$output" | sed -n "\\,^\\\$ $1,,/^#/p" | sed 1d | grep -qE "$2"; }

echo 1..9
[ $status = 0 ]
result "the demo ends well"
shows 'xenstore-read /demo/greeting' '^hello$'
result "a write can be read"
shows 'cat .XENSTORED_RUNDIR/events' '^/demo/greeting$'
result "a watch fires"
shows transaction '^second: EAGAIN' && shows 'xenstore-read /demo/counter' '^3$'
result "of two transactions in conflict one is told to try again"
shows 'lxenstore-dump .*--perms' '^/demo/greeting = "hello again"'
result "the store can be dumped without a daemon"
printf '%s\n' "$output" | sed -n '/kill -9/,/^# Keeper/p' | grep -c '^/demo/counter$' | grep -q '^2$'
result "a watch outlives the daemon"
[ "$(printf '%s\n' "$output" | grep -c '^/demo/counter = "4"\|^/counter = "4"')" -ge 1 ]
result "the daemon started again has everything"
[ -z "$(ls -A "$TMPDIR")" ]
result "no file is left"
! grep -qs "XENSTORED_RUNDIR=$TMPDIR" /proc/[0-9]*/environ
result "no process is left"
