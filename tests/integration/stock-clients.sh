#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Xen's own programs, unmodified, with the real daemon: xenstore-read, -write, -ls, -list, -rm, -chmod, -exists, -watch and
# -control, and test-xenstore. What they print and how they end is compared exactly.
set -u

# Without the programs nothing can be said; on a machine of one's own that is no failure, in CI it is.
do_without() {
	printf '%s\n' "$1" | sed 's/^/# /'
	if [ "${CI:-}" = true ]; then
		printf '1..1\nnot ok 1 - the stock clients are there\n'
	else
		echo "1..0 # SKIP ${1%%$'\n'*}"
	fi
	exit
}

for program in read write ls list rm chmod exists watch; do
	command -v "xenstore-$program" >/dev/null || do_without "xenstore-$program is not there (Debian: xenstore-utils)"
done
xen_programs=$("$TOP_SRCDIR/tests/support/fetch-xen-utils.sh" "$TOP_BUILDDIR/tests/cache" 2>&1) || do_without "$xen_programs"
control=$xen_programs/xenstore-control
test_xenstore=$xen_programs/test-xenstore

run_directory=$(mktemp -d /dev/shm/lxenstored-stock-XXXXXX) || exit 1
export XENSTORED_RUNDIR=$run_directory XENSTORED_PATH=$run_directory/socket
"$LXENSTORED" -N --no-xen --no-keeper 2>"$run_directory/messages" &
daemon=$!
trap 'kill $daemon; wait $daemon 2>/dev/null; rm -rf "$run_directory"' EXIT

number=0
# $1: whether it passed, $2: the name, $3: what to say if not
result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
}

# $1: expected status, $2: expected output (with what goes to standard error), then the command
expect() {
	local status=$1 output=$2 got got_status name
	shift 2
	got=$("$@" 2>&1)
	got_status=$?
	name="$(basename "$1") ${*:2}"
	[ "$got" = "$output" ] && [ $got_status = "$status" ]
	result $? "${name:0:80}" "expected status $status:"$'\n'"$output"$'\n'"got status $got_status:"$'\n'"$got"
}

# $1: name, $2: a pattern that the text on standard input must match in some line
expect_line() {
	local text
	text=$(cat)
	grep -qE -- "$2" <<<"$text"
	result $? "$1" "no line like $2 in:"$'\n'"$text"
}

# Waits until the command succeeds; half a minute is more than a loaded machine needs.
await() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" 2>/dev/null && return
		kill -0 $daemon 2>/dev/null || break
		sleep 0.05
	done
	echo "Bail out! the daemon does not serve, or an event does not come: $(cat "$run_directory/messages")"
	exit 1
}
await xenstore-exists /tool

# ---- nodes ----

expect 0 '/tool = ""   (n0)
/tool/xenstored = ""   (n0)' xenstore-ls -fp
expect 0 '' xenstore-write /a/b/c 'a value' /a/d 2
expect 0 'a value
2' xenstore-read /a/b/c /a/d
expect 0 '/a/b/c: a value' xenstore-read -p /a/b/c
expect 1 "xenstore-read: couldn't read path /missing" xenstore-read /missing
expect 1 "xenstore-read: couldn't read path /a//b" xenstore-read /a//b
expect 0 'b
d' xenstore-list /a
expect 0 '//tool
//a' xenstore-list -p /
expect 1 'xenstore-list: could not list path /missing' xenstore-list /missing
expect 0 '' xenstore-write name relative
expect 0 'relative' xenstore-read /local/domain/0/name
expect 0 'tool = ""
 xenstored = ""
a = ""
 b = ""
  c = "a value"
 d = "2"
local = ""
 domain = ""
  0 = ""
   name = "relative"' xenstore-ls
expect 0 'c = "a value"' xenstore-ls /a/b
expect 0 '/a/b/c = "a value"' xenstore-ls -f /a/b
expect 0 '' xenstore-exists /a/b
expect 1 '' xenstore-exists /missing
expect 0 '' xenstore-chmod /a n0 r0 b0
expect 0 '' xenstore-chmod -r /a/b w0
expect 0 'b = "" . . . . . . . . . . . . . . . . . . . . . . . . . . .  (w0)
 c = "a value" . . . . . . . . . . . . . . . . . . . . . . .  (w0)
d = "2"  . . . . . . . . . . . . . . . . . . . . . . . . . .  (n0)' xenstore-ls -p /a
expect 1 "xenstore-chmod: Error occurred setting permissions on '/missing': No such file or directory" xenstore-chmod /missing n0
expect 0 '' xenstore-rm /a/d
expect 1 "xenstore-read: couldn't read path /a/d" xenstore-read /a/d
expect 0 '' xenstore-rm -t /a/b/c
expect 1 '' xenstore-exists /a
expect 0 '' xenstore-rm /missing
expect 1 'xenstore-rm: could not remove path /missing/below' xenstore-rm /missing/below
expect 1 'xenstore-rm: could not remove path /' xenstore-rm /
printf -v long '%0*d' 3000 0
expect 0 '' xenstore-write "/$long" value
expect 0 value xenstore-read "/$long"
xenstore-rm "/$long"

# More children than one reply can name: libxenstore then asks by pages.
for ((i = 0; i < 2000; i++)); do printf '/many/child%d\nvalue%d\n' $i $i; done | tr '\n' '\0' | xargs -0 -n 400 xenstore-write
[ "$(xenstore-list /many)" = "$(for ((i = 0; i < 2000; i++)); do echo child$i; done)" ]
result $? "xenstore-list of 2000 children, in the order of creation" "$(xenstore-list /many 2>&1 | head -n 5)"
[ "$(xenstore-ls -f /many | tail -n 1)" = '/many/child1999 = "value1999"' ]
result $? "xenstore-ls of 2000 children" "$(xenstore-ls -f /many 2>&1 | tail -n 5)"
xenstore-rm /many

