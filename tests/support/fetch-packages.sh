#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Unpacks the Debian packages $2... into the folder $1, each unless it is there already. Nothing is installed.
folder=$1
shift

fail() {
	echo "$package cannot be had: $1" >&2
	exit 1
}

download() { (cd "$work" && apt-get -q download "$package") >"$work/log" 2>&1; }

# A mirror that does not answer at once gets another chance, with fresh lists: they may be missing, or older than what it has.
download_at_last() {
	for pause in 0 5 20; do
		sleep "$pause"
		download && return
		[ "$(id -u)" != 0 ] || apt-get -qq update >"$work/log.update" 2>&1
	done
	download
}

mkdir -p "$folder/.unpacked" || exit 1
exec 9>"$folder/.lock"
flock 9 # tests that run side by side need the same packages
work=$(mktemp -d "$folder/fetch.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
# apt drops its rights for a download where it can, and then needs to write here.
chmod 755 "$work"
for package; do
	[ -e "$folder/.unpacked/$package" ] && continue
	command -v apt-get >"$work/log" && command -v dpkg-deb >>"$work/log" || fail "apt-get and dpkg-deb are not both there"
	download_at_last || fail "apt-get download failed: $(tail -n 3 "$work/log")"
	dpkg-deb -x "$work/$package"_*.deb "$folder" || fail "its file cannot be unpacked"
	rm -f "$work"/*.deb
	: >"$folder/.unpacked/$package"
done
