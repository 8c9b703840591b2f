#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the folder that has the programs of Debian's package xen-utils-4.17 (xenstore-control, test-xenstore), which is
# unpacked under the folder $1 unless it is there already. It is not installed: its scripts belong on a Xen host.
package=xen-utils-4.17
cache=$1/$package
programs=$cache/usr/lib/xen-4.17/bin

fail() {
	echo "$package cannot be had: $1" >&2
	exit 1
}

download() { (cd "$work" && apt-get -q download "$package") >"$work/log" 2>&1; }

if ! [ -x "$programs/test-xenstore" ]; then
	mkdir -p "$1" || exit 1
	work=$(mktemp -d "$1/fetch.XXXXXX") || exit 1
	trap 'rm -rf "$work"' EXIT
	# apt drops its rights for a download where it can, and then needs to write here.
	chmod 755 "$work"
	command -v apt-get >"$work/log" && command -v dpkg-deb >>"$work/log" || fail "apt-get and dpkg-deb are not both there"
	# The lists of packages may be missing, or older than what the mirror has.
	download || { [ "$(id -u)" = 0 ] && apt-get -qq update >"$work/log" 2>&1 && download; } || fail "apt-get download failed: $(tail -n 3 "$work/log")"
	dpkg-deb -x "$work/$package"_*.deb "$work/files" || fail "its file cannot be unpacked"
	mv -T "$work/files" "$cache" 2>/dev/null # unless another one was faster
fi
[ -x "$programs/test-xenstore" ] && [ -x "$programs/xenstore-control" ] || fail "it has no $programs/test-xenstore"
missing=$(ldd "$programs/test-xenstore" "$programs/xenstore-control" | grep 'not found')
[ -z "$missing" ] || fail "it needs libraries that are not there (install libxen-dev):$missing"
echo "$programs"
