#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots a real Xen under QEMU's software emulation, as often as tests/xen/boots says, and runs scenarios in its dom0 (README.md).
# Usage: run.sh BUILD [SCENARIO...]: BUILD has the daemon and the guest's program; with names only these scenarios. A line per
# scenario, in TAP; console logs stay in BUILD/xen/logs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
wanted=" $* "
xen=$build/xen
logs=$xen/logs
boot_seconds=${BOOT_SECONDS:-900}
tests=0 failures=0

say() { echo "# $*"; }

# The files of this boot, as a second archive behind the image: daemon, list of scenarios, the scenarios.
make_overlay() {
	local daemon=$1 folder=$xen/overlay
	shift
	rm -rf "$folder"
	mkdir -p "$folder"/scenarios
	cp "$here"/scenarios/*.sh "$here"/{library,play,run-scenario}.sh "$folder/scenarios/"
	echo "$daemon" >"$folder/scenarios/daemon"
	printf '%s\n' "$@" | tr : ' ' >"$folder/scenarios/list"
	cp "$xen"/hostile-* "$folder/"
	case $daemon in
	debian | systemd) install_in_debian "$folder" "$daemon" ;;
	*) install_in_small "$folder" ;;
	esac
	(cd "$folder" && find . | cpio -o -H newc --quiet) | cat "$image" - >"$xen/initrd"
}

install_in_small() {
	local library
	mkdir -p "$1"/{etc/init.d,xen,lib/x86_64-linux-gnu}
	cp "$build/lxenstored" "$build/lxenstore-dump" "$1/xen/"
	for library in $(ldd "$build/lxenstored" "$build/lxenstore-dump" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u); do
		cp -Lu "$library" "$1/lib/x86_64-linux-gnu/"
	done
	sed 's,@sbindir@,/xen,' "$here/../../units/lxenstored.init.in" >"$1/etc/init.d/lxenstored"
	chmod 755 "$1/etc/init.d/lxenstored"
	mkdir -p "$1/etc/default"
	echo 'LXENSTORED_ARGS=--watchdog=120' >"$1/etc/default/lxenstored"
}

# As doc/install.md says it. /lib, /bin and /sbin are links there.
install_in_debian() {
	mkdir -p "$1"/{usr/sbin,usr/bin,etc/default}
	cp "$build/lxenstored" "$1/usr/sbin/"
	cp "$build/lxenstore-dump" "$1/usr/bin/"
	printf '%s\n' XENCONSOLED_ARGS=--log=guest XENSTORED_ARGS=--watchdog=120 >"$1/etc/default/xen"
	if [ "$2" = debian ]; then
		echo 'XENSTORED=/usr/sbin/lxenstored' >>"$1/etc/default/xen"
	else
		echo 'XENSTORED=/bin/true' >>"$1/etc/default/xen"
		mkdir -p "$1"/{usr/lib/systemd/system,etc/systemd/system/{multi-user.target.wants,lxenstored.service.d}}
		printf '%s\n' '[Service]' WatchdogSec=120 TimeoutStartSec=300 TimeoutAbortSec=60 >"$1/etc/systemd/system/lxenstored.service.d/emulated.conf"
		sed 's,@sbindir@,/usr/sbin,' "$here/../../units/lxenstored.service.in" >"$1/usr/lib/systemd/system/lxenstored.service"
		ln -s /usr/lib/systemd/system/lxenstored.service "$1/etc/systemd/system/multi-user.target.wants/"
	fi
}

# What each word is for: design notes in README.md.
boot() {
	local name=$1
	: >"$logs/$name.results"
	timeout --foreground "$boot_seconds" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -smp 1 -m "$memory" \
		-cpu max,-smap,-rdtscp,-xsave -nodefaults -display none -monitor none -no-reboot \
		-serial "file:$logs/$name.console" -serial "file:$logs/$name.results" -kernel "$xen/xen.elf" \
		-append "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning dom0_mem=$dom0_memory,max:$dom0_memory dom0_max_vcpus=1 noreboot=0" \
		-initrd "$xen/vmlinux console=hvc0 loglevel=4 nokaslr rodata=off panic=5 systemd.show_status=error systemd.log_color=0,$xen/initrd" </dev/null >"$logs/$name.qemu" 2>&1 &
	emulator=$!
	wait $emulator || say "qemu: exit status $?"
	emulator=
}

# The image that goes with the daemon, and the memory that it needs.
choose_image() {
	case $1 in
	debian | systemd)
		"$here/debian-image.sh" "$xen"
		image=$xen/debian.cpio memory=2560M dom0_memory=1536M
		;;
	*) image=$xen/dom0.cpio memory=1536M dom0_memory=768M ;;
	esac
}

# One scenario's part of the results of a boot.
part() { awk -v name="$2" -v type="$3" '/^scenario / { on = $2 == name && $3 == type; next } on' "$logs/$1.results"; }

# What the console of a boot says of one scenario, or of the start if the boot did not get that far.
console_of() {
	tr -d '\r' <"$logs/$1.console" | awk -v title="==== $2 $3" '/^==== / { on = $0 == title; found = found || on } on { print } !found { start = start $0 "\n" }
		END { if (!found) printf "%s", start }'
}

# Lines that differ from what stock recorded in the same scenario, but for those that are explained.
differences() {
	[ -s "$logs/stock.$2.$3" ] || return 0
	diff <(sed -E -f "$here/explained-differences.sed" "$logs/stock.$2.$3") <(part "$1" "$2" "$3" | grep '^recorded') || true
}

# judge BOOT DAEMON SCENARIO TYPE
judge() {
	local boot=$1 daemon=$2 name=$3 type=$4 seconds why different
	tests=$((tests + 1))
	seconds=$(part "$boot" "$name" "$type" | sed -n 's/^end //p')
	why=$(part "$boot" "$name" "$type" | sed -n 's/^failed //p' | head -n 1)
	[ "$daemon" != stock ] || part "$boot" "$name" "$type" | grep '^recorded' >"$logs/stock.$name.$type" || true
	different=
	[ "$daemon" = stock ] || different=$(differences "$boot" "$name" "$type")
	if [ -n "$seconds" ] && part "$boot" "$name" "$type" | grep -q '^ok$' && [ -z "$different" ]; then
		echo "ok $tests - $name, $type guest, $daemon: $seconds s"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $name, $type guest, $daemon: ${why:-${different:+differs from stock}}${seconds:+ after $seconds s}"
	[ -z "$different" ] || sed 's/^/# /' <<<"$different" | head -n 60
	[ -n "$why$different" ] || say "it did not end"
	console_of "$boot" "$name" "$type" | tail -n 60 | sed 's/^/# /'
}

emulator=
trap '[ -z "$emulator" ] || kill $emulator' EXIT
mkdir -p "$logs"
"$here/image.sh" "$xen" "$build/tests/xen/guest"
number=0
while read -r daemon scenarios; do
	chosen=()
	for scenario in $scenarios; do
		[ "$wanted" = "  " ] || [[ $wanted == *" ${scenario%:*} "* ]] || continue
		chosen+=("$scenario")
	done
	[ ${#chosen[@]} -gt 0 ] || continue
	number=$((number + 1))
	choose_image "$daemon"
	make_overlay "$daemon" "${chosen[@]}"
	boot "boot-$number"
	for scenario in "${chosen[@]}"; do
		judge "boot-$number" "$daemon" "${scenario%:*}" "${scenario#*:}"
	done
done < <(grep -v '^#' "${BOOTS:-$here/boots}")
echo "1..$tests"
exit $((failures > 0))
