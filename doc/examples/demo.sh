#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows a daemon without Xen: a write, a watch, a transaction, a kill -9 that nobody notices, the dump of a store without daemon, a restart.
# `./bootstrap demo` builds what it needs and runs it; by itself: doc/examples/demo.sh FOLDER-OF-THE-BUILD
#
# shellcheck disable=SC2016 # lines are shown before they are expanded
set -euo pipefail

build=$(cd "$1" && pwd)
PATH=$build:$build/doc/examples:$PATH
unset XENSTORED_PATH
XENSTORED_RUNDIR=$(mktemp -d "${TMPDIR:-/tmp}/lxenstored-demo-XXXXXX")
export PATH XENSTORED_RUNDIR

note() { printf '\n# %s\n' "$*"; }

# Prints the line as one would type it, then runs it.
show() {
	printf '$ %s\n' "$1"
	eval "$1"
}

daemon() { cat "$XENSTORED_RUNDIR/xenstored.pid" 2>/dev/null; }

# Whether the process $1 is more than an entry in the table of processes.
lives() { grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2>/dev/null; }

# Waits until the words that follow, a command, succeed.
await() {
	for ((i = 0; i < 1000; i++)); do
		"$@" && return 0
		sleep 0.01
	done
	echo "this does not come: $*" >&2
	exit 1
}
ended() { ! lives "$1"; }
has_lines() { [ -e "$2" ] && [ "$(wc -l <"$2")" -ge "$1" ]; }

clean_up() {
	local pid
	jobs -p | xargs -r kill 2>/dev/null || true # xenstore-watch does not notice the end of its daemon
	pid=$(daemon) || true
	if [ -n "$pid" ] && lives "$pid"; then
		kill "$pid"
		await ended "$pid"
	fi
	rm -rf "$XENSTORED_RUNDIR"
}
trap clean_up EXIT

note "A daemon in a folder of its own, without Xen. libxenstore finds it by the same variable."
echo "\$ export XENSTORED_RUNDIR=$XENSTORED_RUNDIR"
show 'lxenstored --no-xen'
show 'ls $XENSTORED_RUNDIR'

note "A write, with the stock tools."
show 'xenstore-write /demo/greeting "hello"'
show 'xenstore-read /demo/greeting'
show 'xenstore-ls -fp /demo'

note "A watch: it tells that it is set, then that somebody has written. It runs in the background, into a file."
show 'xenstore-watch -n 2 /demo/greeting >$XENSTORED_RUNDIR/events &'
watcher=$!
await has_lines 1 "$XENSTORED_RUNDIR/events"
show 'xenstore-write /demo/greeting "hello again"'
wait "$watcher"
show 'cat $XENSTORED_RUNDIR/events'

note "Two transactions on the same node, doc/examples/transaction.c: one commits, the other has to try again."
show 'xenstore-write /demo/counter 1'
show 'transaction'
show 'xenstore-read /demo/counter'

note "Somebody watches while the daemon is killed. Its keeper starts another one, which goes on with the same connections."
show 'xenstore-watch -n 2 /demo/counter >$XENSTORED_RUNDIR/events &'
watcher=$!
await has_lines 1 "$XENSTORED_RUNDIR/events"
show 'kill -9 $(pgrep -P $(cat $XENSTORED_RUNDIR/xenstored.pid))'
show 'xenstore-write /demo/counter 4'
wait "$watcher"
show 'cat $XENSTORED_RUNDIR/events'

note "Keeper and daemon end. Clients find nobody."
killed=$(daemon)
show 'kill $(cat $XENSTORED_RUNDIR/xenstored.pid)'
await ended "$killed"
show 'xenstore-read /demo/counter' || true

note "The store is a file that can be looked at."
show 'lxenstore-dump --store $XENSTORED_RUNDIR/store.mdb --perms /demo'
show 'lxenstore-dump --store $XENSTORED_RUNDIR/store.mdb --check'

note "Started again, it has everything."
show 'lxenstored --no-xen'
show 'xenstore-ls -fp /demo'

note "The end; nothing is left behind."
killed=$(daemon)
show 'kill $(cat $XENSTORED_RUNDIR/xenstored.pid)'
await ended "$killed"
show 'rm -r $XENSTORED_RUNDIR'
