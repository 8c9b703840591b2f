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
boot_seconds=${BOOT_SECONDS:-600}
tests=0 failures=0

say() { echo "# $*"; }

# The files of this boot, as a second archive behind the image: daemon, list of scenarios, the scenarios.
make_overlay() {
	local folder=$xen/overlay library
	rm -rf "$folder"
	mkdir -p "$folder"/{scenarios,xen,lib/x86_64-linux-gnu}
	cp "$here"/scenarios/*.sh "$here/library.sh" "$here/run-scenario.sh" "$folder/scenarios/"
	echo "$1" >"$folder/scenarios/daemon"
	printf '%s\n' "${@:2}" | tr : ' ' >"$folder/scenarios/list"
	cp "$build/lxenstored" "$build/lxenstore-dump" "$folder/xen/"
	for library in $(ldd "$build/lxenstored" "$build/lxenstore-dump" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u); do
		cp -Lu "$library" "$folder/lib/x86_64-linux-gnu/"
	done
	(cd "$folder" && find . | cpio -o -H newc --quiet) | cat "$xen/dom0.cpio" - >"$xen/initrd"
}

# What each word is for: design notes in README.md.
boot() {
	local name=$1
	: >"$logs/$name.results"
	timeout "$boot_seconds" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -smp 1 -m 1536 -cpu max,-smap,-rdtscp,-xsave \
		-nodefaults -display none -monitor none -no-reboot -serial "file:$logs/$name.console" -serial "file:$logs/$name.results" \
		-kernel "$xen/xen.elf" \
		-append 'console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning dom0_mem=768M,max:768M dom0_max_vcpus=1 noreboot=0' \
		-initrd "$xen/vmlinux console=hvc0 loglevel=4 nokaslr panic=5,$xen/initrd" </dev/null >"$logs/$name.qemu" 2>&1 || say "qemu: exit status $?"
}

# One scenario's part of the results of a boot.
part() { awk -v name="$2" -v type="$3" '/^scenario / { on = $2 == name && $3 == type; next } on' "$logs/$1.results"; }

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
	tail -n 15 "$logs/$boot.console" | sed 's/^/# /'
}

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
	make_overlay "$daemon" "${chosen[@]}"
	boot "boot-$number"
	for scenario in "${chosen[@]}"; do
		judge "boot-$number" "$daemon" "${scenario%:*}" "${scenario#*:}"
	done
done < <(grep -v '^#' "${BOOTS:-$here/boots}")
echo "1..$tests"
exit $((failures > 0))