# ---- watches ----

# $1: the events expected, one a line; then the arguments of xenstore-watch. Standard input: what is done when it watches.
expect_events() {
	local events=$1 watcher i
	shift
	rm -f "$run_directory/events"
	xenstore-watch "$@" >"$run_directory/events" 2>&1 &
	watcher=$!
	await test -s "$run_directory/events"
	sh -s
	# It ends by itself once it has as many as -n says.
	for ((i = 0; i < 600; i++)); do
		kill -0 $watcher 2>/dev/null || break
		sleep 0.05
	done
	kill $watcher 2>/dev/null
	wait $watcher
	[ "$(cat "$run_directory/events")" = "$events" ]
	result $? "xenstore-watch $*" "got:"$'\n'"$(cat "$run_directory/events")"
}

expect_events '/w
/w
/w/b/c
/w/b
/w' -n 5 /w <<-'END'
	xenstore-write /w 1
	xenstore-write /w/b/c 2
	xenstore-rm /w/b
	xenstore-rm /w
END
expect_events 'data
data/x' -n 2 data <<-'END'
	xenstore-write data/x 1
END
expect_events '@releaseDomain' -n 1 @releaseDomain </dev/null

# ---- control ----

blank=' ' # a line of help ends with one where a command has no arguments
expect 0 OK "$control" check
expect 0 "check          $blank
help           $blank
live-update     [-c <cmdline>] [-F] [-t <timeout>] <file>
log             [on|off|+<switch>|-<switch>]
logfile         <file>
memreport       [<file>]
print           <string>
quota           [set <name> <val>|<domid>|max [-r]]
quota-soft      [set <name> <val>]
txn             [<domid>]
watches        $blank" "$control" help
expect 0 'Log switch settings:
obj     : on
io      : on
wrl     : off
acc     : off
tdb     : off' "$control" log
expect 0 OK "$control" log +wrl
expect 0 OK "$control" log -wrl
expect 0 OK "$control" logfile "$run_directory/trace"
xenstore-write /traced value
expect_line "the trace has a request" 'IN d0 c[0-9]+ WRITE \(/traced value' <"$run_directory/trace"
expect 0 OK "$control" log off
xenstore-write /silent value
expect 0 OK "$control" log on
! grep -q /silent "$run_directory/trace"
result $? "log off stops the trace" "it has /silent"
expect 0 OK "$control" memreport
expect_line "memreport writes to the trace" '^heap: ' <"$run_directory/trace"
expect 0 OK "$control" memreport "$run_directory/report"
expect_line "memreport writes to a file" '^store: [0-9]+ records' <"$run_directory/report"
expect 0 OK "$control" print "said by the test"
expect_line "print says it" 'said by the test' <"$run_directory/messages"
expect 0 'Quota settings:
nodes            :     1000 nodes owned by a domain
watches          :      128 watches of a domain
outstanding      :       20 unanswered requests of a domain
memory           :  2621440 bytes held for a domain
transactions     :       10 open transactions of a domain
transaction-nodes:     1024 nodes touched by one transaction
node-permissions :        5 permission entries of a node
path-max         :     2048 bytes of a path
node-size        :     2048 bytes of a node' "$control" quota
expect 0 OK "$control" quota set nodes 77
expect_line "quota set sets it" '^nodes            :       77 ' < <("$control" quota)
expect_line "quota of a domain" '^nodes            : +[0-9]+ \(max +[0-9]+\)$' < <("$control" quota 0)
expect_line "quota max" '^nodes            : +[0-9]+$' < <("$control" quota max)
expect 0 'Quota settings:
memory           :  2097152 bytes held for a domain' "$control" quota-soft
expect 0 OK "$control" quota-soft set memory 12345
expect 0 OK "$control" watches
expect 0 OK "$control" txn
xenstore-watch /seen >/dev/null &
watcher=$!
watches() { "$control" watches | grep ' /seen '; }
await watches >/dev/null
expect_line "watches shows a watch" '^[0-9]+: /seen ' < <(watches)
kill $watcher 2>/dev/null

valid=$("$control" help)
for arguments in "check now" "help me" "log nothing" "log on off" "logfile" "logfile a b" "memreport a b" "print" "print a b" \
	"quota set" "quota set nothing 1" "quota set nodes x" "quota 0 1" "quota max x" "quota-soft set nodes 1" "quota-soft x" \
	"txn x" "watches x" "nothing"; do
	# The words are arguments. xenstore-control shows the help where the answer is EINVAL.
	# shellcheck disable=SC2086
	expect 3 "Command not supported. Valid commands are:
$valid" "$control" $arguments
done
expect 3 'Error 2 when trying to execute command.' "$control" quota 7

# ---- test-xenstore ----

output=$("$test_xenstore" -i 1000 2>&1)
result $? "test-xenstore -i 1000 ends well" "$output"
"$test_xenstore" -l | sed 's/ *:.*//' >"$run_directory/cases"
result "$((10 > $(wc -l <"$run_directory/cases")))" "test-xenstore has its cases" "$(cat "$run_directory/cases")"
while read -r name; do
	expect_line "test-xenstore: $name" "^$name *: avg" <<<"$output"
done <"$run_directory/cases"
expect 0 OK "$control" check
expect 0 '' xenstore-exists /traced

echo "1..$number"
