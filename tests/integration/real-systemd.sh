#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The unit, less what needs Xen, under a real systemd: a manager of this test's own, in a mount namespace where it finds what it
# takes for a host that was booted with systemd. Its directories and control groups are the test's.
set -u

skip() {
	echo "1..0 # SKIP $1"
	exit
}

# In the namespace; $1: the directory of all this.
if [ "${1:-}" = --manager ]; then
	group=$(sed -n 's/^[0-9]*:name=systemd:/systemd/p; s/^0::/./p' /proc/self/cgroup | sed 's,/$,,' | head -1)
	group=/sys/fs/cgroup/$group/lxenstored-test-$$
	# A manager puts all processes of its group into another: it must have one of its own.
	mkdir "$group" && echo "$group" >"$2/group" && echo $$ >"$group/cgroup.procs" || exit 1
	mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system || exit 1
	export XDG_RUNTIME_DIR=$2/xdg XDG_CONFIG_HOME=$2/config
	exec /lib/systemd/systemd --user --log-target=console --unit=lxenstored.service
fi

[ "$(id -u)" = 0 ] || skip "only root may make namespaces"
[ -x /lib/systemd/systemd ] && command -v systemctl >/dev/null || skip "systemd is not installed"
command -v xenstore-watch >/dev/null || skip "xenstore-watch is not there (Debian: xenstore-utils)"
unshare -m true 2>/dev/null || skip "no mount namespaces here"

directory=$(mktemp -d /dev/shm/lxenstored-systemd-XXXXXX) || exit 1
mkdir -p "$directory/xdg" "$directory/config/systemd/user" "$directory/run"
chmod 700 "$directory/xdg"
sed -e "s,@sbindir@/lxenstored,$LXENSTORED," \
	-e 's,^EnvironmentFile=.*,Environment=LXENSTORED_ARGS=--no-xen,' \
	-e "s,^Environment=XENSTORED_RUNDIR=.*,Environment=XENSTORED_RUNDIR=$directory/run," \
	-e 's/^WatchdogSec=.*/WatchdogSec=1/' \
	-e '/^ConditionPathExists/d; /^RequiresMountsFor/d; /^After/d; /^Before/d; /^Wants/d; /^ExecCondition/d; /^OOMScore/d; /^\[Install/,$d' \
	"$TOP_SRCDIR/units/lxenstored.service.in" >"$directory/config/systemd/user/lxenstored.service"
export XDG_RUNTIME_DIR=$directory/xdg XENSTORED_PATH=$directory/run/socket
unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID DBUS_SESSION_BUS_ADDRESS
unshare -m "$0" --manager "$directory" >"$directory/log" 2>&1 &
manager=$!
watcher=
clear_up() {
	[ -n "$watcher" ] && kill "$watcher" 2>/dev/null
	kill $manager 2>/dev/null
	wait 2>/dev/null
	[ -s "$directory/group" ] && find "$(cat "$directory/group")" -depth -type d -exec rmdir {} \;
	rm -rf "$directory"
}
trap clear_up EXIT

# $1: seconds, then a command that is to succeed within them
await() {
	local tries=$(($1 * 20))
	shift
	for ((; tries; tries--)); do
		"$@" && return
		sleep 0.05
	done
	return 1
}
manager_answers() { systemctl --user show -p Version >/dev/null 2>&1; }
ended() { ! kill -0 $manager 2>/dev/null; }
answers_or_ended() { manager_answers || ended; }
await 20 answers_or_ended
manager_answers || skip "systemd does not run here: $(tail -1 "$directory/log")"

number=0
# $1: the name, then the command that must succeed
check() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		{
			systemctl --user show lxenstored -p ActiveState,SubState,Result,MainPID,NRestarts,NFileDescriptorStore
			tail -5 "$directory/log"
		} 2>&1 | sed 's/^/# /'
	fi
}

property() { systemctl --user show lxenstored -p "$1" --value; }
is() { [ "$(property "$1")" = "$2" ]; }
read_is() { [ "$(timeout 20 xenstore-read "$1" 2>/dev/null)" = "$2" ]; }
events_are() { [ "$(wc -l <"$directory/events")" = "$1" ]; }

check "the unit is active once the daemon serves" await 20 is ActiveState active
check "its main process is the one that the pid file names" is MainPID "$(cat "$directory/run/xenstored.pid")"

xenstore-watch /a >"$directory/events" 2>&1 &
watcher=$!
check "a watch is set" await 20 events_are 1
before=$(property MainPID)
kill -9 "$before"
check "a client is served though the daemon was killed" timeout 20 xenstore-write /a 1
check "by another daemon" test "$(property MainPID)" != "$before"
check "the watch is still there" await 20 events_are 2

before=$(property MainPID)
kill -STOP "$before"
check "a client is served though the daemon hangs" timeout 30 xenstore-write /a 2
check "by another daemon than the one that hung" test "$(property MainPID)" != "$before"
check "the watch is there after that too" await 20 events_are 3

for i in 1 2 3 4; do
	kill -SEGV "$(property MainPID)"
	timeout 20 xenstore-write /a "again $i"
done
check "what is written is there after many deaths" read_is /a "again 4"
check "descriptors of clients that are gone are not held" await 20 is NFileDescriptorStore 3

systemctl --user stop lxenstored
check "the service is stopped cleanly" is Result success
check "nothing is held then" is NFileDescriptorStore 0
check "the socket is gone" test ! -e "$directory/run/socket"
systemctl --user start lxenstored
check "the next one has what was there" read_is /a "again 4"
kill "$(property MainPID)"
check "SIGTERM ends it" await 20 is ActiveState inactive
check "with success" is Result success
echo "1..$number"
