# SPDX-License-Identifier: LGPL-2.1-or-later
# What a scenario can use (README.md). It runs in the emulated dom0, by busybox's sh, once for each TYPE of guest.
# A scenario fails at the first step that does; what it records is compared with what stock C xenstored gave.

# Ends the scenario as failed, for this reason.
fail() {
	echo "failed: $*"
	echo "failed $*" >&3
	exit 1
}

# must COMMAND...: the command succeeds.
must() {
	"$@" || fail "$*"
}

seconds() { cut -d. -f1 /proc/uptime; }

# await SECONDS COMMAND...: the command succeeds within that time, of an emulator that has a processor for itself. It need not have.
await() {
	local end=$(($(seconds) + $1 * 6))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(seconds)" -le $end ] || fail "in vain: $*"
		sleep 0.3
	done
}

is() { [ "$1" = "$2" ] || fail "\"$1\" instead of \"$2\""; }

# record LABEL COMMAND...: output and exit status, without what differs from run to run, become part of the result.
record() {
	local label=$1
	shift
	{ "$@" 2>&1; echo "exit status $?"; } | normalize | sed "s/^/recorded $label: /" >&3
}

# Numbers that no two runs have in common: uuids, times, process ids, addresses, what counts up.
normalize() {
	sed -E -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g' -e 's/[0-9]+\.[0-9]+ *$/TIME/' \
		-e 's/pid [0-9]+/pid PID/' -e 's,/dev/pts/[0-9]+,/dev/pts/N,' -e 's/(ring-ref|store-port|event-channel|mac|port|counter|transaction) = "[^"]*"/\1 = "-"/' \
		-e 's/start_time = "[^"]*"/start_time = "-"/' -e 's/image\/memmap.*//' -e 's/Domain [0-9]+/Domain N/' -e 's/domid [0-9]+/domid N/'
}

# load MODULE...: into dom0's kernel, in this order, what is not there yet.
load() {
	local module
	for module; do
		[ -e "/sys/module/$(echo "$module" | tr - _)" ] || must insmod "/modules/$module.ko"
	done
}

# How often dom0's kernel has obeyed control/sysrq, which it watches.
told_kernel() { dmesg | grep -c "sysrq: HELP"; }
was_told_kernel() { [ "$(told_kernel)" -gt "$1" ]; }

# ---- the daemon ----

# The process that serves; lxenstored's pid file names its keeper.
daemon() {
	case $(cat /scenarios/daemon) in
	stock) pidof stock-xenstored ;;
	systemd) systemctl show -p MainPID --value lxenstored.service ;;
	*) pidof lxenstored | tr ' ' '\n' | grep -vx "$(cat /run/xenstore.pid)" ;;
	esac
}

is_another() { [ -n "$(daemon)" ] && [ "$(daemon)" != "$1" ]; }

# ---- guests ----

# create NAME [LINE...]: a guest of $TYPE (and of $ROLE, see guest.c); more lines for its configuration.
create() {
	local name=$1
	shift
	{
		printf 'name="%s"\nkernel="/guest-kernel"\nramdisk="/guest.cpio"\nmemory=192\ntsc_mode="native"\ntype="%s"\n' "$name" "$TYPE"
		printf 'cmdline="console=hvc0 quiet loglevel=4 nokaslr rodata=off panic=1%s"\n' "${ROLE:+ role=$ROLE}"
		for line; do printf '%s\n' "$line"; done
	} >"/tmp/$name.cfg"
	must xl create "/tmp/$name.cfg"
}

# create_hostile ATTACK: a guest of this name that does what hostile.c has for it. It wants the processor all the time, and gets what is left.
create_hostile() {
	printf 'name="%s"\nkernel="/hostile-%s"\nmemory=32\ncpu_weight=16\ntsc_mode="native"\ntype="%s"\ncmdline="attack=%s"\n' \
		"$1" "$TYPE" "$TYPE" "$1" >"/tmp/$1.cfg"
	must xl create "/tmp/$1.cfg"
}

# attacked NAME TIMES: as often as that.
attacked() { [ "$(value "$1" data/round)" -ge "$2" ]; }

# By the store where that is right still: to start xl takes the emulator longer than all else here, and a guest that boots waits for it.
domid() {
	local number
	{ read -r number <"/run/domid.$1" && [ "$(xenstore-read "/local/domain/$number/name")" = "$1" ]; } 2>/dev/null || {
		number=$(xl domid "$1" 2>/dev/null) || return
		echo "$number" >"/run/domid.$1"
	}
	echo "$number"
}

home() { echo "/local/domain/$(domid "$1")"; }
value() { xenstore-read "$(home "$1")/$2"; }

counts() { [ "$(value "$1" data/counter)" -gt "${2:-0}" ]; }

# It counts, and has found nothing wrong so far.
is_well() {
	local before
	before=$(value "$1" data/counter) || fail "$1 has no counter"
	await 20 counts "$1" "$before"
	! xenstore-exists "$(home "$1")/data/error" || fail "$1: $(value "$1" data/error)"
}

answered() { [ "$(value "$1" data/answer 2>/dev/null)" = "$2" ]; }

# tell NAME COMMAND [ANSWER]: the guest's watch fires and it answers.
tell() {
	must xenstore-write "$(home "$1")/data/command" "$2"
	await 30 answered "$1" "${3:-$2}"
}

is_gone() { ! xl domid "$1" >/dev/null 2>&1; }
is_up() { value "$1" data/counter; }

# ---- tree ----

# The tree with permissions, sorted as it is.
tree() { xenstore-ls -fp "$@"; }
